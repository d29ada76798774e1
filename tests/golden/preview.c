/* preview.c - pebble's tiny decoder shows what its autoencoder shows, of a scene that neither of them was trained on.
 */
#include "check.h"
#include "host.h"
#include "tiny.h"

#include <models/program.h>
#include <models/taef1.h>
#include <models/vae.h>
#include <weights/weights.h>

#include <math.h>

enum { SIDE = 8, LATENTS = 16, PX = 64, VALUES = PX * PX * 3 };

#define PEBBLE WINNOW_SOURCE_DIR "/examples/pebble"

static void run(struct host *h, nn_graph *graph, const char *in, const char *out, const float *x, float *y)
{
    const char *const names[] = { in, out, NULL };
    nn_program p;
    wn_error err;
    CHECK_OK(nn_program_make(graph, &h->device, WN_F32, 1, names, &p, &err), err);
    CHECK_OK(nn_program_run(&p, 1, (void *[]){ (void *)(uintptr_t)x, y }, &err), err);
    nn_program_end(&p);
}

/* A red square and a blue disc on a pale ground, -1..1. */
static void draw(float *image)
{
    static const float colour[3][3] = { { 0.92f, 0.92f, 0.92f }, { 0.73f, -0.69f, -0.69f }, { -0.65f, -0.33f, 0.69f } };
    for (int i = 0; i < PX * PX; i++) {
        const int x = i % PX, y = i / PX, dx = x - 44, dy = y - 40;
        const int what = x >= 10 && x < 28 && y >= 12 && y < 30 ? 1 : dx * dx + dy * dy < 100 ? 2 : 0;
        memcpy(image + 3 * i, colour[what], sizeof colour[what]);
    }
}

/* tiny: 0..1, as 8 bit; full: -1..1. */
static double psnr(const float *tiny, const float *full)
{
    double sum = 0;
    for (int i = 0; i < VALUES; i++) {
        const double a = fmin(fmax(tiny[i], 0), 1), b = fmin(fmax(full[i] / 2 + 0.5, 0), 1);
        sum += (a - b) * (a - b);
    }
    return 10 * log10(VALUES / sum);
}

int main(void)
{
    struct host h;
    nn_weights *w, *tiny_w;
    nn_vae vae;
    nn_taef1 tiny;
    wn_error err;
    host_open(&h, 2);
    CHECK_OK(nn_weights_open(PEBBLE "/vae", &w, &err), err);
    CHECK_OK(nn_vae_read(PEBBLE "/vae", w, &vae, &err), err);
    CHECK_OK(nn_weights_open(PEBBLE "/preview", &tiny_w, &err), err);
    CHECK_OK(nn_taef1_read(tiny_w, &tiny, &err), err);
    float *image = tiny_alloc(VALUES, sizeof *image), *full = tiny_alloc(VALUES, sizeof *full);
    float *moments = tiny_alloc(SIDE * SIDE * 2 * LATENTS, sizeof *moments);
    float *z = tiny_alloc(SIDE * SIDE * LATENTS, sizeof *z), *scaled = tiny_alloc(SIDE * SIDE * LATENTS, sizeof *z);
    draw(image);
    run(&h, nn_vae_encoder_graph(&vae, w, PX, PX, NULL), "image", "moments", image, moments);
    for (int i = 0; i < SIDE * SIDE * LATENTS; i++) {
        z[i] = moments[i / LATENTS * 2 * LATENTS + i % LATENTS];
        scaled[i] = (z[i] - vae.shift) * vae.scaling;
    }
    run(&h, nn_vae_decoder_graph(&vae, w, SIDE, SIDE, NULL), "z", "image", z, full);
    run(&h, nn_taef1_decoder_graph(&tiny, tiny_w, SIDE, SIDE), "z", "image", scaled, image);
    const double db = psnr(image, full);
    printf("tiny decoder beside the autoencoder: %.1f dB (at least 30)\n", db);
    CHECK(db >= 30); /* measured 42.0 */
    nn_weights_close(w);
    nn_weights_close(tiny_w);
    host_close(&h);
    return CHECK_DONE();
}
