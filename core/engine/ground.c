#include "engine/ground.h"

#include "engine/start.h"
#include "engine/velocity.h"

#include <stdlib.h>

static void measure(struct ground *g, const wn_sampler_info *info, uint32_t factor)
{
    const wn_canvas *canvas = &g->spec.canvas;
    g->solver = (struct solver){ .method = (enum spec_solver)g->spec.solver,
                                 .sigma = g->sigma,
                                 .steps = canvas->steps,
                                 .shrink = factor,
                                 .rows = canvas->height_px / info->latent_stride_px,
                                 .columns = canvas->width_px / info->latent_stride_px };
    g->solver.values = info->latent_channels * g->solver.rows * g->solver.columns;
}

wn_status ground_make(const struct spec *spec, void *sampler, const wn_sampler_info *info, uint32_t factor,
                      struct ground **out, wn_error *err)
{
    struct ground *g = calloc(1, sizeof *g);
    float *sigma = calloc((size_t)spec->canvas.steps + 1, sizeof *sigma);
    if (!g || !sigma) {
        free(g);
        free(sigma);
        return wn_fail(err, WN_E_MEMORY, "no memory for a schedule of %u steps", spec->canvas.steps);
    }
    g->spec = *spec;
    g->spec.canvas.width_px /= factor;
    g->spec.canvas.height_px /= factor;
    g->sigma = sigma;
    measure(g, info, factor);
    g->solver.memory_bytes = velocity_memory_bytes(spec->sampler.plugin->vtable, sampler, &g->spec.canvas);
    const wn_status status = start_schedule(&g->spec, sampler, sigma, err);
    if (status == WN_OK)
        *out = g;
    else
        ground_free(g);
    return status;
}

void ground_free(struct ground *g)
{
    if (g)
        free(g->sigma);
    free(g);
}
