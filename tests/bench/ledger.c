/* ledger.c - what the ledger adds to a run: the same run with everything written down, and with a recorder that drops
 * what it is given and a ledger that forgets, in turns. The sampler is the analytic one: it costs nothing, or sleeps.
 *
 *     bench_ledger DIRECTORY [PROMPTS [DELAY_US [ROUNDS [IMAGES]]]]
 *
 * 4 candidates for each prompt, 64 px, 10 steps; DELAY_US for each batch of 16. IMAGES: false keeps the first picture
 * of a prompt and those that beat all before, as a run does of itself. DIRECTORY must be new, and the runs stay in it:
 * ext4 makes files slowly for some minutes after many were deleted. */
#include "search/harness.h"

#include "base/clock.h"
#include "base/files.h"
#include "engine/job.h"
#include "engine/recorder.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static const char *const spec = "{ \"winnow\": 0, \"name\": \"bench\", \"seed\": 7,"
                                "  \"prompts\": { \"file\": \"prompts.txt\" },"
                                "  \"canvas\": { \"width\": 64, \"height\": 64, \"steps\": 10 },"
                                "  \"sampler\": { \"use\": \"analytic\" },"
                                "  \"verifiers\": { \"near\": { \"use\": \"analytic\" } },"
                                "  \"search\": { \"use\": \"random\", \"guide\": \"near\","
                                "                \"options\": { \"candidates\": 4 } }, \"output\": \"run\" }";

/* ---- the run without: the linker puts these before the real ones --------------------------------------------- */

static bool drops;

void __real_recorder_push(struct recorder *r, struct job *job);
void __wrap_recorder_push(struct recorder *r, struct job *job);
wn_status __real_ledger_open(const char *run_dir, const char *spec_hash, struct ledger **out, wn_error *err);
wn_status __wrap_ledger_open(const char *run_dir, const char *spec_hash, struct ledger **out, wn_error *err);

void __wrap_recorder_push(struct recorder *r, struct job *job)
{
    if (drops)
        job_free(job);
    else
        __real_recorder_push(r, job);
}

wn_status __wrap_ledger_open(const char *run_dir, const char *spec_hash, struct ledger **out, wn_error *err)
{
    WN_TRY(__real_ledger_open(run_dir, spec_hash, out, err));
    if (!drops)
        return WN_OK;
    WN_TRY(ledger_close(*out, err));
    return ledger_open_reading(run_dir, out, err);
}

/* ---- running ----------------------------------------------------------------------------------------------------- */

struct cost {
    double seconds, cpu;
};

static double cpu_seconds(void)
{
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) + 1e-6 * (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec);
}

static void write_prompts(const char *directory, long prompts)
{
    char path[FILE_PATH_SIZE];
    wn_error err;
    FILE *file = NULL;
    if (dir_make(directory, &err) == WN_OK && path_join(path, directory, "prompts.txt", &err) == WN_OK)
        file = fopen(path, "w");
    for (long i = 0; file && i < prompts; i++)
        fprintf(file, "prompt number %ld\n", i);
    if (!file || fclose(file) != 0)
        fprintf(stderr, "cannot write to %s\n", directory);
}

static struct cost measure(bool is_dropped, const char *directory, long number, long prompts, const char *const *set)
{
    char path[FILE_PATH_SIZE];
    snprintf(path, sizeof path, "%s/%s-%ld", directory, is_dropped ? "without" : "with", number);
    struct harness_run run = { .spec = spec, .set = set, .directory = path };
    write_prompts(path, prompts);
    drops = is_dropped;
    const struct cost start = { clock_seconds(), cpu_seconds() };
    if (harness_execute(&run) != WN_OK) {
        fprintf(stderr, "%s\n", run.err.message);
        exit(1);
    }
    return (struct cost){ clock_seconds() - start.seconds, cpu_seconds() - start.cpu };
}

int main(int argc, char **argv)
{
    char delay[96], images[96];
    if (argc < 2) {
        fprintf(stderr, "usage: bench_ledger DIRECTORY [PROMPTS [DELAY_US [ROUNDS [IMAGES]]]]\n");
        return 2;
    }
    const long prompts = argc > 2 ? strtol(argv[2], NULL, 10) : 10000;
    const long rounds = argc > 4 ? strtol(argv[4], NULL, 10) : 3;
    snprintf(delay, sizeof delay, "sampler.options.delay_us=%s", argc > 3 ? argv[3] : "0");
    snprintf(images, sizeof images, "engine.save_images=%s", argc > 5 ? argv[5] : "true");
    const char *const set[] = { delay, images, "engine.batch=16", NULL };
    for (long i = 0; i < rounds; i++) {
        const struct cost without = measure(true, argv[1], i, prompts, set);
        const struct cost with = measure(false, argv[1], i, prompts, set);
        struct rusage usage;
        getrusage(RUSAGE_SELF, &usage);
        printf("%.2f s with, %.2f s without: %.1f %% of the run; processor time %.2f and %.2f s; peak memory %ld MiB\n",
               with.seconds, without.seconds, 100 * (with.seconds - without.seconds) / with.seconds, with.cpu,
               without.cpu, usage.ru_maxrss / 1024);
        fflush(stdout);
    }
    return 0;
}
