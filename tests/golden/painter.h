/* painter.h - the flux sampler as tests use it: opened with options, asked for velocities and pictures. */
#ifndef WINNOW_TESTS_GOLDEN_PAINTER_H
#define WINNOW_TESTS_GOLDEN_PAINTER_H

#include "host.h"

#include <weights/weights.h>
#include <winnow/sampler.h>

struct painter {
    struct host *host;
    const wn_plugin *plugin;
    const wn_sampler *sampler;
    void *self; /* NULL when it could not be created: error says why */
    wn_error error;
    wn_sampler_info info;
    wn_canvas canvas;
    uint64_t latent; /* floats */
    char options[1024];
};

/* pairs: as host_bind. width and height in pixels, 8 steps. */
void painter_open(struct painter *p, struct host *h, const char *const *pairs, uint32_t width, uint32_t height);
void painter_close(struct painter *p);

/* Velocities of both prompts of make_models.py (golden's velocity.x and velocity.sigma). v: [2, latent] */
void painter_velocities(struct painter *p, const nn_weights *golden, float *v);
/* The first prompt's picture, 8 Euler steps from golden's run.noise. rgb: [height, width, 3] */
void painter_picture(struct painter *p, const nn_weights *golden, uint8_t *rgb);

/* Of 8-bit values, in dB; INFINITY when they are equal. */
double psnr(const uint8_t *a, const uint8_t *b, uint64_t n);

#endif
