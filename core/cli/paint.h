/* paint.h - one picture from one noise, with a sampler alone: what `winnow generate` does. The steps are the engine's
 * own, so a picture made here is a run's candidate of the same noise, to the bit. */
#ifndef WINNOW_CLI_PAINT_H
#define WINNOW_CLI_PAINT_H

#include "base/buffer.h"
#include "engine/velocity.h"
#include "plugin/instance.h"

struct paint {
    const struct spec *spec;
    const struct instance *instance;
    struct process *process;
    const wn_prompt *prompt;
    wn_sampler_info info;
    uint64_t height, width; /* of the latent */
    uint64_t values;        /* of the latent, C h w */
    uint64_t calls;         /* velocities from noise to image */
    float *sigma;           // [steps + 1]
    float *start;           // [C, h, w] of the spec's picture, or NULL
    float *noise;           // [C, h, w]
    float *x;               // [C, h, w]: noise at first, the clean latent at last
    bool keep_velocity;     /* for --save-velocity; set before paint_begin */
    float *velocity;        // [calls, C, h, w] when kept, else [C, h, w]
    struct velocities velocities;
    uint8_t *rgb; // [height_px, width_px, 3]
};

/* Asks the sampler what it is and makes room. */
wn_status paint_begin(struct paint *p, wn_error *err);
void paint_end(struct paint *p); /* a zeroed one is fine */

/* p->noise from a stream of the seed, or from tensor "noise" [C, h, w] (or [1, C, h, w]) F32 of a file. */
void paint_draw_noise(struct paint *p, uint64_t stream);
wn_status paint_read_noise(struct paint *p, const char *path, wn_error *err);

/* Encodes, steps, decodes. WN_E_CANCELLED when the user interrupts. */
wn_status paint_run(struct paint *p, wn_error *err);

/* Tensors as safetensors: NAME [C, h, w]; the velocities as velocity [calls, C, h, w], in the order of the
 * steps, and sigma [steps + 1]. */
wn_status paint_save(const struct paint *p, const char *path, const char *name, const float *tensor, wn_error *err);
wn_status paint_save_velocity(const struct paint *p, const char *path, wn_error *err);

/* The picture as a PNG with its recipe. noise_file: where the noise came from, or NULL: from the stream. */
wn_status paint_png(const struct paint *p, const char *noise_file, uint64_t stream, struct buffer *png, wn_error *err);

#endif
