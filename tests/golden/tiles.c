/* tiles.c - pebble's pictures, decoded in bands and in tiles, are those decoded whole, to the last bit: in every type
 * that the device multiplies in, and where its weights are streamed. */
#include "check.h"
#include "host.h"
#include "tiny.h"

#include <models/program.h>
#include <models/vae.h>
#include <weights/weights.h>

enum { SIDE = 8, PIXELS = 64 * 64 };

static const char *const path = WINNOW_SOURCE_DIR "/examples/pebble/vae";

static void decode(struct host *h, const nn_vae *vae, const nn_weights *w, int64_t dtype, const nn_vae_bands *bands,
                   float *z, float *image)
{
    static const char *const names[] = { "z", "image", NULL };
    nn_program program;
    wn_error err;
    CHECK_OK(
        nn_program_make(nn_vae_decoder_graph(vae, w, SIDE, SIDE, bands), &h->device, dtype, 1, names, &program, &err),
        err);
    CHECK_OK(nn_program_run(&program, 1, (void *[]){ z, image }, &err), err);
    nn_program_end(&program);
}

static void compare(struct host *h, const nn_vae *vae, const nn_weights *w, int64_t dtype, float *z)
{
    static const nn_vae_bands bands[] = { { .positions = 300 },
                                          { .positions = 300, .is_tiled = 1 },
                                          { .is_tiled = 1 } };
    float *whole = tiny_alloc(3 * PIXELS, sizeof *whole), *image = tiny_alloc(3 * PIXELS, sizeof *image);
    decode(h, vae, w, dtype, NULL, z, whole);
    CHECK(relative_l2(whole, image, 3 * PIXELS) > 0); /* it is not all zeros */
    for (size_t i = 0; i < sizeof bands / sizeof *bands; i++) {
        decode(h, vae, w, dtype, &bands[i], z, image);
        if (memcmp(image, whole, 3 * PIXELS * sizeof *image) != 0)
            CHECK_FAIL("type %d, bands %zu: differs by %.1e", (int)dtype, i, relative_l2(image, whole, 3 * PIXELS));
    }
}

int main(void)
{
    struct host h;
    nn_weights *w;
    nn_vae vae;
    wn_error err;
    wn_device_info info = { .struct_size = sizeof info };
    host_open(&h, 2);
    CHECK_OK(nn_weights_open(path, &w, &err), err);
    CHECK_OK(nn_vae_read(path, w, &vae, &err), err);
    CHECK_OK(h.device.api->info(h.driver, 0, &info, &err), err);
    float *z = tiny_alloc(SIDE * SIDE * vae.latent_channels, sizeof *z);
    for (uint64_t i = 0; i < SIDE * SIDE * vae.latent_channels; i++)
        z[i] = 2.0f * (float)(i * 2654435761u % 1009) / 1009.0f - 1.0f;
    for (int64_t dtype = WN_F32; dtype <= WN_BF16; dtype++)
        if (info.dtypes >> dtype & 1)
            compare(&h, &vae, w, dtype, z);
    const char *caps = getenv("WINNOW_VULKAN_CAPS");
    if (caps && strstr(caps, "memory="))
        CHECK_CONTAINS(h.log, "stay in host memory");
    nn_weights_close(w);
    host_close(&h);
    return CHECK_DONE();
}
