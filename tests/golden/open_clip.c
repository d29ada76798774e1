/* open_clip.c - the same numbers in the other layout, by names written down from open_clip's model.py. */
#include "open_clip.h"

#include "check.h"
#include "tiny.h"

#include <weights/safetensors.h>

#include <sys/stat.h>

enum { MAX_TENSORS = 256, NAME = 256, PATH = 4200 };

struct out {
    nn_tensor tensors[MAX_TENSORS];
    uint64_t count;
    const nn_weights *from;
};

static float *values_of(const nn_tensor *t, uint64_t *count)
{
    *count = 1;
    for (uint32_t i = 0; i < t->rank; i++)
        *count *= t->shape[i];
    float *v = tiny_alloc(*count, sizeof *v);
    nn_tensor_to_f32(t, 0, v, *count);
    return v;
}

static const nn_tensor *find(const struct out *o, const char *name)
{
    const nn_tensor *t = nn_weights_find(o->from, name);
    if (!t) {
        fprintf(stderr, "no tensor %s\n", name);
        exit(1);
    }
    return t;
}

static nn_tensor *add(struct out *o, const char *name, const nn_tensor *like, const float *data, uint64_t count)
{
    nn_tensor *t = &o->tensors[o->count++];
    char *copy = tiny_alloc(strlen(name) + 1, 1);
    *t = *like;
    t->name = strcpy(copy, name);
    t->dtype = WN_F32;
    t->data = data;
    t->bytes = count * sizeof *data;
    return t;
}

static void rename_tensor(struct out *o, const char *old, const char *new)
{
    uint64_t n;
    const nn_tensor *t = find(o, old);
    const float *v = values_of(t, &n);
    add(o, new, t, v, n);
}

static void transpose(struct out *o, const char *old, const char *new)
{
    uint64_t n;
    const nn_tensor *t = find(o, old);
    const uint64_t rows = t->shape[0], columns = t->shape[1];
    const float *v = values_of(t, &n);
    float *turned = tiny_alloc(n, sizeof *turned);
    for (uint64_t i = 0; i < n; i++)
        turned[i % columns * rows + i / columns] = v[i];
    nn_tensor *added = add(o, new, t, turned, n);
    added->shape[0] = columns;
    added->shape[1] = rows;
}

/* q, k and v of a block, one above the other. */
static void pack(struct out *o, const char *old, const char *new, const char *part)
{
    char name[NAME + 32];
    uint64_t n = 0;
    const nn_tensor *t = NULL;
    float *packed = NULL;
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "%s.self_attn.%c_proj.%s", old, "qkv"[i], part);
        t = find(o, name);
        const float *v = values_of(t, &n);
        if (!packed)
            packed = tiny_alloc(3 * n, sizeof *packed);
        memcpy(packed + (uint64_t)i * n, v, n * sizeof *v);
    }
    snprintf(name, sizeof name, "%s.attn.in_proj_%s", new, part);
    add(o, name, t, packed, 3 * n)->shape[0] *= 3;
}

static void rename_pair(struct out *o, const char *old, const char *new)
{
    static const char *const parts[] = { "weight", "bias" };
    char a[NAME + 8], b[NAME + 8];
    for (int i = 0; i < 2; i++) {
        snprintf(a, sizeof a, "%s.%s", old, parts[i]);
        snprintf(b, sizeof b, "%s.%s", new, parts[i]);
        rename_tensor(o, a, b);
    }
}

static void tower(struct out *o, const char *old, const char *new)
{
    static const char *const leaves[][2] = { { "self_attn.out_proj", "attn.out_proj" },
                                             { "layer_norm1", "ln_1" },
                                             { "layer_norm2", "ln_2" },
                                             { "mlp.fc1", "mlp.c_fc" },
                                             { "mlp.fc2", "mlp.c_proj" } };
    char a[NAME], b[NAME], probe[NAME];
    for (int layer = 0;; layer++) {
        snprintf(probe, sizeof probe, "%s.encoder.layers.%d.layer_norm1.bias", old, layer);
        if (!nn_weights_find(o->from, probe))
            return;
        for (int i = 0; i < 5; i++) {
            snprintf(a, sizeof a, "%s.encoder.layers.%d.%s", old, layer, leaves[i][0]);
            snprintf(b, sizeof b, "%stransformer.resblocks.%d.%s", new, layer, leaves[i][1]);
            rename_pair(o, a, b);
        }
        snprintf(a, sizeof a, "%s.encoder.layers.%d", old, layer);
        snprintf(b, sizeof b, "%stransformer.resblocks.%d", new, layer);
        pack(o, a, b, "weight");
        pack(o, a, b, "bias");
    }
}

static void convert(struct out *o)
{
    rename_tensor(o, "logit_scale", "logit_scale");
    rename_tensor(o, "vision_model.embeddings.patch_embedding.weight", "visual.conv1.weight");
    rename_tensor(o, "vision_model.embeddings.class_embedding", "visual.class_embedding");
    rename_tensor(o, "vision_model.embeddings.position_embedding.weight", "visual.positional_embedding");
    rename_pair(o, "vision_model.pre_layrnorm", "visual.ln_pre");
    rename_pair(o, "vision_model.post_layernorm", "visual.ln_post");
    transpose(o, "visual_projection.weight", "visual.proj");
    tower(o, "vision_model", "visual.");
    rename_tensor(o, "text_model.embeddings.token_embedding.weight", "token_embedding.weight");
    rename_tensor(o, "text_model.embeddings.position_embedding.weight", "positional_embedding");
    rename_pair(o, "text_model.final_layer_norm", "ln_final");
    transpose(o, "text_projection.weight", "text_projection");
    tower(o, "text_model", "");
}

const char *open_clip_folder(const char *folder, unsigned vision_width, unsigned head_width, unsigned text_width,
                             unsigned text_heads)
{
    static struct out o;
    static char path[PATH];
    char file[2 * PATH];
    wn_error err;
    nn_weights *w;
    CHECK_OK(nn_weights_open(folder, &w, &err), err);
    o.from = w;
    convert(&o);
    snprintf(path, sizeof path, "%s/open_clip", folder);
    mkdir(path, 0777);
    snprintf(file, sizeof file, "%s/open_clip_model.safetensors", path);
    CHECK_OK(nn_safetensors_write(file, o.tensors, o.count, NULL, 0, &err), err);
    snprintf(file, sizeof file, "%s/open_clip_config.json", path);
    FILE *f = fopen(file, "w");
    CHECK(f != NULL);
    if (f)
        fprintf(f,
                "{\"model_cfg\": {\"vision_cfg\": {\"width\": %u, \"head_width\": %u}, \"text_cfg\": {\"width\": %u, "
                "\"heads\": %u}}}",
                vision_width, head_width, text_width, text_heads);
    CHECK(f && fclose(f) == 0);
    nn_weights_close(w);
    return path;
}
