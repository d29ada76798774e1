/* vit_names.c - four spellings of one network, and what can be read off a checkpoint in each. */
#include "vit_names.h"

#include "scope.h"
#include "settings.h"

#include <math.h>

static const struct vit_names table[] = {
    [NN_VIT_TIMM] = { .patch = "patch_embed.proj",
                      .class_row = "cls_token",
                      .positions = "pos_embed",
                      .registers = "register_tokens",
                      .block = "blocks.",
                      .norm = { "norm1", "norm2" },
                      .qkv = { "attn.qkv" },
                      .proj = "attn.proj",
                      .up = "mlp.fc1",
                      .down = "mlp.fc2",
                      .gated = { "mlp.w12", "mlp.w3" },
                      .scale = { "ls1.gamma", "ls2.gamma" },
                      .last_norm = "norm" },
    [NN_VIT_BLIP] = { .patch = "embeddings.patch_embedding",
                      .class_row = "embeddings.class_embedding",
                      .positions = "embeddings.position_embedding",
                      .block = "encoder.layers.",
                      .norm = { "layer_norm1", "layer_norm2" },
                      .qkv = { "self_attn.qkv" },
                      .proj = "self_attn.projection",
                      .up = "mlp.fc1",
                      .down = "mlp.fc2",
                      .last_norm = "post_layernorm" },
    [NN_VIT_DINO] = { .patch = "embeddings.patch_embeddings.projection",
                      .class_row = "embeddings.cls_token",
                      .positions = "embeddings.position_embeddings",
                      .block = "encoder.layer.",
                      .norm = { "layernorm_before", "layernorm_after" },
                      .qkv = { "attention.attention.query", "attention.attention.key", "attention.attention.value" },
                      .proj = "attention.output.dense",
                      .up = "intermediate.dense",
                      .down = "output.dense",
                      .last_norm = "layernorm" },
    [NN_VIT_DINOV2] = { .patch = "embeddings.patch_embeddings.projection",
                        .class_row = "embeddings.cls_token",
                        .positions = "embeddings.position_embeddings",
                        .registers = "embeddings.register_tokens",
                        .block = "encoder.layer.",
                        .norm = { "norm1", "norm2" },
                        .qkv = { "attention.attention.query", "attention.attention.key", "attention.attention.value" },
                        .proj = "attention.output.dense",
                        .up = "mlp.fc1",
                        .down = "mlp.fc2",
                        .gated = { "mlp.weights_in", "mlp.weights_out" },
                        .scale = { "layer_scale1.lambda1", "layer_scale2.lambda1" },
                        .last_norm = "layernorm" },
};

const struct vit_names *vit_names(int32_t names)
{
    return &table[names];
}

/* ---- reading ------------------------------------------------------------------------------------------------ */

/* The spelling under whose names the first block's norm is there. */
static int find_names(const nn_weights *w, nn_vit *v)
{
    static const char *const prefixes[] = {
        "",  "blip.visual_encoder.", "visual_encoder.", "vision_model.", "vit.", "dinov2.", "dinov2_with_registers.",
        NULL
    };
    char probe[96];
    for (v->names = NN_VIT_TIMM; v->names <= NN_VIT_DINOV2; v->names++) {
        const struct vit_names *n = vit_names(v->names);
        snprintf(probe, sizeof probe, "%s0.%s.weight", n->block, n->norm[0]);
        const char *prefix = weights_prefix(w, prefixes, probe);
        if (!prefix)
            continue;
        snprintf(v->prefix, sizeof v->prefix, "%s", prefix);
        snprintf(probe, sizeof probe, "%s%s.weight", prefix, n->patch);
        if (nn_weights_find(w, probe)) /* CLIP's blocks have BLIP's norms */
            return 1;
    }
    return 0;
}

static wn_status read_positions(const nn_weights *w, nn_vit *v, wn_error *err)
{
    const char *name = vit_names(v->names)->positions;
    const uint64_t rows = weights_dim(w, 1, "%s%s", v->prefix, name);
    v->side = rows ? (uint64_t)sqrt((double)(rows - 1)) : 0;
    if (v->side == 0 || v->side * v->side + 1 != rows || weights_dim(w, 2, "%s%s", v->prefix, name) != v->width)
        return wn_fail(err, WN_E_FORMAT,
                       "%s: tensor \"%s%s\" has %llu rows, want 1 and a square of them, [1, n * n + 1, %llu]",
                       nn_weights_path(w), v->prefix, name, (unsigned long long)rows, (unsigned long long)v->width);
    return WN_OK;
}

static void read_feed_forward(const nn_weights *w, const struct vit_names *n, nn_vit *v)
{
    const char *p = v->prefix;
    v->is_swiglu = n->gated[0] && weights_dim(w, 0, "%s%s0.%s.weight", p, n->block, n->gated[0]) > 0;
    v->mlp = v->is_swiglu ? weights_dim(w, 1, "%s%s0.%s.weight", p, n->block, n->gated[1])
                          : weights_dim(w, 0, "%s%s0.%s.weight", p, n->block, n->up);
    v->is_scaled = n->scale[0] && weights_dim(w, 0, "%s%s0.%s", p, n->block, n->scale[0]) > 0;
}

wn_status nn_vit_read(const nn_weights *w, nn_vit *out, wn_error *err)
{
    char blocks[96];
    *out = (nn_vit){ .activation = WN_ACT_GELU_ERF, .eps = 1e-6f };
    if (!find_names(w, out))
        return wn_fail(err, WN_E_MISSING,
                       "%s holds no vision transformer: neither \"patch_embed.proj.weight\" and \"blocks.0...\" nor "
                       "the names of BLIP, ViT or DINOv2 in transformers",
                       nn_weights_path(w));
    const struct vit_names *n = vit_names(out->names);
    out->width = weights_dim(w, 0, "%s%s.weight", out->prefix, n->patch);
    out->patch_px = weights_dim(w, 2, "%s%s.weight", out->prefix, n->patch);
    out->heads = out->width / 64;
    snprintf(blocks, sizeof blocks, "%s%s", out->prefix, n->block);
    out->layers = weights_blocks(w, blocks);
    if (n->registers)
        out->registers = weights_dim(w, 1, "%s%s", out->prefix, n->registers);
    out->is_antialiased = out->registers > 0;
    read_feed_forward(w, n, out);
    if (out->width == 0 || out->patch_px == 0 || out->patch_px > 65536)
        return wn_fail(err, WN_E_FORMAT, "%s: tensor \"%s%s.weight\" is not [width, 3, patch, patch]",
                       nn_weights_path(w), out->prefix, n->patch);
    WN_TRY(read_positions(w, out, err));
    out->image_px = out->side * out->patch_px;
    return WN_OK;
}

wn_status nn_vit_configure(const nn_config *c, nn_vit *v, wn_error *err)
{
    const double eps = v->names == NN_VIT_DINO ? 1e-12 : v->names == NN_VIT_BLIP ? 1e-5 : 1e-6; /* the library's */
    WN_TRY(settings_size(c, "num_attention_heads", 12, 1, &v->heads, err));
    WN_TRY(settings_float(c, "layer_norm_eps", eps, &v->eps, err));
    return settings_activation(c, "hidden_act", "gelu", &v->activation, err);
}
