#include "gguf_file.h"

#include "tiny.h"

#include <device/blocks.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- writing ------------------------------------------------------------------------------------------------ */

static void put(FILE *f, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        fputc((int)(value >> 8 * i & 255), f);
}

static void put_text(FILE *f, const char *text)
{
    put(f, strlen(text), 8);
    fputs(text, f);
}

static void put_padding(FILE *f)
{
    while (ftell(f) % 32)
        fputc(0, f);
}

static uint32_t type_of(int32_t dtype)
{
    return dtype == WN_F32 ? 0 : dtype == WN_F16 ? 1 : dtype == WN_Q4_0 ? 2 : dtype == WN_Q8_0 ? 8 : 30;
}

void gguf_write(const char *path, const nn_tensor *tensors, uint64_t count)
{
    FILE *f = fopen(path, "wb");
    uint64_t offset = 0;
    if (!f) {
        perror(path);
        exit(1);
    }
    fputs("GGUF", f);
    put(f, 3, 4), put(f, count, 8), put(f, 1, 8);
    put_text(f, "general.architecture"), put(f, 8, 4), put_text(f, "flux");
    for (uint64_t i = 0; i < count; i++) {
        const nn_tensor *t = &tensors[i];
        put_text(f, t->name), put(f, t->rank, 4);
        for (uint32_t d = t->rank; d-- > 0;)
            put(f, t->shape[d], 8);
        put(f, type_of(t->dtype), 4), put(f, offset, 8);
        offset = (offset + t->bytes + 31) / 32 * 32;
    }
    for (uint64_t i = 0; i < count; i++) {
        put_padding(f);
        if (fwrite(tensors[i].data, 1, tensors[i].bytes, f) != tensors[i].bytes)
            exit(1);
    }
    put_padding(f);
    fclose(f);
}

/* ---- quantising --------------------------------------------------------------------------------------------- */

/* The nearest half; scales here are normal numbers of it. */
static uint16_t half_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    const uint32_t rounded = (bits & 0x7fffffff) + 0xfff + (bits >> 13 & 1);
    return (uint16_t)((bits >> 16 & 0x8000) | (rounded < 0x38800000u ? 0 : (rounded - 0x38000000u) >> 13));
}

static void to_q8_0(const float *x, unsigned char *b)
{
    float most = 0;
    for (int j = 0; j < 32; j++)
        most = fmaxf(most, fabsf(x[j]));
    const float d = most / 127;
    const uint16_t h = half_of(d);
    b[0] = (unsigned char)h, b[1] = (unsigned char)(h >> 8);
    for (int j = 0; j < 32; j++)
        b[2 + j] = (unsigned char)(int8_t)roundf(d > 0 ? x[j] / d : 0);
}

static int nibble(float x)
{
    const int q = (int)(x + 8.5f);
    return q < 15 ? q : 15;
}

static void to_q4_0(const float *x, unsigned char *b)
{
    float most = 0;
    for (int j = 0; j < 32; j++)
        most = fabsf(x[j]) > fabsf(most) ? x[j] : most;
    const float d = most / -8, over = d != 0 ? 1 / d : 0;
    const uint16_t h = half_of(d);
    b[0] = (unsigned char)h, b[1] = (unsigned char)(h >> 8);
    for (int j = 0; j < 16; j++)
        b[2 + j] = (unsigned char)(nibble(x[j] * over) | nibble(x[j + 16] * over) << 4);
}

nn_tensor gguf_quantise(const nn_tensor *t, int32_t dtype)
{
    const uint64_t count = t->bytes / sizeof(float) / 32;
    const uint32_t size = weight_block_of(dtype).bytes;
    nn_tensor q = *t;
    unsigned char *data = tiny_alloc(count, size);
    for (uint64_t i = 0; i < count; i++)
        (dtype == WN_Q8_0 ? to_q8_0 : to_q4_0)((const float *)t->data + 32 * i, data + i * size);
    q.dtype = dtype;
    q.bytes = count * size;
    q.data = data;
    return q;
}

/* ---- names, written down from the original repository's model.py -------------------------------------------- */

struct fused {
    const char *to;
    const char *from[4];
};

static const struct fused top[] = {
    { "img_in", { "x_embedder" } },
    { "txt_in", { "context_embedder" } },
    { "time_in.in_layer", { "time_text_embed.timestep_embedder.linear_1" } },
    { "time_in.out_layer", { "time_text_embed.timestep_embedder.linear_2" } },
    { "vector_in.in_layer", { "time_text_embed.text_embedder.linear_1" } },
    { "vector_in.out_layer", { "time_text_embed.text_embedder.linear_2" } },
    { "guidance_in.in_layer", { "time_text_embed.guidance_embedder.linear_1" } },
    { "guidance_in.out_layer", { "time_text_embed.guidance_embedder.linear_2" } },
    { "final_layer.adaLN_modulation.1", { "norm_out.linear" } },
    { "final_layer.linear", { "proj_out" } },
    { 0 },
};
static const struct fused twice[] = {
    { "img_mod.lin", { "norm1.linear" } },
    { "img_attn.qkv", { "attn.to_q", "attn.to_k", "attn.to_v" } },
    { "img_attn.proj", { "attn.to_out.0" } },
    { "img_mlp.0", { "ff.net.0.proj" } },
    { "img_mlp.2", { "ff.net.2" } },
    { "txt_mod.lin", { "norm1_context.linear" } },
    { "txt_attn.qkv", { "attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj" } },
    { "txt_attn.proj", { "attn.to_add_out" } },
    { "txt_mlp.0", { "ff_context.net.0.proj" } },
    { "txt_mlp.2", { "ff_context.net.2" } },
    { "img_attn.norm.query_norm.scale", { "attn.norm_q.weight" } },
    { "img_attn.norm.key_norm.scale", { "attn.norm_k.weight" } },
    { "txt_attn.norm.query_norm.scale", { "attn.norm_added_q.weight" } },
    { "txt_attn.norm.key_norm.scale", { "attn.norm_added_k.weight" } },
    { 0 },
};
static const struct fused once[] = {
    { "modulation.lin", { "norm.linear" } },
    { "linear1", { "attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp" } },
    { "linear2", { "proj_out" } },
    { "norm.query_norm.scale", { "attn.norm_q.weight" } },
    { "norm.key_norm.scale", { "attn.norm_k.weight" } },
    { 0 },
};

struct list {
    const nn_weights *w;
    nn_tensor *tensors;
    uint64_t count;
};

static void append(nn_tensor *to, const nn_tensor *t)
{
    float *data = tiny_alloc((to->bytes + 4 * t->bytes) / 4 + 1, sizeof *data); /* of any type: more than enough */
    uint64_t n = 1;
    for (uint32_t d = 0; d < t->rank; d++)
        n *= t->shape[d];
    if (to->bytes)
        memcpy(data, to->data, to->bytes);
    nn_tensor_to_f32(t, 0, data + to->bytes / 4, n);
    to->rank = t->rank;
    to->shape[1] = t->shape[1];
    to->shape[0] += t->shape[0];
    to->bytes += 4 * n;
    to->data = data;
}

static void swap_halves(nn_tensor *t)
{
    char *data = tiny_alloc(t->bytes, 1);
    memcpy(data, (const char *)t->data + t->bytes / 2, t->bytes / 2);
    memcpy(data + t->bytes / 2, t->data, t->bytes / 2);
    t->data = data;
}

static void add(struct list *l, const char *to_block, const char *from_block, const struct fused *f, const char *leaf)
{
    char *name = tiny_alloc(256, 1), from[256];
    nn_tensor t = { .name = name, .dtype = WN_F32 };
    snprintf(name, 256, "%s%s%s", to_block, f->to, leaf);
    for (int i = 0; i < 4 && f->from[i]; i++) {
        snprintf(from, sizeof from, "%s%s%s", from_block, f->from[i], leaf);
        const nn_tensor *found = nn_weights_find(l->w, from);
        if (found)
            append(&t, found);
    }
    if (strcmp(f->to, "final_layer.adaLN_modulation.1") == 0)
        swap_halves(&t);
    if (t.bytes)
        l->tensors[l->count++] = t;
}

static void add_table(struct list *l, const char *to_block, const char *from_block, const struct fused *table)
{
    for (; table->to; table++) {
        const int is_whole = strstr(table->to, ".scale") != NULL;
        add(l, to_block, from_block, table, is_whole ? "" : ".weight");
        if (!is_whole)
            add(l, to_block, from_block, table, ".bias");
    }
}

uint64_t bfl_tensors(const nn_weights *w, const nn_flux *c, nn_tensor **out)
{
    struct list l = { w, tiny_alloc(nn_weights_count(w) + 1, sizeof *l.tensors), 0 };
    char to[64], from[64];
    add_table(&l, "", "", top);
    for (unsigned i = 0; i < c->double_blocks; i++) {
        snprintf(to, sizeof to, "double_blocks.%u.", i);
        snprintf(from, sizeof from, "transformer_blocks.%u.", i);
        add_table(&l, to, from, twice);
    }
    for (unsigned i = 0; i < c->single_blocks; i++) {
        snprintf(to, sizeof to, "single_blocks.%u.", i);
        snprintf(from, sizeof from, "single_transformer_blocks.%u.", i);
        add_table(&l, to, from, once);
    }
    *out = l.tensors;
    return l.count;
}
