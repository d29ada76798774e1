/* run_files.h - what a run directory holds beside its ledger when a run starts. */
#ifndef WINNOW_LEDGER_RUN_FILES_H
#define WINNOW_LEDGER_RUN_FILES_H

#include "plugin/instance.h"

/* spec.json as it was given, spec.resolved.json with every default, and a start in manifest.json. For whoever holds the
 * ledger: only then is the directory known to be this run's. */
wn_status run_files_write(const struct spec *spec, const struct instances *instances, struct process *process,
                          wn_error *err);

#endif
