/* show.h - numbers as people read them, the same way in the page and in the terminal. */
#ifndef WINNOW_REPORT_SHOW_H
#define WINNOW_REPORT_SHOW_H

#include "report/numbers.h"

enum { SHOW_SIZE = 64, SHOW_LONG_SIZE = 256 };

/* text[SHOW_SIZE] each but the last. Metrics of yes and no are shown in percent, others with digits that fit their
 * size; NaN is "-". */
void show_value(const struct data_metric *m, double value, char *text);
void show_gain(const struct data_metric *m, double gain, char *text); /* "+33 points", "+0.021" */
void show_bound(const struct data_metric *m, double bound, char *text); /* a gain without its unit: "+33" */
void show_interval(const struct data_metric *m, const struct stats_interval *i, char *text); /* "61 % [48 %, 74 %]" */
void show_count(uint64_t count, char *text);                                                 /* "1,920" */

/* Whether the interval of a gain leaves no doubt of its sign. */
bool show_is_certain(const struct stats_interval *gain);

/* text[SHOW_LONG_SIZE]: "+33 points (95 % interval +21 to +46)", and a word where the sign is open. */
void show_gain_interval(const struct data_metric *m, const struct stats_interval *gain, char *text);

#endif
