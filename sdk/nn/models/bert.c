/* bert.c - BERT's layers as a graph. */
#include "bert.h"

#include "../graph_internal.h"
#include "scope.h"
#include "settings.h"

#include <math.h>

/* ---- configuration ------------------------------------------------------------------------------------------ */

/* A size that the config gives must be the tensors'. */
static wn_status agree(const nn_config *c, const char *key, uint64_t size, wn_error *err)
{
    uint64_t said;
    WN_TRY(settings_size(c, key, size ? size : 1, 1, &said, err));
    if (said != size)
        return wn_fail(err, WN_E_FORMAT, "%s: \"%s\" is %llu, the weights' is %llu", nn_config_file(c), key,
                       (unsigned long long)said, (unsigned long long)size);
    return WN_OK;
}

static wn_status check(const nn_config *c, const nn_bert *b, wn_error *err)
{
    WN_TRY(agree(c, "hidden_size", b->width, err));
    WN_TRY(agree(c, "num_hidden_layers", b->layers, err));
    WN_TRY(agree(c, "intermediate_size", b->mlp, err));
    WN_TRY(agree(c, "vocab_size", b->vocabulary, err));
    WN_TRY(agree(c, "max_position_embeddings", b->positions, err));
    if (b->width % b->heads)
        return wn_fail(err, WN_E_FORMAT, "%s: width %llu is not a multiple of %llu heads", nn_config_file(c),
                       (unsigned long long)b->width, (unsigned long long)b->heads);
    return WN_OK;
}

static wn_status configure(const nn_config *c, uint64_t heads, nn_bert *out, wn_error *err)
{
    if (!heads)
        WN_TRY(nn_config_require(c, "num_attention_heads", err));
    WN_TRY(settings_size(c, "num_attention_heads", heads, 1, &out->heads, err));
    WN_TRY(settings_activation(c, "hidden_act", "gelu", &out->activation, err));
    WN_TRY(settings_float(c, "layer_norm_eps", 1e-12, &out->eps, err));
    return check(c, out, err);
}

wn_status nn_bert_read(const nn_weights *w, const char *prefix, const nn_config *c, uint64_t heads, nn_bert *out,
                       wn_error *err)
{
    char layers[96];
    *out = (nn_bert){ 0 };
    snprintf(out->prefix, sizeof out->prefix, "%s", prefix);
    snprintf(layers, sizeof layers, "%sencoder.layer.", prefix);
    out->width = weights_dim(w, 1, "%sembeddings.word_embeddings.weight", prefix);
    out->vocabulary = weights_dim(w, 0, "%sembeddings.word_embeddings.weight", prefix);
    out->positions = weights_dim(w, 0, "%sembeddings.position_embeddings.weight", prefix);
    out->layers = weights_blocks(w, layers);
    out->mlp = weights_dim(w, 0, "%s0.intermediate.dense.weight", layers);
    out->context = weights_dim(w, 1, "%s0.crossattention.self.key.weight", layers);
    if (out->width == 0 || out->layers == 0 || out->context == 0)
        return wn_fail(err, WN_E_MISSING,
                       "%s holds no BERT that attends to images: no matrix \"%sembeddings.word_embeddings.weight\" or "
                       "\"%s0.crossattention.self.key.weight\"",
                       nn_weights_path(w), prefix, layers);
    out->heads = out->width >= 64 ? out->width / 64 : 1;
    out->activation = WN_ACT_GELU_ERF;
    out->eps = 1e-12f;
    return c ? configure(c, heads, out, err) : WN_OK;
}

/* ---- graph -------------------------------------------------------------------------------------------------- */

/* x = norm(x + dense(attention(x to `to`))); s: "...attention." or "...crossattention." */
static nn_t attend(const nn_scope *s, const nn_bert *b, nn_t x, nn_t to)
{
    static const char *const leaf[] = { "self.query", "self.key", "self.value" };
    nn_graph *g = s->g;
    const uint64_t d = b->width, t = nn_rows(g, x), from = nn_rows(g, to);
    const float scale = 1.0f / sqrtf((float)(d / b->heads));
    nn_t q, k, v;
    if (to == x) {
        const nn_layer joined = scope_join(s, 3, leaf, d, d);
        const nn_t a = nn_linear(g, x, joined.w, joined.b, NULL); // [t, 3 d]
        q = nn_window(g, a, 0, t, 0, d);
        k = nn_window(g, a, 0, t, d, d);
        v = nn_window(g, a, 0, t, 2 * d, d);
    } else {
        const nn_layer joined = scope_join(s, 2, leaf + 1, d, b->context);
        const nn_t a = nn_linear(g, to, joined.w, joined.b, NULL); // [from, 2 d]
        q = scope_linear(s, leaf[0], x, d, NULL);
        k = nn_window(g, a, 0, from, 0, d);
        v = nn_window(g, a, 0, from, d, d);
    }
    const nn_t o = nn_attention(g, q, k, v, b->heads, scale, 0, 0, 0);
    const nn_t sum = scope_linear(s, "output.dense", o, d, &(nn_epilogue){ .residual = x });
    return scope_layer_norm(s, "output.LayerNorm", sum, b->eps);
}

static nn_t layer(const nn_scope *s, const nn_bert *b, nn_t x, nn_t context)
{
    const nn_scope text = scope_in(s, "attention."), image = scope_in(s, "crossattention.");
    x = attend(&text, b, x, x);
    x = attend(&image, b, x, context);
    const nn_t h = scope_linear(s, "intermediate.dense", x, b->mlp, &(nn_epilogue){ .activation = b->activation });
    const nn_t sum = scope_linear(s, "output.dense", h, b->width, &(nn_epilogue){ .residual = x });
    return scope_layer_norm(s, "output.LayerNorm", sum, b->eps);
}

static nn_t embed(const nn_scope *s, const nn_bert *b, nn_t sum)
{
    return scope_layer_norm(s, "embeddings.LayerNorm", sum, b->eps);
}

static nn_w words(const nn_scope *s, const nn_bert *b)
{
    return nn_weight(s->g, s->w, b->vocabulary, b->width, "%sembeddings.word_embeddings.weight", s->prefix);
}

static nn_w places(const nn_scope *s, const nn_bert *b)
{
    return nn_weight(s->g, s->w, b->positions, b->width, "%sembeddings.position_embeddings.weight", s->prefix);
}

nn_t nn_bert_embed(nn_graph *g, const nn_bert *b, const nn_weights *w, nn_t ids)
{
    const nn_scope file = { g, w, "" };
    const nn_scope s = scope_in(&file, "%s", b->prefix);
    return embed(&s, b, nn_embed(g, ids, words(&s, b), places(&s, b)));
}

nn_t nn_bert_embed_word(nn_graph *g, const nn_bert *b, const nn_weights *w, uint64_t word)
{
    const nn_scope file = { g, w, "" };
    const nn_scope s = scope_in(&file, "%s", b->prefix);
    const nn_t row = nn_weight_rows(g, nn_slice(g, words(&s, b), word, 1));
    return embed(&s, b, nn_add(g, row, nn_weight_rows(g, nn_slice(g, places(&s, b), 0, 1))));
}

nn_t nn_bert_layers(nn_graph *g, const nn_bert *b, const nn_weights *w, nn_t x, nn_t context)
{
    const nn_scope file = { g, w, "" };
    for (uint64_t i = 0; i < b->layers; i++) {
        const nn_scope s = scope_in(&file, "%sencoder.layer.%llu.", b->prefix, (unsigned long long)i);
        x = layer(&s, b, x, context);
    }
    return x;
}

static nn_w head_matrix(const nn_scope *s, const nn_bert *b)
{
    const nn_w own = nn_weight_if(s->g, s->w, b->vocabulary, b->width, "%sdecoder.weight", s->prefix);
    return own ? own : nn_weight(s->g, s->w, b->vocabulary, b->width, "%sembeddings.word_embeddings.weight", b->prefix);
}

nn_t nn_bert_logits(nn_graph *g, const nn_bert *b, const nn_weights *w, const char *head, nn_t states, uint32_t count,
                    const uint64_t *words)
{
    const nn_scope file = { g, w, "" };
    const nn_scope s = scope_in(&file, "%s", head);
    const nn_t h = scope_linear(&s, "transform.dense", states, b->width, &(nn_epilogue){ .activation = b->activation });
    const nn_t n = scope_layer_norm(&s, "transform.LayerNorm", h, b->eps);
    const nn_w matrix = head_matrix(&s, b);
    const nn_w bias = nn_weight(g, w, 1, b->vocabulary, "%sbias", s.prefix);
    const nn_t logits = nn_temp(g, "logits", nn_rows(g, states), count, 0);
    for (uint32_t i = 0; i < count; i++) /* a product each: a stack of single rows would be a vector */
        nn_linear(g, n, nn_slice(g, matrix, words[i], 1), nn_slice(g, bias, words[i], 1),
                  &(nn_epilogue){ .into = nn_window(g, logits, 0, nn_rows(g, states), i, 1) });
    return logits;
}
