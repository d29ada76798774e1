/* clip.c - CLIP's towers as graphs. Both are the same stack of pre-norm blocks; they differ in what goes in and in the
 * row that comes out.
 */
#include "clip.h"

#include "scope.h"
#include "settings.h"

#include <math.h>

/* ---- configuration ------------------------------------------------------------------------------------------ */

static wn_status check_heads(const char *path, const nn_clip_shape *s, wn_error *err)
{
    if (s->heads == 0 || s->width % s->heads)
        return wn_fail(err, WN_E_FORMAT, "%s: width %llu is not a multiple of %llu heads", path,
                       (unsigned long long)s->width, (unsigned long long)s->heads);
    return WN_OK;
}

static wn_status read_shape(const nn_config *c, nn_clip_shape *s, uint64_t width, uint64_t heads, uint64_t mlp,
                            wn_error *err)
{
    WN_TRY(settings_size(c, "hidden_size", width, 1, &s->width, err));
    WN_TRY(settings_size(c, "num_hidden_layers", 12, 1, &s->layers, err));
    WN_TRY(settings_size(c, "num_attention_heads", heads, 1, &s->heads, err));
    WN_TRY(settings_size(c, "intermediate_size", mlp, 1, &s->mlp, err));
    WN_TRY(settings_activation(c, "hidden_act", "quick_gelu", &s->activation, err));
    return settings_float(c, "layer_norm_eps", 1e-5, &s->eps, err);
}

/* CLIPModel's config nests the towers; a tower's own config does not. */
static wn_status tower_config(const nn_config *root, const char *key, const nn_config **tower, wn_error *err)
{
    WN_TRY(nn_config_object(root, key, tower, err));
    if (!*tower)
        *tower = root;
    return WN_OK;
}

static wn_status text_config(const nn_config *root, nn_clip_text *out, wn_error *err)
{
    const nn_config *c;
    WN_TRY(tower_config(root, "text_config", &c, err));
    WN_TRY(read_shape(c, &out->shape, 512, 8, 2048, err));
    WN_TRY(settings_size(c, "vocab_size", 49408, 1, &out->vocabulary, err));
    WN_TRY(settings_size(c, "max_position_embeddings", 77, 1, &out->positions, err));
    WN_TRY(settings_size(root, "projection_dim", 512, 1, &out->projection, err));
    return nn_config_int(c, "eos_token_id", 49407, &out->eos, err);
}

static void text_sizes(const nn_weights *w, nn_clip_text *out)
{
    nn_clip_shape *s = &out->shape;
    char layers[128];
    snprintf(layers, sizeof layers, "%sencoder.layers.", s->prefix);
    s->width = weights_dim(w, 1, "%sembeddings.token_embedding.weight", s->prefix);
    s->layers = weights_blocks(w, layers);
    s->heads = s->width / 64;
    s->mlp = weights_dim(w, 0, "%s0.mlp.fc1.weight", layers);
    s->activation = WN_ACT_QUICK_GELU;
    s->eps = 1e-5f;
    out->vocabulary = weights_dim(w, 0, "%sembeddings.token_embedding.weight", s->prefix);
    out->positions = weights_dim(w, 0, "%sembeddings.position_embedding.weight", s->prefix);
    out->projection = weights_dim(w, 0, "text_projection.weight");
    out->eos = 2;
}

void nn_clip_text_sizes(const nn_weights *w, nn_clip_text *out)
{
    *out = (nn_clip_text){ .shape.prefix = "text_model." };
    text_sizes(w, out);
    out->shape.heads = 0;
    out->shape.activation = 0;
}

wn_status nn_clip_text_read(const char *path, const nn_weights *w, nn_clip_text *out, wn_error *err)
{
    static const char *const prefixes[] = { "text_model.", "", "text_encoders.clip_l.transformer.text_model.", NULL };
    const char *probe = "embeddings.token_embedding.weight";
    const char *prefix = weights_prefix(w, prefixes, probe);
    *out = (nn_clip_text){ 0 };
    if (!prefix)
        return wn_fail(err, WN_E_MISSING, "%s holds no CLIP text model: no tensor \"text_model.%s\"",
                       nn_weights_path(w), probe);
    snprintf(out->shape.prefix, sizeof out->shape.prefix, "%s", prefix);
    nn_config *root;
    wn_status status = settings_open(path, &root, err);
    if (status == WN_OK && root)
        status = text_config(root, out, err);
    else if (status == WN_OK)
        text_sizes(w, out);
    nn_config_close(root);
    if (!nn_weights_find(w, "text_projection.weight"))
        out->projection = 0;
    return status == WN_OK ? check_heads(path, &out->shape, err) : status;
}

static wn_status vision_config(const nn_config *root, nn_clip_vision *out, wn_error *err)
{
    const nn_config *c;
    WN_TRY(tower_config(root, "vision_config", &c, err));
    WN_TRY(read_shape(c, &out->shape, 768, 12, 3072, err));
    WN_TRY(settings_size(c, "image_size", 224, 1, &out->image_px, err));
    WN_TRY(settings_size(c, "patch_size", 32, 1, &out->patch_px, err));
    return settings_size(root, "projection_dim", 512, 1, &out->projection, err);
}

wn_status nn_clip_vision_read(const char *path, const nn_weights *w, nn_clip_vision *out, wn_error *err)
{
    nn_config *root;
    *out = (nn_clip_vision){ .shape.prefix = "vision_model." };
    if (!nn_weights_find(w, "vision_model.embeddings.class_embedding"))
        return wn_fail(err, WN_E_MISSING,
                       "%s holds no CLIP image model: no tensor "
                       "\"vision_model.embeddings.class_embedding\"",
                       nn_weights_path(w));
    WN_TRY(settings_open(path, &root, err));
    if (!root)
        return wn_fail(err, WN_E_MISSING,
                       "%s has no config.json; a CLIP model is a folder with config.json, "
                       "model.safetensors, tokenizer and preprocessor_config.json",
                       path);
    wn_status status = vision_config(root, out, err);
    nn_config_close(root);
    WN_TRY(status);
    if (out->patch_px > out->image_px)
        return wn_fail(err, WN_E_FORMAT, "%s: patch_size %llu is larger than image_size %llu", path,
                       (unsigned long long)out->patch_px, (unsigned long long)out->image_px);
    return check_heads(path, &out->shape, err);
}

wn_status nn_clip_vision_sizes(const nn_weights *w, nn_clip_vision *out, wn_error *err)
{
    static const char embeddings[] = "vision_model.embeddings.";
    static const char layers[] = "vision_model.encoder.layers.";
    *out = (nn_clip_vision){ .shape = { .prefix = "vision_model.", .eps = 1e-5f } };
    out->shape.width = weights_dim(w, 0, "%sclass_embedding", embeddings);
    out->shape.layers = weights_blocks(w, layers);
    out->shape.mlp = weights_dim(w, 0, "%s0.mlp.fc1.weight", layers);
    out->patch_px = weights_dim(w, 3, "%spatch_embedding.weight", embeddings);
    out->projection = weights_dim(w, 0, "visual_projection.weight");
    const uint64_t tokens = weights_dim(w, 0, "%sposition_embedding.weight", embeddings);
    uint64_t side = 1;
    while ((side + 1) * (side + 1) < tokens && side < 4096)
        side++;
    out->image_px = side * out->patch_px;
    if (side * side + 1 != tokens || out->patch_px == 0 || out->patch_px > 4096)
        return wn_fail(err, WN_E_FORMAT,
                       "%s: %llu positions and patches of %llu px do not make a square image with a class token",
                       nn_weights_path(w), (unsigned long long)tokens, (unsigned long long)out->patch_px);
    return WN_OK;
}

/* ---- graphs ------------------------------------------------------------------------------------------------- */

/* x += attention(norm1 x); x += mlp(norm2 x). x: [tokens, width] */
static void block(const nn_scope *s, const nn_clip_shape *c, nn_t x, int is_causal)
{
    static const char *const qkv[] = { "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj" };
    nn_graph *g = s->g;
    const uint64_t t = nn_rows(g, x);
    const uint64_t d = c->width;
    const nn_epilogue add = { .residual = x, .into = x };
    const nn_layer joined = scope_join(s, 3, qkv, d, d);
    const nn_t n1 = scope_layer_norm(s, "layer_norm1", x, c->eps);
    const nn_t a = nn_linear(g, n1, joined.w, joined.b, NULL); // [t, 3 d]
    const float scale = 1.0f / sqrtf((float)(d / c->heads));
    const nn_t o = nn_attention(g, nn_window(g, a, 0, t, 0, d), nn_window(g, a, 0, t, d, d),
                                nn_window(g, a, 0, t, 2 * d, d), c->heads, scale, is_causal, 0, 0);
    scope_linear(s, "self_attn.out_proj", o, d, &add);
    const nn_t n2 = scope_layer_norm(s, "layer_norm2", x, c->eps);
    const nn_t h = scope_linear(s, "mlp.fc1", n2, c->mlp, &(nn_epilogue){ .activation = c->activation });
    scope_linear(s, "mlp.fc2", h, d, &add);
}

static void blocks(const nn_scope *tower, const nn_clip_shape *c, nn_t x, int is_causal)
{
    for (uint64_t i = 0; i < c->layers; i++) {
        const nn_scope s = scope_in(tower, "encoder.layers.%llu.", (unsigned long long)i);
        block(&s, c, x, is_causal);
    }
}

nn_graph *nn_clip_text_graph(const nn_clip_text *c, const nn_weights *w, uint64_t tokens, int project)
{
    nn_graph *g = nn_graph_new("clip text");
    const nn_scope file = { g, w, "" };
    const nn_scope s = scope_in(&file, "%s", c->shape.prefix);
    const uint64_t d = c->shape.width;
    const nn_t ids = nn_input(g, "ids", WN_I32, tokens, 1, 0);
    const nn_t index = nn_input(g, "index", WN_I32, 1, 1, 0);
    const nn_w table = nn_weight(g, w, c->vocabulary, d, "%sembeddings.token_embedding.weight", s.prefix);
    const nn_w places = nn_weight(g, w, c->positions, d, "%sembeddings.position_embedding.weight", s.prefix);
    const nn_t x = nn_temp(g, "text", tokens, d, WN_TENSOR_KEEP_F32);
    nn_copy(g, nn_embed(g, ids, table, places), x);
    blocks(&s, &c->shape, x, 1);
    const nn_t pooled = scope_layer_norm(&s, "final_layer_norm", nn_pick_row(g, x, index), c->shape.eps);
    nn_output(g, "pooled", pooled);
    if (project)
        nn_output(g, "embedding", scope_project(&file, "text_projection", pooled, c->projection, NULL));
    return g;
}

uint64_t nn_clip_pool_index(const nn_clip_text *c, const int32_t *ids, uint64_t count)
{
    uint64_t best = 0;
    for (uint64_t i = 0; i < count; i++) {
        if (c->eos != 2 && ids[i] == c->eos)
            return i;
        if (c->eos == 2 && ids[i] > ids[best])
            best = i;
    }
    return best;
}

/* Class token and patches, with their positions: [1 + patches, width]. */
static nn_t patches(const nn_scope *s, const nn_clip_vision *c, nn_t pixels)
{
    nn_graph *g = s->g;
    const uint64_t d = c->shape.width;
    const uint64_t p = c->patch_px;
    const uint64_t n = (c->image_px / p) * (c->image_px / p);
    const nn_w kernel = nn_weight(g, s->w, d, 3 * p * p, "%sembeddings.patch_embedding.weight", s->prefix);
    const nn_t places =
        nn_weight_rows(g, nn_weight(g, s->w, n + 1, d, "%sembeddings.position_embedding.weight", s->prefix));
    const nn_t class_row = nn_weight_rows(g, nn_weight(g, s->w, 1, d, "%sembeddings.class_embedding", s->prefix));
    const nn_t x = nn_temp(g, "patches", n + 1, d, WN_TENSOR_KEEP_F32);
    nn_copy(g, nn_add(g, class_row, nn_window(g, places, 0, 1, 0, d)), nn_window(g, x, 0, 1, 0, d));
    const nn_conv_shape shape = {
        .height = c->image_px, .width = c->image_px, .kernel = p, .stride = p, .upsample = 1
    };
    nn_conv(g, pixels, kernel, 0, &shape,
            &(nn_epilogue){ .residual = nn_window(g, places, 1, n, 0, d), .into = nn_window(g, x, 1, n, 0, d) });
    return x;
}

nn_graph *nn_clip_vision_graph(const nn_clip_vision *c, const nn_weights *w)
{
    nn_graph *g = nn_graph_new("clip vision");
    const nn_scope file = { g, w, "" };
    const nn_scope s = scope_in(&file, "%s", c->shape.prefix);
    const nn_t pixels = nn_input(g, "pixels", WN_F32, c->image_px * c->image_px, 3, 0);
    const nn_t before = patches(&s, c, pixels);
    const nn_t x = nn_temp(g, "image", nn_rows(g, before), c->shape.width, WN_TENSOR_KEEP_F32);
    nn_copy(g, scope_layer_norm(&s, "pre_layrnorm", before, c->shape.eps), x);
    blocks(&s, &c->shape, x, 0);
    const nn_t class_row = nn_window(g, x, 0, 1, 0, c->shape.width);
    const nn_t pooled = scope_layer_norm(&s, "post_layernorm", class_row, c->shape.eps);
    nn_output(g, "embedding", scope_project(&file, "visual_projection", pooled, c->projection, NULL));
    return g;
}
