/* sampler.h - what a generative model is to winnow: a velocity field with a decoder.
 *
 * A sampler answers "what is dx/dsigma at (x, sigma, prompt)?" for a batch, and "what image is this latent?". It owns
 * no loop, no noise and no schedule logic beyond its sigma table: steps, stochastic steps, re-noising and previews
 * are the host's, in float32, the same for every sampler.
 *
 * Conventions (flow): x = (1 - sigma) x0 + sigma eps, v = dx/dsigma = eps - x0, so x0 = x - sigma v. sigma runs from
 * 1 (noise) to 0 (image).
 *
 * Life:   create -> describe -> { schedule, encode -> velocity* -> decode* -> cond_free }* -> destroy
 */
#ifndef WINNOW_SAMPLER_H
#define WINNOW_SAMPLER_H

#include <winnow/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { WN_PARAMETRISATION_FLOW = 1 };
enum { WN_QUALITY_FULL = 1, WN_QUALITY_PREVIEW = 2 };

enum { WN_SAMPLER_PREVIEW = 1 << 0 /* decode knows WN_QUALITY_PREVIEW */ };

/* One image's shape. `extra` points to the struct of the sampler's canvas_options (guidance, ...), filled by the host
 * from the spec's /canvas, or is NULL. */
typedef struct wn_canvas {
    uint64_t struct_size;
    uint32_t width_px;
    uint32_t height_px;
    uint32_t steps;
    uint32_t reserved;
    const void *extra;
} wn_canvas;

typedef struct wn_sampler_info {
    uint64_t struct_size;
    int64_t parametrisation;
    uint64_t flags;              /* WN_SAMPLER_... */
    uint64_t latent_channels;    /* C of the latent [C, height_px / latent_stride, width_px / latent_stride] */
    uint64_t latent_stride_px;   /* pixels for one latent position: 8 */
    uint64_t size_multiple_px;   /* width and height must be multiples of this: 16 */
    uint64_t min_size_px;
    uint64_t max_size_px;
    uint64_t evals_per_velocity; /* network evaluations in one velocity: 1, or 2 with true CFG. NFE counts these */
    uint64_t max_batch;          /* largest count that velocity and decode accept */
    char model_key[72];          /* names weights + dtype: part of every candidate's id. Hex hash or short name */
    uint64_t usual_size_px;      /* what the model was made for, where a user gives no canvas; 0 = no opinion */
    uint64_t usual_steps;
    uint64_t reserved[16]; /* 0: later members of a struct that plugins fill */
} wn_sampler_info;

/* A prompt ready for the model, made by encode. */
typedef struct wn_cond wn_cond;

/* One item of a velocity batch. Frozen. */
typedef struct wn_velocity_item {
    const float *x; /* [C, h, w] */
    float *v;       /* [C, h, w], out */
    const wn_cond *cond;
    float sigma; /* (0, 1] */
    uint32_t reserved;
} wn_velocity_item;

typedef struct wn_sampler {
    uint64_t struct_size;

    /* The canvas options that this sampler adds to the spec's /canvas; may be NULL. */
    const wn_option *canvas_options;
    uint64_t canvas_options_size;

    /* Fills *info (struct_size is set by the caller). [setup] */
    wn_status (*describe)(void *self, wn_sampler_info *info, wn_error *err);

    /* The model's own noise levels for this canvas: sigma[0] = 1 > sigma[1] > ... > sigma[steps] = 0. [any] */
    wn_status (*schedule)(void *self, const wn_canvas *canvas, float *sigma, wn_error *err);

    /* Encodes one prompt for one canvas, once; everything that depends only on (prompt, canvas, schedule) belongs here.
     * sigma has canvas->steps + 1 values; they are the end of the sampler's schedule where a picture is to be started
     * from (image_to_latent.h). *cond is ended by cond_free. [serial] */
    wn_status (*encode)(void *self, const wn_prompt *prompt, const wn_canvas *canvas, const float *sigma,
                        wn_cond **cond, wn_error *err);
    void (*cond_free)(void *self, wn_cond *cond); /* NULL is fine. [serial] */

    /* v for count items of one canvas; they may differ in sigma and cond. Any sigma in (0, 1] is answered; encode was
     * told the schedule's, which come most often. An item's result must not depend, to the
     * last bit, on its batch mates, on count or on the number of threads. [serial] */
    wn_status (*velocity)(void *self, const wn_canvas *canvas, uint64_t count, const wn_velocity_item *items,
                          wn_error *err);

    /* Images of clean latents x0[i] ([C, h, w]) into rgb[i] ([height_px, width_px, 3], 8-bit sRGB).
     * Never at the same time as itself; may run at the same time as velocity. [serial, own lane] */
    wn_status (*decode)(void *self, const wn_canvas *canvas, uint64_t count, const float *const *x0, int32_t quality,
                        uint8_t *const *rgb, wn_error *err);

    /* Extensions by id ("winnow.image_to_latent/1"); may be NULL. self is NULL where an extension is asked for that needs no
     * instance ("winnow.workload/1"). [any] */
    const void *(*extension)(void *self, const char *id);
} wn_sampler;

#ifdef __cplusplus
}
#endif

#endif
