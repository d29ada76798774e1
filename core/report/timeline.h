/* timeline.h - draws which part of a run was busy when. */
#ifndef WINNOW_REPORT_TIMELINE_H
#define WINNOW_REPORT_TIMELINE_H

#include "engine/timeline.h"

#include <winnow/plugin.h>

/* Writes run_dir/timeline.svg: a row for each lane, darker where it was busier. Times differ from run to run, so this
 * is no part of the report, whose files are equal for equal runs. */
wn_status timeline_write(const char *run_dir, const struct timeline *t, wn_error *err);

#endif
