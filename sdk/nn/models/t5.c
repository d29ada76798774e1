/* t5.c - T5's encoder as a graph. The relative position bias depends only on j - i, so it is a constant of 2 L - 1
 * values a head, made here; everything else is products and norms.
 */
#include "t5.h"

#include "../graph_internal.h"
#include "scope.h"
#include "settings.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- configuration ------------------------------------------------------------------------------------------ */

/* feed_forward_proj is "gated-gelu", "relu", ...; dense_act_fn, when there, names the function exactly. */
static wn_status read_activation(const nn_config *c, nn_t5 *out, wn_error *err)
{
    const char *proj;
    WN_TRY(nn_config_string(c, "feed_forward_proj", "relu", &proj, err));
    out->is_gated = strncmp(proj, "gated-", 6) == 0;
    const char *name = proj + (out->is_gated ? 6 : 0);
    if (out->is_gated && strcmp(name, "gelu") == 0)
        name = "gelu_new"; /* the library's rule for "gated-gelu" */
    return settings_activation(c, "dense_act_fn", name, &out->activation, err);
}

static wn_status read_config(const nn_config *c, nn_t5 *out, wn_error *err)
{
    WN_TRY(settings_size(c, "d_model", 512, 1, &out->width, err));
    WN_TRY(settings_size(c, "d_kv", 64, 1, &out->head_width, err));
    WN_TRY(settings_size(c, "num_heads", 8, 1, &out->heads, err));
    WN_TRY(settings_size(c, "d_ff", 2048, 1, &out->mlp, err));
    WN_TRY(settings_size(c, "num_layers", 6, 1, &out->layers, err));
    WN_TRY(settings_size(c, "vocab_size", 32128, 1, &out->vocabulary, err));
    WN_TRY(settings_size(c, "relative_attention_num_buckets", 32, 4, &out->buckets, err));
    WN_TRY(settings_size(c, "relative_attention_max_distance", 128, 1, &out->max_distance, err));
    WN_TRY(settings_float(c, "layer_norm_epsilon", 1e-6, &out->eps, err));
    return read_activation(c, out, err);
}

static void read_sizes(const nn_weights *w, nn_t5 *out)
{
    char layers[128];
    snprintf(layers, sizeof layers, "%sencoder.block.", out->prefix);
    const char *p = layers;
    out->width = weights_dim(w, 1, "%sshared.weight", out->prefix);
    out->vocabulary = weights_dim(w, 0, "%sshared.weight", out->prefix);
    out->buckets = weights_dim(w, 0, "%s0.layer.0.SelfAttention.relative_attention_bias.weight", p);
    out->heads = weights_dim(w, 1, "%s0.layer.0.SelfAttention.relative_attention_bias.weight", p);
    out->head_width = out->heads ? weights_dim(w, 0, "%s0.layer.0.SelfAttention.q.weight", p) / out->heads : 0;
    out->mlp = weights_dim(w, 0, "%s0.layer.1.DenseReluDense.wi_0.weight", p);
    out->layers = weights_blocks(w, layers);
    out->max_distance = 128;
    out->activation = WN_ACT_GELU_TANH;
    out->is_gated = 1;
    out->eps = 1e-6f;
}

wn_status nn_t5_read(const char *path, const nn_weights *w, nn_t5 *out, wn_error *err)
{
    static const char *const prefixes[] = { "", "text_encoders.t5xxl.transformer.", NULL };
    const char *prefix = weights_prefix(w, prefixes, "shared.weight");
    *out = (nn_t5){ 0 };
    if (!prefix)
        return wn_fail(err, WN_E_MISSING, "%s holds no T5 encoder: no tensor \"shared.weight\"", nn_weights_path(w));
    snprintf(out->prefix, sizeof out->prefix, "%s", prefix);
    nn_config *c;
    wn_status status = settings_open(path, &c, err);
    if (status == WN_OK && c)
        status = read_config(c, out, err);
    else if (status == WN_OK)
        read_sizes(w, out);
    nn_config_close(c);
    return status;
}

/* ---- position bias ------------------------------------------------------------------------------------------ */

/* Half of the buckets for each direction; of these, half are exact distances and the rest grow logarithmically up to
 * max_distance (T5Attention._relative_position_bucket of transformers, float32). */
uint64_t nn_t5_bucket(const nn_t5 *c, int64_t distance)
{
    const uint64_t half = c->buckets / 2;
    const uint64_t exact = half / 2;
    const uint64_t base = distance > 0 ? half : 0;
    const uint64_t n = (uint64_t)(distance < 0 ? -distance : distance);
    if (n < exact)
        return base + n;
    const float range = (float)log((double)c->max_distance / (double)exact);
    const float steps = logf((float)n / (float)exact) / range * (float)(half - exact);
    const uint64_t bucket = exact + (uint64_t)steps;
    return base + (bucket < half ? bucket : half - 1);
}

/* [heads, 2 tokens - 1] */
static nn_t position_bias(const nn_scope *s, const nn_t5 *c, uint64_t tokens)
{
    char name[sizeof s->prefix + 80];
    snprintf(name, sizeof name, "%sencoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight", s->prefix);
    nn_weight(s->g, s->w, c->buckets, c->heads, "%s", name); /* checks presence and shape */
    const nn_tensor *t = nn_weights_find(s->w, name);
    if (!graph_is_good(s->g))
        return 0;
    const uint64_t n = 2 * tokens - 1;
    float *table = calloc(c->buckets * c->heads, sizeof *table);
    float *bias = calloc(c->heads * n, sizeof *bias);
    nn_t result = 0;
    if (table && bias) {
        nn_tensor_to_f32(t, 0, table, c->buckets * c->heads);
        for (uint64_t h = 0; h < c->heads; h++)
            for (uint64_t i = 0; i < n; i++)
                bias[h * n + i] = table[nn_t5_bucket(c, (int64_t)i - (int64_t)tokens + 1) * c->heads + h];
        result = nn_const(s->g, "relative bias", c->heads, n, bias);
    } else {
        graph_fail(s->g, WN_E_MEMORY, "out of memory for the position bias");
    }
    free(table);
    free(bias);
    return result;
}

/* ---- graph -------------------------------------------------------------------------------------------------- */

static nn_t norm(const nn_scope *s, const char *leaf, nn_t x, float eps)
{
    return nn_rms_norm(s->g, x, nn_weight(s->g, s->w, 1, nn_cols(s->g, x), "%s%s.weight", s->prefix, leaf), eps);
}

static void attention(const nn_scope *s, const nn_t5 *c, nn_t x, nn_t bias)
{
    static const char *const leaf[] = { "q", "k", "v" };
    nn_graph *g = s->g;
    const uint64_t t = nn_rows(g, x);
    const uint64_t inner = c->heads * c->head_width;
    nn_w qkv[3];
    for (int i = 0; i < 3; i++)
        qkv[i] = nn_weight(g, s->w, inner, c->width, "%sSelfAttention.%s.weight", s->prefix, leaf[i]);
    const nn_t n = norm(s, "layer_norm", x, c->eps);
    const nn_t a = nn_linear(g, n, nn_stack(g, 3, qkv), 0, NULL); // [t, 3 inner]
    const nn_t o = nn_attention(g, nn_window(g, a, 0, t, 0, inner), nn_window(g, a, 0, t, inner, inner),
                                nn_window(g, a, 0, t, 2 * inner, inner), c->heads, 1.0f, 0, bias, 0);
    scope_project(s, "SelfAttention.o", o, c->width, &(nn_epilogue){ .residual = x, .into = x });
}

static void feed_forward(const nn_scope *s, const nn_t5 *c, nn_t x)
{
    const nn_t n = norm(s, "layer_norm", x, c->eps);
    nn_epilogue up = { .activation = c->activation };
    if (c->is_gated)
        up.mul = scope_project(s, "DenseReluDense.wi_1", n, c->mlp, NULL);
    const nn_t h = scope_project(s, c->is_gated ? "DenseReluDense.wi_0" : "DenseReluDense.wi", n, c->mlp, &up);
    scope_project(s, "DenseReluDense.wo", h, c->width, &(nn_epilogue){ .residual = x, .into = x });
}

nn_graph *nn_t5_graph(const nn_t5 *c, const nn_weights *w, uint64_t tokens)
{
    nn_graph *g = nn_graph_new("t5");
    const nn_scope file = { g, w, "" };
    const nn_scope s = scope_in(&file, "%s", c->prefix);
    const nn_t ids = nn_input(g, "ids", WN_I32, tokens, 1, 0);
    const nn_t bias = position_bias(&s, c, tokens);
    const nn_t x = nn_temp(g, "text", tokens, c->width, WN_TENSOR_KEEP_F32);
    nn_copy(g, nn_embed(g, ids, nn_weight(g, w, c->vocabulary, c->width, "%sshared.weight", s.prefix), 0), x);
    for (uint64_t i = 0; i < c->layers; i++) {
        const nn_scope first = scope_in(&s, "encoder.block.%llu.layer.0.", (unsigned long long)i);
        const nn_scope second = scope_in(&s, "encoder.block.%llu.layer.1.", (unsigned long long)i);
        attention(&first, c, x, bias);
        feed_forward(&second, c, x);
    }
    const nn_scope encoder = scope_in(&s, "encoder.");
    nn_output(g, "states", norm(&encoder, "final_layer_norm", x, c->eps));
    return g;
}
