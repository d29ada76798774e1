/* Weights of no file: made in the shape that is asked for, found again, at addresses of their own, of sane values; a
 * graph takes them like a file's. */
#include "check.h"

#include <graph.h>
#include <math.h>
#include <weights/synthetic.h>

static void check_values(const nn_weights *w)
{
    float head[256], tail[256];
    const uint64_t n = UINT64_C(3000) * 4096; /* more than one block of 16 MiB */
    const nn_tensor *t = nn_weights_shaped(w, "large.weight", 3000, 4096);
    CHECK(t && t->rank == 2 && t->shape[0] == 3000 && t->shape[1] == 4096 && t->dtype == WN_BF16);
    CHECK_INT(t->bytes, 2 * n);
    nn_tensor_to_f32(t, 0, head, 256);
    nn_tensor_to_f32(t, n - 256, tail, 256);
    double sum = 0, squares = 0;
    for (int i = 0; i < 256; i++) {
        CHECK(fabsf(head[i]) <= 0.04f && fabsf(tail[i]) <= 0.04f);
        sum += (double)head[i] + (double)tail[i];
        squares += (double)head[i] * (double)head[i] + (double)tail[i] * (double)tail[i];
    }
    CHECK(fabs(sum / 512) < 0.005 && squares / 512 > 1e-4);
    nn_tensor_to_f32(nn_weights_shaped(w, "norm.weight", 1, 256), 0, head, 256);
    nn_tensor_to_f32(nn_weights_shaped(w, "norm.bias", 1, 256), 0, tail, 256);
    CHECK(head[7] > 0.85f && head[7] < 1.15f && fabsf(tail[7]) <= 0.04f);
}

static void check_names(const nn_weights *w)
{
    CHECK(nn_weights_find(w, "a.weight") == NULL);
    const nn_tensor *a = nn_weights_shaped(w, "a.weight", 4, 8), *b = nn_weights_shaped(w, "b.weight", 4, 8);
    CHECK(a && b && a->data != b->data);
    CHECK(nn_weights_find(w, "a.weight") == a && nn_weights_shaped(w, "a.weight", 4, 8) == a);
    CHECK(nn_weights_shaped(w, "too.large", UINT64_C(1) << 40, UINT64_C(1) << 40) == NULL);
}

static void check_graph(const nn_weights *w)
{
    wn_error err = { 0 };
    nn_graph *g = nn_graph_new("synthetic");
    const nn_t x = nn_input(g, "x", WN_F32, 2, 64, 0);
    nn_output(g, "y",
              nn_linear(g, x, nn_weight(g, w, 32, 64, "layer.weight"), nn_weight(g, w, 1, 32, "layer.bias"), NULL));
    CHECK_INT(nn_graph_status(g, &err), WN_OK);
    nn_graph_free(g);
    g = nn_graph_new("another shape");
    nn_weight(g, w, 64, 64, "layer.weight");
    CHECK_INT(nn_graph_status(g, &err), WN_E_FORMAT);
    nn_graph_free(g);
}

int main(void)
{
    wn_error err = { 0 };
    nn_weights *w = NULL;
    CHECK_INT(nn_weights_synthetic("random", WN_F16, &w, &err), WN_E_UNSUPPORTED);
    CHECK(w == NULL);
    CHECK_INT(nn_weights_synthetic("random", WN_BF16, &w, &err), WN_OK);
    check_values(w);
    check_names(w);
    check_graph(w);
    nn_weights_close(w);
    return CHECK_DONE();
}
