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

int main(int argc, char **argv)
{
    static struct host host;
    static char options[1024];
    wn_error err;
    wn_cond *cond;
    if (argc != 7) {
        fprintf(stderr, "usage: bench_picture MODEL f32|bf16 WIDTH HEIGHT STEPS THREADS\n");
        return 2;
    }
    host_open(&host, (uint32_t)strtoul(argv[6], NULL, 10));
    const wn_plugin *plugin = host_plugin("flux");
    const wn_sampler *s = plugin->vtable;
    wn_canvas canvas = { .struct_size = sizeof canvas,
                         .width_px = (uint32_t)strtoul(argv[3], NULL, 10),
                         .height_px = (uint32_t)strtoul(argv[4], NULL, 10),
                         .steps = (uint32_t)strtoul(argv[5], NULL, 10) };
    lap();
    void *self = host_create(&host, plugin, options,
                             (const char *const[]){ "model", argv[1], "dtype", argv[2], "batch", "1", NULL }, NULL);
    const double open_s = lap();
    wn_sampler_info info = { .struct_size = sizeof info };
    must(s->describe(self, &info, &err), &err);
    const uint64_t pixels = (uint64_t)canvas.width_px * canvas.height_px;
    const uint64_t n = info.latent_channels * pixels / (info.latent_stride_px * info.latent_stride_px);
    float *sigma = calloc(canvas.steps + 1, sizeof *sigma), *x = calloc(n, sizeof *x), *v = calloc(n, sizeof *v);
    uint8_t *rgb = calloc(pixels, 3);
    for (uint64_t i = 0; i < n; i++)
        x[i] = (float)((i * 2654435761u >> 8) % 4096) / 1024.0f - 2.0f;
    must(s->schedule(self, &canvas, sigma, &err), &err);
    must(s->encode(self, &(wn_prompt){ "a red circle", "p", "", "{}" }, &canvas, sigma, &cond, &err), &err);
    const double encode_s = lap();
    double first_s = 0, step_s = 0;
    for (uint32_t i = 0; i < canvas.steps; i++) {
        must(s->velocity(self, &canvas, 1, &(wn_velocity_item){ x, v, cond, sigma[i], 0 }, &err), &err);
        for (uint64_t k = 0; k < n; k++)
            x[k] += (sigma[i + 1] - sigma[i]) * v[k];
        step_s = lap(); /* the last one's */
        first_s = i == 0 ? step_s : first_s;
    }
    must(s->decode(self, &canvas, 1, (const float *const[]){ x }, WN_QUALITY_FULL, (uint8_t *const[]){ rgb }, &err),
         &err);
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("{\"open\": %.3f, \"encode\": %.3f, \"first_step\": %.3f, \"last_step\": %.3f, \"decode\": %.3f, "
           "\"peak_rss_gib\": %.2f}\n",
           open_s, encode_s, first_s, step_s, lap(), (double)usage.ru_maxrss / 1048576);
    s->cond_free(self, cond);
    plugin->destroy(self);
    host_close(&host);
    return 0;
}
