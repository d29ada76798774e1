/* taef1.c - the tiny decoder as a graph: a list of 3x3 convolutions. The checkpoint's names are list indices, so the
 * graph is built with a running index. */
#include "taef1.h"

#include "scope.h"

#include <string.h>

wn_status nn_taef1_read(const nn_weights *w, nn_taef1 *out, wn_error *err)
{
    *out = (nn_taef1){ 0 };
    const char *prefix = "";
    if (nn_weights_find(w, "decoder.layers.0.weight")) {
        prefix = "decoder.layers.";
    } else if (nn_weights_find(w, "1.weight") && nn_weights_find(w, "3.conv.0.weight")) {
        out->first = 1;
    } else {
        return wn_fail(err, WN_E_MISSING,
                       "%s holds no tiny decoder: neither \"decoder.layers.0.weight\" (diffusers) "
                       "nor \"1.weight\" (taef1_decoder.safetensors)",
                       nn_weights_path(w));
    }
    snprintf(out->prefix, sizeof out->prefix, "%s", prefix);
    out->width = weights_dim(w, 0, "%s%u.weight", prefix, (unsigned)out->first);
    out->latent_channels = weights_dim(w, 1, "%s%u.weight", prefix, (unsigned)out->first);
    return WN_OK;
}

/* The next convolution of the list. */
struct tiny {
    nn_scope s;
    unsigned index;
    uint64_t height;
    uint64_t width;
};

static nn_t conv(const struct tiny *t, const char *name, nn_t x, uint64_t channels, int has_bias, uint64_t upsample,
                 const nn_epilogue *e)
{
    nn_graph *g = t->s.g;
    const nn_conv_shape shape = { .height = t->height,
                                  .width = t->width,
                                  .kernel = 3,
                                  .stride = 1,
                                  .pad_before = 1,
                                  .pad_after = 1,
                                  .upsample = upsample };
    const nn_w w = nn_weight(g, t->s.w, channels, 9 * nn_cols(g, x), "%s%s.weight", t->s.prefix, name);
    const nn_w b = has_bias ? nn_weight(g, t->s.w, 1, channels, "%s%s.bias", t->s.prefix, name) : 0;
    return nn_conv(g, x, w, b, &shape, e);
}

/* relu(conv(relu(conv(relu(conv x)))) + x) */
static nn_t tiny_block(struct tiny *t, nn_t x)
{
    static const float identity[4] = { 1, 0, 1, 0 };
    const nn_epilogue relu = { .activation = WN_ACT_RELU };
    const uint64_t channels = nn_cols(t->s.g, x);
    char name[32];
    nn_t h = x;
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "%u.conv.%d", t->index, 2 * i);
        h = conv(t, name, h, channels, 1, 1, i < 2 ? &relu : &(nn_epilogue){ .residual = x });
    }
    t->index++;
    return nn_unary(t->s.g, h, WN_ACT_RELU, identity);
}

static nn_t numbered(struct tiny *t, nn_t x, uint64_t channels, int has_bias, uint64_t upsample, const nn_epilogue *e)
{
    char name[16];
    snprintf(name, sizeof name, "%u", t->index++);
    return conv(t, name, x, channels, has_bias, upsample, e);
}

nn_graph *nn_taef1_decoder_graph(const nn_taef1 *c, const nn_weights *w, uint64_t height, uint64_t width)
{
    nn_graph *g = nn_graph_new("taef1 decoder");
    const nn_scope file = { g, w, "" };
    struct tiny t = { scope_in(&file, "%s", c->prefix), (unsigned)c->first, height, width };
    const nn_t z = nn_input(g, "z", WN_F32, height * width, c->latent_channels, 0);
    nn_t x = nn_unary(g, z, WN_ACT_TANH, (const float[4]){ 1.0f / 3.0f, 0, 3, 0 });
    x = numbered(&t, x, c->width, 1, 1, &(nn_epilogue){ .activation = WN_ACT_RELU });
    t.index++; /* the ReLU has a place in the list */
    for (int level = 0; level < 3; level++) {
        for (int i = 0; i < 3; i++)
            x = tiny_block(&t, x);
        t.index++; /* so has the upsampling */
        x = numbered(&t, x, c->width, 0, 2, NULL);
        t.height *= 2;
        t.width *= 2;
    }
    x = tiny_block(&t, x);
    nn_output(g, "image", numbered(&t, x, 3, 1, 1, NULL));
    return g;
}
