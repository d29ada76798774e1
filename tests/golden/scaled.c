/* scaled.c - 8-bit weights with a scale beside them ("x.weight", "x.scale_weight" or "x.weight_scale", as Comfy's
 * scaled files have them): without the scale a model loads and gives garbage of the right shape.
 */
#include "check.h"
#include "host.h"
#include "tiny.h"

#include <models/program.h>
#include <weights/safetensors.h>

static void write_checkpoint(const char *path)
{
    static const uint8_t bytes[4] = { 0x38, 0x40, 0xb8, 0x00 }; /* E4M3: 1, 2, -1, 0 */
    static const float scale = 0.25f, scales[2] = { 0.25f, 0.5f };
    wn_error err;
    const nn_tensor tensors[] = {
        { .name = "x.weight", .dtype = WN_F8_E4M3, .rank = 2, .shape = { 2, 2 }, .bytes = 4, .data = bytes },
        { .name = "x.scale_weight", .dtype = WN_F32, .rank = 0, .bytes = 4, .data = &scale },
        { .name = "y.weight", .dtype = WN_F8_E4M3, .rank = 2, .shape = { 2, 2 }, .bytes = 4, .data = bytes },
        { .name = "z.weight", .dtype = WN_F8_E4M3, .rank = 2, .shape = { 2, 2 }, .bytes = 4, .data = bytes },
        { .name = "z.weight_scale", .dtype = WN_F32, .rank = 1, .shape = { 1 }, .bytes = 4, .data = &scale },
        { .name = "rows.weight", .dtype = WN_F8_E4M3, .rank = 2, .shape = { 2, 2 }, .bytes = 4, .data = bytes },
        { .name = "rows.weight_scale", .dtype = WN_F32, .rank = 1, .shape = { 2 }, .bytes = 8, .data = scales },
    };
    CHECK_OK(nn_safetensors_write(path, tensors, 7, NULL, 0, &err), err);
}

static void multiply(struct host *h, const nn_weights *w, const char *name, float out[2])
{
    static const char *const names[] = { "in", "out", NULL };
    float in[2] = { 1, 10 };
    wn_error err;
    nn_program p;
    nn_graph *g = nn_graph_new("scaled");
    const nn_t x = nn_input(g, "in", WN_F32, 1, 2, 0);
    nn_output(g, "out", nn_linear(g, x, nn_weight(g, w, 2, 2, "%s", name), 0, NULL));
    CHECK_OK(nn_program_make(g, &h->device, WN_F32, 1, names, &p, &err), err);
    CHECK_OK(nn_program_run(&p, 1, (void *[]){ in, out }, &err), err);
    nn_program_end(&p);
}

int main(void)
{
    static struct host host;
    const char *path = WINNOW_BUILD_DIR "/tests/scaled.safetensors";
    wn_error err;
    nn_weights *w;
    float y[2];
    host_open(&host, 1);
    write_checkpoint(path);
    CHECK_OK(nn_weights_open(path, &w, &err), err);
    multiply(&host, w, "x.weight", y);
    CHECK_NEAR((double)y[0], 0.25 * 21, 1e-6);
    CHECK_NEAR((double)y[1], 0.25 * -1, 1e-6);
    multiply(&host, w, "y.weight", y);
    CHECK_NEAR((double)y[0], 21, 1e-6);
    multiply(&host, w, "z.weight", y);
    CHECK_NEAR((double)y[0], 0.25 * 21, 1e-6);
    nn_graph *g = nn_graph_new("scaled");
    nn_weight(g, w, 2, 2, "rows.weight");
    CHECK(nn_graph_status(g, &err) == WN_E_UNSUPPORTED);
    CHECK_CONTAINS(err.message, "\"rows.weight_scale\" is not one scale for the whole weight");
    nn_graph_free(g);
    nn_weights_close(w);
    host_close(&host);
    return CHECK_DONE();
}
