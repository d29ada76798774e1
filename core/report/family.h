/* family.h - who came of whom among the candidates of one prompt. */
#ifndef WINNOW_REPORT_FAMILY_H
#define WINNOW_REPORT_FAMILY_H

#include "report/data.h"

#define FAMILY_NONE UINT64_MAX

/* parents[candidate_count]: places in t->candidates, FAMILY_NONE for those that began with a noise of their own. A
 * parent stands before its children, so following parents ends. */
wn_status family_parents(const struct data_trial *t, uint64_t *parents, wn_error *err);

/* A search that goes back to a state which nobody scored leaves no parent. For finished candidates without one: the
 * earlier finished one of the same noise with which most of the path is shared, the first of equals; left_at[] is the
 * point up to which it is, FAMILY_NONE for all others. Trials of more than FAMILY_MOST candidates stay as they are. */
enum { FAMILY_MOST = 2048 };
wn_status family_branches(const struct data_trial *t, uint64_t *parents, uint64_t *left_at, wn_error *err);

#endif
