/* score.c - from files of pictures to scores, as `winnow score` does it, again and again in one process, so that
 * loading the model is not what is timed.
 *
 *     bench_score VERIFIER MODEL f32|bf16 THREADS PNG...
 *
 * Each line of standard input is a prompt that all PNGs are scored against: they are read from their files, and the
 * answer is one line of JSON with "seconds", "cpu" (processor time) and the last metric's scores. The first pixel of
 * every picture is overwritten with a running number, so that no verifier remembers it from the run before. At the end
 * of the input the verifier is ended, and what it logged (its counters) is printed.
 */
#include "../golden/host.h"

#include "base/image_file.h"

#include <winnow/verifier.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_PICTURES = 64, MAX_METRICS = 8 };

struct bench {
    struct pool *pool;
    const wn_verifier *verifier;
    void *self;
    uint64_t count;
    char *const *paths;
};

static double read_clock(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void must(wn_status status, const wn_error *err)
{
    if (status == WN_OK)
        return;
    fprintf(stderr, "%s\n", err->message);
    exit(1);
}

static void make_new(const wn_image *image)
{
    static uint32_t number;
    uint8_t *pixel = (uint8_t *)(uintptr_t)image->rgb;
    number++;
    for (int c = 0; c < 3; c++)
        pixel[c] = (uint8_t)(number >> 8 * c);
}

static void read_all(struct pool *pool, uint64_t count, char *const *paths, wn_image *images)
{
    static struct image_job jobs[MAX_PICTURES];
    for (uint64_t i = 0; i < count; i++)
        jobs[i].path = paths[i];
    image_read_all(pool, count, jobs);
    for (uint64_t i = 0; i < count; i++) {
        must(jobs[i].status, &jobs[i].err);
        images[i] = jobs[i].image;
        make_new(&images[i]);
    }
}

static void score(struct bench *b, const char *text, double *scores)
{
    wn_error err;
    const wn_prompt prompt = { text, "p", "", "{}" };
    const wn_prompt *prompts[MAX_PICTURES];
    wn_image images[MAX_PICTURES];
    read_all(b->pool, b->count, b->paths, images);
    for (uint64_t i = 0; i < b->count; i++)
        prompts[i] = &prompt;
    const wn_score_request request = {
        .struct_size = sizeof request, .count = b->count, .prompts = prompts, .images = images, .scores = scores
    };
    must(b->verifier->score(b->self, &request, &err), &err);
    for (uint64_t i = 0; i < b->count; i++)
        image_free(&images[i]);
}

static void answer(struct bench *b, const char *text)
{
    double scores[MAX_PICTURES * MAX_METRICS];
    const double start = read_clock(CLOCK_MONOTONIC), cpu = read_clock(CLOCK_PROCESS_CPUTIME_ID);
    score(b, text, scores);
    printf("{\"seconds\": %.6f, \"cpu\": %.6f, \"scores\": [", read_clock(CLOCK_MONOTONIC) - start,
           read_clock(CLOCK_PROCESS_CPUTIME_ID) - cpu);
    for (uint64_t i = 0; i < b->count; i++)
        printf("%s%.9g", i ? ", " : "", scores[(i + 1) * b->verifier->metric_count - 1]);
    puts("]}");
    fflush(stdout);
}

int main(int argc, char **argv)
{
    static struct host host;
    static char options[1024], line[4096];
    if (argc < 6 || argc - 5 > MAX_PICTURES) {
        fprintf(stderr, "usage: bench_score VERIFIER MODEL f32|bf16 THREADS PNG...\n");
        return 2;
    }
    const wn_plugin *plugin = host_plugin(argv[1]);
    host_open(&host, (uint32_t)strtoul(argv[4], NULL, 10));
    struct bench b = { host.pool, plugin->vtable, NULL, (uint64_t)argc - 5, argv + 5 };
    b.self =
        host_create(&host, plugin, options, (const char *const[]){ "model", argv[2], "dtype", argv[3], NULL }, NULL);
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = '\0';
        answer(&b, line);
    }
    plugin->destroy(b.self);
    fputs(host.log, stdout);
    host_close(&host);
    return 0;
}
