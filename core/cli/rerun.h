/* rerun.h - a run's spec as the run had it, loaded again to make what is in its ledger once more.
 *
 * Taken from RUN/spec.resolved.json, with the prompts that the ledger has: neither the spec's file nor the file of
 * prompts has to be there any more. Names of models are looked up where the spec's were.
 */
#ifndef WINNOW_CLI_RERUN_H
#define WINNOW_CLI_RERUN_H

#include "base/files.h"
#include "cli/cli.h"
#include "ledger/recall.h"

struct rerun {
    struct spec *spec;
    char directory[FILE_PATH_SIZE];
    uint64_t prompt_count;
    wn_prompt *prompts;        // [prompt_count]: those of recalled candidates; the others are empty
    struct spec_budget *spent; // [prompt_count]: by each prompt's search, up to the last recalled one
};

/* run_dir and recall outlive it. sets: laid over the spec, in order, as --set is. Says what is wrong; returns an exit
 * code. rerun_finish ends it whatever was returned. */
int rerun_load(struct cli *c, const char *run_dir, const struct recall *recall, uint32_t set_count,
               const char *const *sets, struct rerun *out);
void rerun_finish(struct rerun *r);

#endif
