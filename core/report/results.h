/* results.h - a run as data for other programs. Neither file holds times: equal runs give equal files. */
#ifndef WINNOW_REPORT_RESULTS_H
#define WINNOW_REPORT_RESULTS_H

#include "base/buffer.h"
#include "report/numbers.h"

/* results.jsonl: one line for each candidate, trials and ordinals ascending. */
void results_lines(const struct data *d, struct buffer *out);

/* summary.json: the report's numbers. NaN is null. */
void results_summary(const struct data *d, const struct numbers *n, struct buffer *out);

#endif
