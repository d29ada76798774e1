/* clip_layout.c - one table for the tensors outside the blocks, one for the layers inside. */
#include "clip_layout.h"

#include "../weights/safetensors.h"

#include <stdlib.h>
#include <string.h>

enum { NAME = 256 };

struct pair {
    const char *from, *to;
};

static const struct pair outside[] = {
    { "visual.conv1.weight", "vision_model.embeddings.patch_embedding.weight" },
    { "visual.class_embedding", "vision_model.embeddings.class_embedding" },
    { "visual.positional_embedding", "vision_model.embeddings.position_embedding.weight" },
    { "visual.ln_pre.weight", "vision_model.pre_layrnorm.weight" },
    { "visual.ln_pre.bias", "vision_model.pre_layrnorm.bias" },
    { "visual.ln_post.weight", "vision_model.post_layernorm.weight" },
    { "visual.ln_post.bias", "vision_model.post_layernorm.bias" },
    { "token_embedding.weight", "text_model.embeddings.token_embedding.weight" },
    { "positional_embedding", "text_model.embeddings.position_embedding.weight" },
    { "ln_final.weight", "text_model.final_layer_norm.weight" },
    { "ln_final.bias", "text_model.final_layer_norm.bias" },
    { "logit_scale", "logit_scale" },
};

static const struct pair transposed[] = {
    { "visual.proj", "visual_projection.weight" },
    { "text_projection", "text_projection.weight" },
};

static const struct pair inside[] = {
    { "ln_1", "layer_norm1" }, { "ln_2", "layer_norm2" },   { "attn.out_proj", "self_attn.out_proj" },
    { "mlp.c_fc", "mlp.fc1" }, { "mlp.c_proj", "mlp.fc2" },
};

static const struct pair blocks[] = {
    { "visual.transformer.resblocks.", "vision_model.encoder.layers." },
    { "transformer.resblocks.", "text_model.encoder.layers." },
};

#define COUNT(table) (sizeof(table) / sizeof *(table))

struct view {
    nn_tensor *tensors;
    uint64_t count;
    char (*names)[NAME]; /* one for each tensor */
    unsigned char *made; /* the transposed ones, one behind the other */
    uint64_t made_bytes;
};

int clip_layout_is_original(const nn_weights *w)
{
    return nn_weights_find(w, "visual.conv1.weight") && nn_weights_find(w, "visual.class_embedding");
}

static void add(struct view *v, const nn_tensor *t, const char *name)
{
    snprintf(v->names[v->count], NAME, "%s", name);
    v->tensors[v->count] = *t;
    v->tensors[v->count].name = v->names[v->count];
    v->count++;
}

/* The three row blocks of in_proj. */
static wn_status add_joined(struct view *v, const nn_tensor *t, const char *block, const char *leaf, wn_error *err)
{
    char name[NAME];
    if (t->rank < 1 || t->shape[0] % 3)
        return wn_fail(err, WN_E_FORMAT, "%s: tensor \"%s\" is not made of q, k and v of equal height", t->file,
                       t->name);
    for (int i = 0; i < 3; i++) {
        nn_tensor part = *t;
        part.shape[0] = t->shape[0] / 3;
        part.bytes = t->bytes / 3;
        part.data = (const unsigned char *)t->data + (uint64_t)i * part.bytes;
        snprintf(name, sizeof name, "%s.self_attn.%c_proj.%s", block, "qkv"[i], leaf);
        add(v, &part, name);
    }
    return WN_OK;
}

static wn_status add_transposed(struct view *v, const nn_tensor *t, const char *name, wn_error *err)
{
    const uint64_t size = nn_dtype_bits(t->dtype) / 8;
    if (t->rank != 2)
        return wn_fail(err, WN_E_FORMAT, "%s: tensor \"%s\" has %u dimensions, want 2", t->file, t->name, t->rank);
    nn_tensor out = *t;
    unsigned char *to = v->made + v->made_bytes;
    const uint64_t rows = out.shape[1] = t->shape[0], cols = out.shape[0] = t->shape[1];
    for (uint64_t r = 0; r < rows; r++)
        for (uint64_t c = 0; c < cols; c++)
            memcpy(to + (c * rows + r) * size, (const unsigned char *)t->data + (r * cols + c) * size, size);
    out.data = to;
    v->made_bytes += t->bytes;
    add(v, &out, name);
    return WN_OK;
}

/* rest: the name behind "resblocks.", such as "3.mlp.c_fc.bias". */
static wn_status add_block_tensor(struct view *v, const nn_tensor *t, const char *tower, const char *rest,
                                  wn_error *err)
{
    char block[NAME / 2], name[NAME];
    const size_t digits = strspn(rest, "0123456789");
    const char *leaf = rest + digits + 1;
    if (digits == 0 || digits > 4 || rest[digits] != '.' || strlen(leaf) > 64)
        return WN_OK;
    snprintf(block, sizeof block, "%s%.*s", tower, (int)digits, rest);
    if (strcmp(leaf, "attn.in_proj_weight") == 0)
        return add_joined(v, t, block, "weight", err);
    if (strcmp(leaf, "attn.in_proj_bias") == 0)
        return add_joined(v, t, block, "bias", err);
    for (size_t i = 0; i < COUNT(inside); i++) {
        const size_t n = strlen(inside[i].from);
        if (strncmp(leaf, inside[i].from, n) != 0 || leaf[n] != '.')
            continue;
        snprintf(name, sizeof name, "%s.%s%s", block, inside[i].to, leaf + n);
        add(v, t, name);
        return WN_OK;
    }
    return WN_OK;
}

static wn_status add_renamed(struct view *v, const nn_tensor *t, wn_error *err)
{
    for (size_t i = 0; i < COUNT(outside); i++)
        if (strcmp(outside[i].from, t->name) == 0)
            return add(v, t, outside[i].to), WN_OK;
    for (size_t i = 0; i < COUNT(transposed); i++)
        if (strcmp(transposed[i].from, t->name) == 0)
            return add_transposed(v, t, transposed[i].to, err);
    for (size_t i = 0; i < COUNT(blocks); i++) {
        const size_t n = strlen(blocks[i].from);
        if (strncmp(blocks[i].from, t->name, n) == 0)
            return add_block_tensor(v, t, blocks[i].to, t->name + n, err);
    }
    return WN_OK;
}

static wn_status allocate(struct view *v, const nn_weights *w, wn_error *err)
{
    const uint64_t most = 3 * nn_weights_count(w);
    uint64_t bytes = 1;
    for (size_t i = 0; i < COUNT(transposed); i++) {
        const nn_tensor *t = nn_weights_find(w, transposed[i].from);
        bytes += t ? t->bytes : 0;
    }
    v->tensors = calloc(most, sizeof *v->tensors);
    v->names = calloc(most, sizeof *v->names);
    v->made = malloc(bytes);
    if (!v->tensors || !v->names || !v->made)
        return wn_fail(err, WN_E_MEMORY, "%s: no memory for its tensors' names", nn_weights_path(w));
    return WN_OK;
}

wn_status clip_layout_rename(nn_weights **w, wn_error *err)
{
    struct view v = { 0 };
    nn_weights *renamed = NULL;
    wn_status status = allocate(&v, *w, err);
    for (uint64_t i = 0; status == WN_OK && i < nn_weights_count(*w); i++)
        status = add_renamed(&v, nn_weights_at(*w, i), err);
    if (status == WN_OK)
        status = nn_weights_view(*w, v.tensors, v.count, v.made, &renamed, err);
    if (status == WN_OK)
        *w = renamed;
    else
        free(v.made);
    free(v.tensors);
    free(v.names);
    return status;
}
