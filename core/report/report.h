/* report.h - turns a run's ledger into numbers, tables and one self-contained page. */
#ifndef WINNOW_REPORT_REPORT_H
#define WINNOW_REPORT_REPORT_H

#include <winnow/plugin.h>

#include <stdio.h>

/* Writes run_dir/results.jsonl, summary.json, times.json and report.html from ledger.db, spec.resolved.json and manifest.json; each
 * is written beside and renamed. results.jsonl and summary.json hold no times: equal runs give equal files. */
wn_status report_write(const char *run_dir, wn_error *err);

/* The table that `winnow run` and `winnow report` end with: rows n = 1, 2, 4, ..., columns guide and judges with intervals. */
wn_status report_table(const char *run_dir, FILE *out, int use_colour, wn_error *err);

#endif
