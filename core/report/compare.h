/* compare.h - runs beside each other: which algorithm is better, by how much, and how sure that is.
 *
 * Runs whose specs differ in nothing but the seed are one algorithm. All runs must have the same prompts and the same
 * metrics; differences are taken within a prompt (and a seed, where both algorithms have it) before anything is
 * averaged.
 */
#ifndef WINNOW_REPORT_COMPARE_H
#define WINNOW_REPORT_COMPARE_H

#include "base/buffer.h"

#include <stdbool.h>

struct compare;

/* directories: of runs, or of sweeps, which stand for all of their points that have begun. Reads all and computes all
 * numbers. WN_E_ARG, naming two runs, where they cannot be compared; WN_E_MISSING where there is no run. */
wn_status compare_create(uint64_t count, const char *const *directories, struct compare **out, wn_error *err);
void compare_free(struct compare *c); /* NULL is fine */

/* Writes out_dir/compare.html and compare.json. Paths in them are relative to nothing: both stand alone. */
wn_status compare_write(const struct compare *c, const char *out_dir, wn_error *err);

/* compare.json's text, and the table of the terminal. Failures stay in the buffer. */
void compare_json(const struct compare *c, struct buffer *out);
void compare_table(const struct compare *c, bool use_colour, struct buffer *out);

#endif
