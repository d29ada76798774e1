#include "painter.h"

#include "check.h"
#include "tiny.h"

static const char *const prompts[2] = { "a red circle", "the blue square and a red one" };

void painter_open(struct painter *p, struct host *h, const char *const *pairs, uint32_t width, uint32_t height)
{
    *p = (struct painter){ .host = h, .plugin = host_plugin("flux") };
    p->sampler = p->plugin->vtable;
    p->canvas = (wn_canvas){ .struct_size = sizeof p->canvas, .width_px = width, .height_px = height, .steps = 8 };
    p->info.struct_size = sizeof p->info;
    p->self = host_create(h, p->plugin, p->options, pairs, &p->error);
    if (!p->self)
        return;
    CHECK_OK(p->sampler->describe(p->self, &p->info, &p->error), p->error);
    const uint64_t stride = p->info.latent_stride_px;
    p->latent = p->info.latent_channels * (height / stride) * (width / stride);
}

void painter_close(struct painter *p)
{
    p->plugin->destroy(p->self);
}

static wn_cond *encode(struct painter *p, int prompt, const float *sigma)
{
    const wn_prompt text = { prompts[prompt], "p", "", "{}" };
    wn_cond *cond = NULL;
    CHECK_OK(p->sampler->encode(p->self, &text, &p->canvas, sigma, &cond, &p->error), p->error);
    if (!cond)
        exit(1);
    return cond;
}

void painter_velocities(struct painter *p, const nn_weights *golden, float *v)
{
    const float *x = tiny_golden(golden, "velocity.x", NULL);
    const float *at = tiny_golden(golden, "velocity.sigma", NULL);
    float sigma[9];
    CHECK_OK(p->sampler->schedule(p->self, &p->canvas, sigma, &p->error), p->error);
    for (uint64_t i = 0; i < 2; i++) {
        wn_cond *cond = encode(p, (int)i, sigma);
        const wn_velocity_item item = { x + i * p->latent, v + i * p->latent, cond, at[i], 0 };
        CHECK_OK(p->sampler->velocity(p->self, &p->canvas, 1, &item, &p->error), p->error);
        p->sampler->cond_free(p->self, cond);
    }
}

void painter_picture(struct painter *p, const nn_weights *golden, uint8_t *rgb)
{
    float sigma[9], *x = tiny_alloc(p->latent, sizeof *x), *v = tiny_alloc(p->latent, sizeof *v);
    CHECK_OK(p->sampler->schedule(p->self, &p->canvas, sigma, &p->error), p->error);
    wn_cond *cond = encode(p, 0, sigma);
    memcpy(x, tiny_golden(golden, "run.noise", NULL), p->latent * sizeof *x);
    for (int step = 0; step < 8; step++) {
        const wn_velocity_item item = { x, v, cond, sigma[step], 0 };
        CHECK_OK(p->sampler->velocity(p->self, &p->canvas, 1, &item, &p->error), p->error);
        for (uint64_t i = 0; i < p->latent; i++)
            x[i] += (sigma[step + 1] - sigma[step]) * v[i];
    }
    CHECK_OK(p->sampler->decode(p->self, &p->canvas, 1, (const float *const[]){ x }, WN_QUALITY_FULL,
                                (uint8_t *const[]){ rgb }, &p->error),
             p->error);
    p->sampler->cond_free(p->self, cond);
    if (check_failures)
        exit(1);
}

double psnr(const uint8_t *a, const uint8_t *b, uint64_t n)
{
    double sum = 0;
    for (uint64_t i = 0; i < n; i++)
        sum += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
    return sum > 0 ? 10 * log10(255.0 * 255.0 * (double)n / sum) : INFINITY;
}
