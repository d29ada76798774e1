/* family.h - who came of whom among the candidates of one prompt. */
#ifndef WINNOW_REPORT_FAMILY_H
#define WINNOW_REPORT_FAMILY_H

#include "report/data.h"

#define FAMILY_NONE UINT64_MAX

/* parents[candidate_count]: places in t->candidates, FAMILY_NONE for those that began with a noise of their own. A parent
 * stands before its children, so following parents ends. */
wn_status family_parents(const struct data_trial *t, uint64_t *parents, wn_error *err);

#endif
