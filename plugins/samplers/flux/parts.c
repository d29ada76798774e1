/* parts.c - a FLUX pipeline comes as a diffusers folder, or as a transformer (file or folder) with the other parts
 * named one by one. Here both become a list of paths, and the parts with weights are opened.
 */
#include "flux.h"

#include <string.h>
#include <sys/stat.h>

static const struct {
    const char *name; /* of the option and of the folder */
    int32_t has_weights;
    const char *probe; /* a tensor that shows that an all-in-one file has this part */
} table[PART_COUNT] = {
    [PART_TRANSFORMER] = { "transformer", 1, NULL },
    [PART_VAE] = { "vae", 1, "vae.decoder.conv_in.weight" },
    [PART_TEXT_ENCODER] = { "text_encoder", 1,
                            "text_encoders.clip_l.transformer.text_model.embeddings.token_embedding.weight" },
    [PART_TEXT_ENCODER_2] = { "text_encoder_2", 1, "text_encoders.t5xxl.transformer.shared.weight" },
    [PART_TOKENIZER] = { "tokenizer", 0, NULL },
    [PART_TOKENIZER_2] = { "tokenizer_2", 0, NULL },
    [PART_SCHEDULER] = { "scheduler", 0, NULL },
    [PART_PREVIEW] = { "preview", 1, NULL },
};

static int exists(const char *folder, const char *name)
{
    char path[PATH_SIZE + 64];
    struct stat st;
    snprintf(path, sizeof path, "%s%s%s", folder, *name ? "/" : "", name);
    return stat(path, &st) == 0;
}

static const char *option_of(const struct flux_options *o, int part)
{
    switch (part) {
    case PART_TRANSFORMER:
        return o->transformer;
    case PART_VAE:
        return o->vae;
    case PART_TEXT_ENCODER:
        return o->text_encoder;
    case PART_TEXT_ENCODER_2:
        return o->text_encoder_2;
    case PART_TOKENIZER:
        return o->tokenizer;
    case PART_TOKENIZER_2:
        return o->tokenizer_2;
    case PART_SCHEDULER:
        return o->scheduler;
    default:
        return strcmp(o->preview, "vae") == 0 ? "" : o->preview;
    }
}

static wn_status join(char *path, const char *folder, const char *name, wn_error *err)
{
    if ((size_t)snprintf(path, PATH_SIZE, "%s/%s", folder, name) >= PATH_SIZE)
        return wn_fail(err, WN_E_ARG, "path of the %s is too long: %.80s...", name, folder);
    return WN_OK;
}

/* Where a part is that no option names: in the pipeline's folder (all = NULL), or in the file `all`. */
static wn_status default_path(struct flux *f, int part, const char *model, const nn_weights *all, wn_error *err)
{
    char *path = f->parts.path[part];
    if (!all && part != PART_PREVIEW)
        return join(path, model, table[part].name, err);
    if (part == PART_TRANSFORMER || (all && table[part].probe && nn_weights_find(all, table[part].probe)))
        snprintf(path, PATH_SIZE, "%s", model);
    else if (part != PART_PREVIEW && part != PART_SCHEDULER)
        return wn_fail(err, WN_E_MISSING,
                       "%s is not a pipeline folder (no model_index.json) and holds no %s; name "
                       "one in the option \"%s\"",
                       model, table[part].name, table[part].name);
    return WN_OK;
}

static wn_status open_part(struct flux *f, int part, const char *model, const nn_weights *all, wn_error *err)
{
    const char *named = option_of(f->options, part);
    char *path = f->parts.path[part];
    if (*named)
        WN_TRY(f->host->resolve(f->host->ctx, named, path, PATH_SIZE, err));
    else
        WN_TRY(default_path(f, part, model, all, err));
    if (*path && !exists(path, ""))
        return wn_fail(err, WN_E_MISSING, "no %s at %s", table[part].name, path);
    if (!*path || !table[part].has_weights)
        return WN_OK;
    WN_TRY(nn_weights_open(path, &f->parts.weights[part], err));
    return part == PART_TEXT_ENCODER_2 ? nn_t5_rename(&f->parts.weights[part], err) : WN_OK;
}

/* The tokenizers say themselves what they have read. */
static void tell_files(const struct flux *f, int part)
{
    static const char *const names[] = { "config.json", "scheduler_config.json" };
    const char *path = f->parts.path[part];
    const nn_weights *w = f->parts.weights[part];
    char file[PATH_SIZE + 64];
    for (size_t i = 0; *path && i < sizeof names / sizeof *names; i++) {
        snprintf(file, sizeof file, "%s/%s", path, names[i]);
        if (exists(file, ""))
            f->host->uses_file(f->host->ctx, file);
    }
    for (uint64_t i = 0; w && i < nn_weights_file_count(w); i++)
        f->host->uses_file(f->host->ctx, nn_weights_file(w, i));
}

void parts_tell_tokenizers(const struct flux *f)
{
    const nn_files *files[] = { nn_clip_bpe_files(f->clip_tokenizer), nn_t5_spm_files(f->t5_tokenizer) };
    for (int k = 0; k < 2; k++)
        for (uint64_t i = 0; i < files[k]->count; i++)
            f->host->uses_file(f->host->ctx, files[k]->path[i]);
}

wn_status parts_open(struct flux *f, wn_error *err)
{
    char model[PATH_SIZE];
    nn_weights *all = NULL; /* of a model that is not a pipeline folder */
    WN_TRY(f->host->resolve(f->host->ctx, f->options->model, model, sizeof model, err));
    if (!exists(model, "model_index.json"))
        WN_TRY(nn_weights_open(model, &all, err));
    wn_status status = WN_OK;
    for (int part = 0; part < PART_COUNT && status == WN_OK; part++) {
        status = open_part(f, part, model, all, err);
        tell_files(f, part);
    }
    nn_weights_close(all);
    return status;
}

void parts_close(struct flux_parts *p)
{
    for (int part = 0; part < PART_COUNT; part++)
        nn_weights_close(p->weights[part]);
}
