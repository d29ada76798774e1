/* picture.c - makes one picture with the flux sampler and says where the time and the memory went: for models that are
 * too big for anything smaller. Prints one line of JSON.
 *
 *     bench_picture MODEL DTYPE WIDTH HEIGHT STEPS THREADS
 */
#include "../golden/host.h"

#include <winnow/sampler.h>

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void must(wn_status status, const wn_error *err)
{
    if (status == WN_OK)
        return;
    fprintf(stderr, "%s\n", err->message);
    exit(1);
}

/* Seconds since the last call. */
static double lap(void)
{
    static double last;
    const double t = now(), seconds = t - last;
    last = t;
    return seconds;
}

struct picture {
    const wn_sampler *sampler;
    void *self;
    wn_canvas canvas;
    float *sigma, *x, *v;
    uint8_t *rgb;
    uint64_t n;
};

static void allocate(struct picture *p)
{
    wn_error err;
    wn_sampler_info info = { .struct_size = sizeof info };
    must(p->sampler->describe(p->self, &info, &err), &err);
    const uint64_t pixels = (uint64_t)p->canvas.width_px * p->canvas.height_px;
    p->n = info.latent_channels * pixels / (info.latent_stride_px * info.latent_stride_px);
    p->sigma = calloc(p->canvas.steps + 1, sizeof *p->sigma);
    p->x = calloc(p->n, sizeof *p->x);
    p->v = calloc(p->n, sizeof *p->v);
    p->rgb = calloc(pixels, 3);
    for (uint64_t i = 0; i < p->n; i++)
        p->x[i] = (float)((i * 2654435761u >> 8) % 4096) / 1024.0f - 2.0f;
}

static void make_picture(struct picture *p)
{
    const wn_sampler *s = p->sampler;
    const wn_prompt prompt = { "a red circle", "p", "", "{}" };
    double encode_s, first_s = 0, step_s = 0;
    wn_error err;
    wn_cond *cond;
    must(s->schedule(p->self, &p->canvas, p->sigma, &err), &err);
    lap();
    must(s->encode(p->self, &prompt, &p->canvas, p->sigma, &cond, &err), &err);
    encode_s = lap();
    for (uint32_t i = 0; i < p->canvas.steps; i++) {
        const wn_velocity_item item = { p->x, p->v, cond, p->sigma[i], 0 };
        must(s->velocity(p->self, &p->canvas, 1, &item, &err), &err);
        for (uint64_t k = 0; k < p->n; k++)
            p->x[k] += (p->sigma[i + 1] - p->sigma[i]) * p->v[k];
        step_s = lap(); /* the last one's; the first one's includes packing the weights */
        first_s = i == 0 ? step_s : first_s;
    }
    must(s->decode(p->self, &p->canvas, 1, (const float *const[]){ p->x }, WN_QUALITY_FULL,
                   (uint8_t *const[]){ p->rgb }, &err),
         &err);
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("\"encode\": %.3f, \"first_step\": %.3f, \"last_step\": %.3f, \"decode\": %.3f, \"peak_rss_gib\": %.2f}\n",
           encode_s, first_s, step_s, lap(), (double)usage.ru_maxrss / 1048576);
    s->cond_free(p->self, cond);
}

int main(int argc, char **argv)
{
    static struct host host;
    static char options[1024];
    if (argc != 7) {
        fprintf(stderr, "usage: bench_picture MODEL f32|bf16 WIDTH HEIGHT STEPS THREADS\n");
        return 2;
    }
    struct picture p = { .canvas = { .struct_size = sizeof p.canvas,
                                     .width_px = (uint32_t)strtoul(argv[3], NULL, 10),
                                     .height_px = (uint32_t)strtoul(argv[4], NULL, 10),
                                     .steps = (uint32_t)strtoul(argv[5], NULL, 10) } };
    const wn_plugin *plugin = host_plugin("flux");
    host_open(&host, (uint32_t)strtoul(argv[6], NULL, 10));
    lap();
    p.sampler = plugin->vtable;
    p.self = host_create(&host, plugin, options,
                         (const char *const[]){ "model", argv[1], "dtype", argv[2], "batch", "1", NULL }, NULL);
    printf("{\"open\": %.3f, ", lap());
    fflush(stdout);
    allocate(&p);
    make_picture(&p);
    plugin->destroy(p.self);
    host_close(&host);
    return 0;
}
