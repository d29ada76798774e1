/* taef1.c - the tiny decoder in both name layouts against diffusers' AutoencoderTiny (make_taef1.py). */
#include "check.h"
#include "host.h"
#include "tiny.h"

#include <models/program.h>
#include <models/taef1.h>

static void decode(struct host *h, const char *path, const float *z, float *image)
{
    static const char *const names[] = { "z", "image", NULL };
    wn_error err;
    nn_weights *w;
    nn_taef1 c;
    nn_program p;
    CHECK_OK(nn_weights_open(path, &w, &err), err);
    CHECK_OK(nn_taef1_read(w, &c, &err), err);
    CHECK_OK(nn_program_make(nn_taef1_decoder_graph(&c, w, 3, 5), &h->device, WN_F32, 1, names, &p, &err), err);
    CHECK_OK(nn_program_run(&p, 1, (void *[]){ (void *)z, image }, &err), err);
    nn_program_end(&p);
    nn_weights_close(w);
}

int main(void)
{
    static struct host host;
    const char *folder = tiny_folder("taef1", "taef1");
    char path[5000];
    wn_error err;
    nn_weights *golden;
    uint64_t count;
    host_open(&host, 2);
    snprintf(path, sizeof path, "%s/golden.safetensors", folder);
    CHECK_OK(nn_weights_open(path, &golden, &err), err);
    const float *z = tiny_golden(golden, "z", NULL), *want = tiny_golden(golden, "image", &count);
    float *rows = tiny_alloc(15 * 16, sizeof *rows), *first = tiny_alloc(count, sizeof *first);
    float *second = tiny_alloc(count, sizeof *second);
    for (int c = 0; c < 16; c++)
        for (int i = 0; i < 15; i++)
            rows[i * 16 + c] = z[c * 15 + i];
    snprintf(path, sizeof path, "%s/diffusers", folder);
    decode(&host, path, rows, first);
    snprintf(path, sizeof path, "%s/taef1_decoder.safetensors", folder);
    decode(&host, path, rows, second);
    const double error = relative_l2(first, want, count);
    printf("tiny decoder: %.1e (bound 1e-05)\n", error); /* measured 3e-7 */
    CHECK(error <= 1e-5);
    CHECK(memcmp(first, second, count * sizeof *first) == 0);
    nn_weights_close(golden);
    host_close(&host);
    return CHECK_DONE();
}
