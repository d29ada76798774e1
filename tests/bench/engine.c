/* engine.c - candidate steps a second through search, batcher, solver, decoder, verifier and ledger, with a sampler
 * that costs next to nothing: what the engine itself can carry.
 *
 *     bench_engine [CANDIDATES [STEPS [BATCH [LIVE [SEARCH]]]]] */
#include "search/harness.h"

#include <stdlib.h>
#include <sys/resource.h>

static const char *const spec = "{ \"winnow\": 0, \"name\": \"bench\", \"seed\": 7,"
                                "  \"prompts\": { \"list\": [\"one\", \"two\", \"three\", \"four\"] },"
                                "  \"canvas\": { \"width\": 32, \"height\": 32, \"steps\": 30 },"
                                "  \"sampler\": { \"use\": \"analytic\" },"
                                "  \"verifiers\": { \"near\": { \"use\": \"analytic\" } },"
                                "  \"search\": { \"use\": \"random\", \"guide\": \"near\" },"
                                "  \"engine\": { \"save_images\": false }, \"output\": \"run\" }";

/* User and system time of this process: what counts on a machine that is busy with other things. */
static double cpu_seconds(void)
{
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) + 1e-6 * (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec);
}

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
    const double steps = (double)s->nfe_sampled, scored = (double)s->candidates_done, cpu = cpu_seconds();
    printf("%s: %.0f candidates, %.0f steps in %.3f s: %.0f steps/s, %.0f candidates/s, batches %.0f %% full\n"
           "  %.3f s of processor time: %.0f steps and %.0f candidates for each second of it\n",
           name, scored, steps, s->seconds, steps / s->seconds, scored / s->seconds, 100 * s->batch_fill, cpu,
           steps / cpu, scored / cpu);
    return 0;
}
