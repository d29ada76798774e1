/* engine.c - candidate steps a second through search, batcher, solver, decoder, verifier and ledger, with a sampler
 * that costs next to nothing: what the engine itself can carry.
 *
 *     bench_engine [CANDIDATES [STEPS [BATCH [LIVE [SEARCH]]]]] */
#include "search/harness.h"

#include <stdlib.h>

static const char *const spec = "{ \"winnow\": 0, \"name\": \"bench\", \"seed\": 7,"
                                "  \"prompts\": { \"list\": [\"one\", \"two\", \"three\", \"four\"] },"
                                "  \"canvas\": { \"width\": 32, \"height\": 32, \"steps\": 30 },"
                                "  \"sampler\": { \"use\": \"analytic\" },"
                                "  \"verifiers\": { \"near\": { \"use\": \"analytic\" } },"
                                "  \"search\": { \"use\": \"random\", \"guide\": \"near\" },"
                                "  \"engine\": { \"save_images\": false }, \"output\": \"run\" }";

int main(int argc, char **argv)
{
    char set[5][96];
    const char *const candidates = argc > 1 ? argv[1] : "5000";
    const char *const name = argc > 5 ? argv[5] : "random";
    const int is_random = name[0] == 'r';
    snprintf(set[0], sizeof set[0], "search={\"use\":\"%s\",\"guide\":\"near\",\"options\":{\"%s\":%s}}", name,
             is_random ? "candidates" : "iterations", candidates);
    snprintf(set[1], sizeof set[1], "canvas.steps=%s", argc > 2 ? argv[2] : "30");
    snprintf(set[2], sizeof set[2], "engine.batch=%s", argc > 3 ? argv[3] : "256");
    snprintf(set[3], sizeof set[3], "engine.live=%s", argc > 4 ? argv[4] : "4");
    const char *const sets[] = { set[0], set[1], set[2], set[3], NULL };
    struct harness_run run = { .spec = spec, .set = sets, .directory = harness_directory("bench", "engine") };
    if (harness_execute(&run) != WN_OK) {
        fprintf(stderr, "%s\n", run.err.message);
        return 1;
    }
    const struct experiment_status *s = &run.result.status;
    printf("%s: %llu candidates, %llu steps in %.3f s: %.0f steps/s, %.0f candidates/s, batches %.0f %% full\n", name,
           (unsigned long long)s->candidates_done, (unsigned long long)s->nfe_sampled, s->seconds,
           (double)s->nfe_sampled / s->seconds, (double)s->candidates_done / s->seconds, 100 * s->batch_fill);
    return 0;
}
