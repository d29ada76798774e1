/* results.h - a run as data for other programs. Times stand in a file of their own: equal runs give equal others. */
#ifndef WINNOW_REPORT_RESULTS_H
#define WINNOW_REPORT_RESULTS_H

#include "base/buffer.h"
#include "report/checks.h"

/* results.jsonl: one line for each candidate, trials and ordinals ascending. */
void results_lines(const struct data *d, struct buffer *out);

/* summary.json: the report's numbers. NaN is null. */
void results_summary(const struct data *d, const struct numbers *n, const struct checks *k, struct buffer *out);

/* times.json: curves against seconds. */
void results_times(const struct data *d, const struct numbers *n, struct buffer *out);

/* The part of summary.json on checks, as members of the object that j stands in. */
struct json_text;
void results_checks(const struct data *d, const struct numbers *n, const struct checks *k, struct json_text *j);

#endif
