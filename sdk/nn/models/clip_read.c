/* clip_read.c - finds out what kind of CLIP a path is, and reads its parts from where that kind has them.
 *
 * A Hugging Face folder has a file for each part. A checkpoint in the layout of OpenAI or open_clip is one file that
 * may lie alone, with open_clip_config.json, or in a Hugging Face folder whose config.json is not about it.
 */
#include "clip_read.h"

#include "clip_layout.h"
#include "clip_preset.h"
#include "scope.h"
#include "settings.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH = 4200 };

int clip_is_folder(const char *path)
{
    struct stat s;
    return stat(path, &s) == 0 && S_ISDIR(s.st_mode);
}

/* The folder that a path is, or that its file lies in. */
static wn_status folder_of(const char *path, char folder[PATH], wn_error *err)
{
    const char *slash = strrchr(path, '/');
    int n;
    if (clip_is_folder(path))
        n = snprintf(folder, PATH, "%s", path);
    else
        n = slash ? snprintf(folder, PATH, "%.*s", (int)(slash - path + (slash == path)), path)
                  : snprintf(folder, PATH, ".");
    if (n < 0 || n >= PATH)
        return wn_fail(err, WN_E_ARG, "path of %zu bytes is too long: %.80s...", strlen(path), path);
    return WN_OK;
}

static int has(const char *folder, const char *name)
{
    char path[2 * PATH];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return access(path, F_OK) == 0;
}

/* ---- images ---- */

static wn_status read_processor(struct clip_parts *p, const char *folder, wn_error *err)
{
    WN_TRY(nn_preprocess_open(folder, &p->preprocess, err));
    return nn_files_add(&p->files, folder, "preprocessor_config.json", err);
}

/* Of the folder that options name, of the model's own, or as its kind does it. */
static wn_status read_images(struct clip_parts *p, const char *folder, const nn_clip_options *o, int has_config,
                             wn_error *err)
{
    const char *named = o->processor && clip_is_folder(o->processor) ? o->processor : NULL;
    int is_given = 0;
    if (named && (has_config || has(named, "preprocessor_config.json")))
        WN_TRY(read_processor(p, named, err));
    else if (has_config)
        WN_TRY(read_processor(p, folder, err));
    else {
        WN_TRY(clip_preset_images(folder, p->vision.image_px, &p->preprocess, &is_given, err));
        if (!is_given && has(folder, "preprocessor_config.json"))
            WN_TRY(read_processor(p, folder, err));
    }
    if (o->resize)
        p->preprocess.resize = o->resize;
    if (o->crop)
        p->preprocess.crop = o->crop;
    return WN_OK;
}

static wn_status check_images(const struct clip_parts *p, const char *path, wn_error *err)
{
    uint32_t w, h;
    const uint32_t px = (uint32_t)p->vision.image_px;
    WN_TRY(nn_preprocess_size(&p->preprocess, px, px, &w, &h, err));
    if (w != px || h != px)
        return wn_fail(err, WN_E_FORMAT,
                       "%s: preprocessor_config.json makes images of %u x %u, the model's image_size is %u", path, w, h,
                       px);
    return WN_OK;
}

/* ---- weights ---- */

static wn_status read_logit_scale(struct clip_parts *p, wn_error *err)
{
    const nn_tensor *t = nn_weights_find(p->weights, "logit_scale");
    float logarithm;
    p->logit_scale = (double)NAN;
    if (!t)
        return WN_OK;
    for (uint32_t i = 0; i < t->rank; i++)
        if (t->shape[i] != 1)
            return wn_fail(err, WN_E_FORMAT, "%s: tensor \"logit_scale\" has %llu numbers in dimension %u, want 1",
                           t->file, (unsigned long long)t->shape[i], i);
    nn_tensor_to_f32(t, 0, &logarithm, 1);
    p->logit_scale = exp((double)logarithm);
    return WN_OK;
}

static int has_text(const nn_weights *w)
{
    return nn_weights_find(w, "text_model.embeddings.token_embedding.weight") != NULL;
}

static wn_status set_activation(struct clip_parts *p, const char *name, wn_error *err)
{
    if (!name || !*name)
        return WN_OK;
    p->text.shape.activation = p->vision.shape.activation = activation_by_name(name);
    return p->text.shape.activation
               ? WN_OK
               : wn_fail(err, WN_E_ARG, "\"activation\" is \"%s\"; known are quick_gelu and gelu", name);
}

static wn_status read_config(struct clip_parts *p, const char *folder, const nn_clip_options *o, wn_error *err)
{
    if (has_text(p->weights))
        WN_TRY(nn_clip_text_read(folder, p->weights, &p->text, err));
    WN_TRY(nn_clip_vision_read(folder, p->weights, &p->vision, err));
    WN_TRY(nn_files_add(&p->files, folder, "config.json", err));
    return set_activation(p, o->activation, err);
}

static wn_status read_towers(struct clip_parts *p, const char *folder, const nn_clip_options *o, int *has_config,
                             wn_error *err)
{
    const int is_original = clip_layout_is_original(p->weights);
    const int is_openai = is_original && nn_weights_find(p->weights, "input_resolution");
    if (is_original)
        WN_TRY(clip_layout_rename(&p->weights, err));
    if (!nn_weights_find(p->weights, "vision_model.embeddings.class_embedding"))
        return wn_fail(
            err, WN_E_MISSING,
            "%s holds no CLIP image model: neither \"vision_model.embeddings.class_embedding\" (Hugging Face) "
            "nor \"visual.class_embedding\" (OpenAI, open_clip)",
            nn_weights_path(p->weights));
    *has_config = !is_original && has(folder, "config.json");
    if (*has_config)
        return read_config(p, folder, o, err);
    return clip_preset_read(folder, p->weights, is_openai, o->activation, &p->text, &p->vision, &p->files, err);
}

wn_status clip_read(const char *path, const nn_clip_options *options, struct clip_parts *out, wn_error *err)
{
    char folder[PATH];
    int has_config = 0;
    *out = (struct clip_parts){ 0 };
    WN_TRY(folder_of(path, folder, err));
    WN_TRY(nn_weights_open(path, &out->weights, err));
    WN_TRY(read_towers(out, folder, options, &has_config, err));
    if (!nn_weights_find(out->weights, "text_projection.weight"))
        out->text.projection = 0;
    WN_TRY(read_logit_scale(out, err));
    WN_TRY(read_images(out, folder, options, has_config, err));
    for (uint64_t i = 0; i < nn_weights_file_count(out->weights); i++)
        WN_TRY(nn_files_add(&out->files, nn_weights_file(out->weights, i), "", err));
    return check_images(out, path, err);
}

void clip_parts_finish(struct clip_parts *p)
{
    nn_files_finish(&p->files);
    nn_weights_close(p->weights);
}

/* ---- texts ---- */

static wn_status open_tokenizer(const char *folder, uint64_t tokens, nn_clip_bpe **out, wn_error *err)
{
    static const char *const lists[] = { "bpe_simple_vocab_16e6.txt.gz", "bpe_simple_vocab_16e6.txt", "merges.txt" };
    char file[2 * PATH];
    if (has(folder, "vocab.json") || has(folder, "tokenizer.json"))
        return nn_clip_bpe_open(folder, out, err);
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        if (has(folder, lists[i])) {
            snprintf(file, sizeof file, "%s/%s", folder, lists[i]);
            return nn_clip_bpe_open_list(file, tokens, out, err);
        }
    return wn_fail(
        err, WN_E_MISSING,
        "%s: holds no tokenizer: looked for vocab.json, tokenizer.json, %s and %s; all CLIP models share one, "
        "so put one there, or name its file or folder by \"processor\"",
        folder, lists[0], lists[2]);
}

wn_status clip_read_tokenizer(const char *path, const nn_clip_options *options, uint64_t tokens, nn_clip_bpe **out,
                              wn_error *err)
{
    char folder[PATH];
    const char *named = options->processor;
    if (named && !clip_is_folder(named))
        WN_TRY(nn_clip_bpe_open_list(named, tokens, out, err));
    else {
        WN_TRY(folder_of(named ? named : path, folder, err));
        WN_TRY(open_tokenizer(folder, tokens, out, err));
    }
    const int64_t last =
        nn_clip_bpe_end(*out) > nn_clip_bpe_start(*out) ? nn_clip_bpe_end(*out) : nn_clip_bpe_start(*out);
    if ((uint64_t)last < tokens)
        return WN_OK;
    const char *file = nn_clip_bpe_files(*out)->path[nn_clip_bpe_files(*out)->count - 1];
    const wn_status status = wn_fail(err, WN_E_FORMAT, "%s: has token %lld, the model %s only %llu", file,
                                     (long long)last, path, (unsigned long long)tokens);
    nn_clip_bpe_close(*out);
    *out = NULL;
    return status;
}
