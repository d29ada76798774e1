/* key.c - the model's name in every candidate's id: a hash of all that decides what a velocity and a picture are.
 * Tensors' names, types and shapes count, and their content: all of it for small models, the first and last 4 KiB of
 * each tensor for the big ones, whose 24 GB nobody wants read at every start (the manifest has the files' full hashes).
 */
#include "flux.h"

#include <hash.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

static const uint64_t small = UINT64_C(128) << 20; /* bytes of a part */
static const uint64_t sample = 4096;

static void add_text(nn_hash *h, const char *text)
{
    nn_hash_add(h, text, strlen(text));
}

/* whole_below: bytes of w that are hashed whole. */
static void add_weights(nn_hash *h, const nn_weights *w, uint64_t whole_below)
{
    uint64_t bytes = 0;
    for (uint64_t i = 0; i < nn_weights_count(w); i++)
        bytes += nn_weights_at(w, i)->bytes;
    for (uint64_t i = 0; i < nn_weights_count(w); i++) {
        const nn_tensor *t = nn_weights_at(w, i);
        add_text(h, t->name);
        nn_hash_add(h, &t->dtype, sizeof t->dtype);
        nn_hash_add(h, t->shape, t->rank * sizeof *t->shape);
        if (bytes <= whole_below || t->bytes <= 2 * sample) {
            nn_hash_add(h, t->data, t->bytes);
        } else {
            nn_hash_add(h, t->data, sample);
            nn_hash_add(h, (const char *)t->data + t->bytes - sample, sample);
        }
    }
}

static wn_status add_file(nn_hash *h, const char *path, wn_error *err)
{
    char block[4096];
    FILE *file = fopen(path, "rb");
    if (!file)
        return wn_fail(err, WN_E_IO, "%s: cannot open: %s", path, strerror(errno));
    for (size_t n; (n = fread(block, 1, sizeof block, file)) > 0;)
        nn_hash_add(h, block, n);
    const int is_bad = ferror(file);
    fclose(file);
    return is_bad ? wn_fail(err, WN_E_IO, "cannot read %s", path) : WN_OK;
}

static wn_status add_files(nn_hash *h, const nn_files *files, wn_error *err)
{
    for (uint64_t i = 0; i < files->count; i++)
        WN_TRY(add_file(h, files->path[i], err));
    return WN_OK;
}

/* config.json of a part that is a folder; a single file's settings are its tensors. */
static wn_status add_config(nn_hash *h, const char *part, wn_error *err)
{
    char path[PATH_SIZE + 64];
    snprintf(path, sizeof path, "%s/config.json", part);
    return access(path, F_OK) == 0 ? add_file(h, path, err) : WN_OK;
}

wn_status model_key(struct flux *f, wn_error *err)
{
    nn_hash h = nn_hash_begin();
    char text[33], reuse[128];
    for (int part = 0; part < PART_COUNT; part++)
        if (f->parts.weights[part])
            add_weights(&h, f->parts.weights[part], small);
    for (uint64_t i = 0; i < f->loras.count; i++) {
        add_weights(&h, f->loras.weights[i], UINT64_MAX);
        nn_hash_add(&h, &f->loras.lora[i].scale, sizeof f->loras.lora[i].scale);
    }
    WN_TRY(add_files(&h, nn_clip_bpe_files(f->clip_tokenizer), err));
    WN_TRY(add_files(&h, nn_t5_spm_files(f->t5_tokenizer), err));
    for (int part = 0; part < PART_TOKENIZER; part++)
        WN_TRY(add_config(&h, f->parts.path[part], err));
    nn_hash_add(&h, &f->text_length, sizeof f->text_length);
    if (reuse_key(f, reuse))
        add_text(&h, reuse);
    nn_hash_text(&h, text);
    snprintf(f->model_key, sizeof f->model_key, "flux-%s-%s", f->options->dtype, text);
    return WN_OK;
}
