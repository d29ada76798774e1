/* img2img.c - pebble starting from a picture, against diffusers' FluxImg2ImgPipeline (make_img2img.py): the picture's
 * latent, the state where the path begins, and what comes out of its five steps of eight.
 */
#include "check.h"
#include "host.h"
#include "painter.h"
#include "tiny.h"

#include "engine/solver.h"

#include <winnow/image_to_latent.h>

enum { STEPS = 8, LEFT = 5, PIXELS = 64 * 64 * 3 };

static wn_error err;

static void report(const char *what, double error, double bound)
{
    printf("%-10s %.2e (bound %.0e)\n", what, error, bound);
    CHECK(error <= bound);
}

static nn_weights *must_open(const char *path)
{
    nn_weights *w = NULL;
    CHECK_OK(nn_weights_open(path, &w, &err), err);
    if (!w)
        exit(1);
    return w;
}

static float *latent_of(struct painter *p, const nn_weights *pebble)
{
    static uint8_t rgb[PIXELS];
    float *latent = tiny_alloc(p->latent, sizeof *latent);
    const float *values = tiny_golden(pebble, "run.image", NULL);
    const wn_image_to_latent *encoder = p->sampler->extension(p->self, WN_IMAGE_TO_LATENT);
    for (int i = 0; i < PIXELS; i++)
        rgb[i] = (uint8_t)values[i];
    CHECK(p->sampler->extension(p->self, "winnow.nothing/1") == NULL);
    CHECK_OK(encoder->encode(p->self, &p->canvas, &(wn_image){ 64, 64, rgb }, latent, &err), err);
    CHECK(encoder->encode(p->self, &p->canvas, &(wn_image){ 64, 32, rgb }, latent, &err) == WN_E_ARG);
    CHECK_CONTAINS(err.message, "64 x 32 px for a canvas of 64 x 64");
    return latent;
}

/* x: where the path begins, and then the clean latent. */
static void carry(struct painter *p, const float *sigma, float *x)
{
    wn_cond *cond = NULL;
    float *v = tiny_alloc(p->latent, sizeof *v);
    wn_canvas canvas = p->canvas;
    canvas.steps = LEFT;
    CHECK_OK(p->sampler->encode(p->self, &(wn_prompt){ "a red circle", "p", "", "{}" }, &canvas, sigma, &cond, &err),
             err);
    for (int step = 0; step < LEFT; step++) {
        const wn_velocity_item item = { x, v, cond, sigma[step], 0 };
        CHECK_OK(p->sampler->velocity(p->self, &canvas, 1, &item, &err), err);
        solver_euler(p->latent, x, v, sigma[step], sigma[step + 1]);
    }
    p->sampler->cond_free(p->self, cond);
}

static void compare_pictures(struct painter *p, const float *x, const float *want)
{
    static uint8_t rgb[PIXELS];
    double worst = 0;
    CHECK_OK(p->sampler->decode(p->self, &p->canvas, 1, &x, WN_QUALITY_FULL, (uint8_t *const[]){ rgb }, &err), err);
    for (int i = 0; i < PIXELS; i++)
        worst = fmax(worst, fabs((double)rgb[i] - (double)want[i]));
    printf("picture    worst %g/255 (bound 2)\n", worst);
    CHECK(worst <= 2);
}

int main(void)
{
    static struct host host;
    static struct painter p;
    float whole[STEPS + 1];
    nn_weights *pebble = must_open(WINNOW_SOURCE_DIR "/tests/golden/models/pebble/golden.safetensors");
    nn_weights *golden = must_open(WINNOW_SOURCE_DIR "/tests/golden/models/img2img/golden.safetensors");
    host_open(&host, 1);
    painter_open(&p, &host, (const char *const[]){ "model", WINNOW_SOURCE_DIR "/examples/pebble", NULL }, 64, 64);
    CHECK_OK(p.sampler->schedule(p.self, &p.canvas, whole, &err), err);
    const float *sigma = whole + STEPS - LEFT;
    CHECK(memcmp(sigma, tiny_golden(golden, "sigmas", NULL), (LEFT + 1) * sizeof *sigma) == 0);
    const float *latent = latent_of(&p, pebble);
    report("latent", relative_l2(latent, tiny_golden(golden, "latent", NULL), p.latent), 1e-5); /* measured 7e-7 */
    float *x = tiny_alloc(p.latent, sizeof *x);
    const struct solver solver = { .sigma = sigma, .steps = LEFT, .values = p.latent, .start = latent };
    solver_begin(&solver, tiny_golden(pebble, "run.noise", NULL), x);
    report("start", relative_l2(x, tiny_golden(golden, "start", NULL), p.latent), 1e-5); /* measured 2e-7 */
    carry(&p, sigma, x);
    report("last", relative_l2(x, tiny_golden(golden, "last", NULL), p.latent), 1e-5); /* measured 4e-7 */
    compare_pictures(&p, x, tiny_golden(golden, "image", NULL));
    painter_close(&p);
    nn_weights_close(pebble);
    nn_weights_close(golden);
    host_close(&host);
    return CHECK_DONE();
}
