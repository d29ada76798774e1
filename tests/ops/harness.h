/* harness.h - runs a made graph on devices and on the reference, and compares. */
#ifndef WINNOW_TESTS_OPS_HARNESS_H
#define WINNOW_TESTS_OPS_HARNESS_H

#include "maker.h"

/* Opens the two devices that all checks use, with 1 and with 3 threads. */
void harness_open(void);
void harness_close(void);
/* Where in the processor's path the device runs: "avx512_bf16, 1 threads". */
const char *harness_paths(void);
int harness_is_vulkan(void); /* which multiplies in WN_F16 too */

/* Compiles the graph for dtype and checks, with random inputs and poisoned memory:
 *   - 5 items against the reference: normalised mean square error of every output at most bound;
 *   - one item alone, the items in another order, and 3 threads instead of 1: the same bits.
 * bound is for all outputs together; the worst seen so far is kept under the maker's name and printed by harness_close.
 */
void harness_check(const struct maker *m, int64_t dtype, double bound);

/* Compiling must fail with `code` and a message containing both texts. */
void harness_refuses(const struct maker *m, int32_t code, const char *part, const char *other);

#endif
