/* blip.c - finds a BLIP checkpoint's files and reads the sizes of its parts. */
#include "blip.h"

#include "scope.h"
#include "settings.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static bool is_there(const char *path, bool as_folder)
{
    struct stat s;
    return stat(path, &s) == 0 && S_ISDIR(s.st_mode) == as_folder;
}

/* path itself when it is a folder, else the folder that holds it. */
static wn_status folder_of(const char *path, char **out, wn_error *err)
{
    const char *slash = strrchr(path, '/');
    if (is_there(path, true))
        *out = strdup(path);
    else
        *out = slash ? strndup(path, (size_t)(slash - path) + (slash == path)) : strdup(".");
    return *out ? WN_OK : wn_fail(err, WN_E_MEMORY, "%s: no memory", path);
}

static wn_status beside(const char *folder, const char *name, char **out, wn_error *err)
{
    *out = NULL;
    return asprintf(out, "%s/%s", folder, name) < 0 ? wn_fail(err, WN_E_MEMORY, "%s: no memory", folder) : WN_OK;
}

bool nn_blip_has_words(const char *path)
{
    char *folder = NULL, *file = NULL;
    wn_error err;
    const bool found = folder_of(path, &folder, &err) == WN_OK && beside(folder, "vocab.txt", &file, &err) == WN_OK &&
                       is_there(file, false);
    free(folder);
    free(file);
    return found;
}

static wn_status open_weights(nn_blip *b, const char *path, wn_error *err)
{
    char *pickle, *safe;
    WN_TRY(beside(b->folder, "ImageReward.pt", &pickle, err));
    wn_status status = beside(b->folder, "model.safetensors", &safe, err);
    if (status == WN_OK) {
        const bool is_pickle = is_there(path, true) && is_there(pickle, false) && !is_there(safe, false);
        status = nn_weights_open(is_pickle ? pickle : path, &b->weights, err);
    }
    free(pickle);
    free(safe);
    for (uint64_t i = 0; status == WN_OK && i < nn_weights_file_count(b->weights); i++)
        status = nn_files_add(&b->files, nn_weights_file(b->weights, i), "", err);
    return status;
}

/* ---- the two layouts ---------------------------------------------------------------------------------------- */

static wn_status read_berts(nn_blip *b, const nn_config *c, uint64_t heads, wn_error *err)
{
    static const char *const prefixes[] = { "blip.text_encoder.", "text_encoder.", NULL };
    const char *probe = "embeddings.word_embeddings.weight";
    const char *prefix = weights_prefix(b->weights, prefixes, probe);
    if (!prefix)
        return wn_fail(err, WN_E_MISSING, "%s holds no BLIP: no tensor \"text_encoder.%s\"",
                       nn_weights_path(b->weights), probe);
    WN_TRY(nn_bert_read(b->weights, prefix, c, heads, &b->encoder, err));
    if (!nn_weights_find(b->weights, "text_decoder.bert.embeddings.word_embeddings.weight"))
        return WN_OK;
    return nn_bert_read(b->weights, "text_decoder.bert.", c, heads, &b->decoder, err);
}

static wn_status read_original(nn_blip *b, wn_error *err)
{
    char *path;
    nn_config *c = NULL;
    wn_status status = WN_OK;
    if (b->config)
        WN_TRY(settings_size(b->config, "vision_heads", b->vit.heads ? b->vit.heads : 1, 1, &b->vit.heads, err));
    WN_TRY(beside(b->folder, "med_config.json", &path, err));
    if (is_there(path, false)) {
        status = nn_config_open(path, &c, err);
        if (status == WN_OK)
            status = nn_files_add(&b->files, path, "", err);
    }
    if (status == WN_OK)
        status = read_berts(b, c, 0, err);
    nn_config_close(c);
    free(path);
    return status;
}

static wn_status read_hugging_face(nn_blip *b, wn_error *err)
{
    const nn_config *vision, *text;
    WN_TRY(nn_config_require(b->config, "vision_config", err));
    WN_TRY(nn_config_require(b->config, "text_config", err));
    WN_TRY(nn_config_object(b->config, "vision_config", &vision, err));
    WN_TRY(nn_config_object(b->config, "text_config", &text, err));
    WN_TRY(nn_vit_configure(vision, &b->vit, err));
    return read_berts(b, text, 8, err); /* the library's default */
}

/* ---- life --------------------------------------------------------------------------------------------------- */

static wn_status read_config(nn_blip *b, wn_error *err)
{
    WN_TRY(settings_open(b->folder, &b->config, err));
    return b->config ? nn_files_add(&b->files, nn_config_file(b->config), "", err) : WN_OK;
}

static wn_status read_words(nn_blip *b, const char *tokenizer, wn_error *err)
{
    WN_TRY(nn_wordpiece_open(*tokenizer ? tokenizer : b->folder, &b->tokenizer, err));
    const nn_files *files = nn_wordpiece_files(b->tokenizer);
    for (uint64_t i = 0; i < files->count; i++)
        WN_TRY(nn_files_add(&b->files, files->path[i], "", err));
    return WN_OK;
}

static wn_status open(nn_blip *b, const char *path, const char *tokenizer, wn_error *err)
{
    WN_TRY(folder_of(path, &b->folder, err));
    WN_TRY(open_weights(b, path, err));
    WN_TRY(nn_vit_read(b->weights, &b->vit, err));
    WN_TRY(read_config(b, err));
    WN_TRY(b->vit.names == NN_VIT_BLIP ? read_hugging_face(b, err) : read_original(b, err));
    if (b->encoder.context != b->vit.width)
        return wn_fail(err, WN_E_FORMAT, "%s: the text encoder attends to states of width %llu, the image's have %llu",
                       nn_weights_path(b->weights), (unsigned long long)b->encoder.context,
                       (unsigned long long)b->vit.width);
    return read_words(b, tokenizer, err);
}

wn_status nn_blip_open(const char *path, const char *tokenizer, nn_blip *out, wn_error *err)
{
    *out = (nn_blip){ 0 };
    const wn_status status = open(out, path, tokenizer, err);
    if (status != WN_OK)
        nn_blip_close(out);
    return status;
}

void nn_blip_close(nn_blip *b)
{
    nn_wordpiece_close(b->tokenizer);
    nn_config_close(b->config);
    nn_weights_close(b->weights);
    nn_files_finish(&b->files);
    free(b->folder);
    *b = (nn_blip){ 0 };
}

wn_status nn_blip_tokens(const nn_blip *b, const char *text, uint32_t max_tokens, int32_t *ids, uint32_t *count,
                         bool *is_cut, wn_error *err)
{
    WN_TRY(nn_wordpiece_encode(b->tokenizer, text, max_tokens, ids, count, is_cut, err));
    for (uint32_t i = 0; i < *count; i++)
        if (ids[i] < 0 || (uint64_t)ids[i] >= b->encoder.vocabulary)
            return wn_fail(err, WN_E_FORMAT, "%s: the tokenizer's word %d is beyond the model's table of %llu words",
                           nn_wordpiece_files(b->tokenizer)->path[0], ids[i],
                           (unsigned long long)b->encoder.vocabulary);
    return WN_OK;
}
