/* clip_preset.c - the tables of what is known, open_clip's own config, and the choice between them. */
#include "clip_preset.h"

#include "../sha256.h"
#include "scope.h"
#include "settings.h"

#include <string.h>
#include <unistd.h>

#define OPEN_CLIP_CONFIG "open_clip_config.json"

/* ---- what is known ---- */

/* Published files in OpenAI's layout, by (the beginning of) their SHA-256: OpenAI's and open_clip's download addresses
 * hold it. What they share is not in the table: eps 1e-5, bicubic resize of the short side, centre crop, CLIP's mean
 * and standard deviation. */
static const struct known {
    const char *sha256;
    const char *name;
    const char *activation;
} known[] = {
    { "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af", "OpenAI's ViT-B/32", "quick_gelu" },
    { "5806e77cd80f8b59890b7e101eabd078d9fb84e6937f9e85e4ecb61988df416f", "OpenAI's ViT-B/16", "quick_gelu" },
    { "b8cca3fd41ae0c99ba7e8951adf17d267cdb84cd88be6f7c2e0eca1737a03836", "OpenAI's ViT-L/14", "quick_gelu" },
    { "3035c92b350959924f9f00213499208652fc7ea050643e8b385c2dac08641f02", "OpenAI's ViT-L/14@336px", "quick_gelu" },
    { "d867053b", "open_clip's ViT-B-32-quickgelu laion400m_e31", "quick_gelu" },
    { "46683a32", "open_clip's ViT-B-32-quickgelu laion400m_e32", "quick_gelu" },
    { "af8dbd0c", "open_clip's ViT-B-32 laion2b_e16", "gelu" },
    { "00efa78f", "open_clip's ViT-B-16 laion400m_e31", "gelu" },
    { "55e67d44", "open_clip's ViT-B-16 laion400m_e32", "gelu" },
    { "8fb26589", "open_clip's ViT-B-16-plus-240 laion400m_e31", "gelu" },
    { "699c4b84", "open_clip's ViT-B-16-plus-240 laion400m_e32", "gelu" },
    { "69988bb6", "open_clip's ViT-L-14 laion400m_e31", "gelu" },
    { "3d133497", "open_clip's ViT-L-14 laion400m_e32", "gelu" },
};

static const struct known openai = { "", "an archive of OpenAI", "quick_gelu" };

/* Architectures whose heads are not 64 wide. g/14 and bigG/14 exist with gelu only; H/14 with both. */
static const struct architecture {
    uint64_t vision_width;
    uint64_t head_width;
    const char *activation;
} architectures[] = {
    { 1280, 80, NULL },    /* ViT-H/14 */
    { 1408, 88, "gelu" },  /* ViT-g/14 */
    { 1664, 104, "gelu" }, /* ViT-bigG/14 */
};

static const struct architecture *find_architecture(uint64_t vision_width)
{
    for (size_t i = 0; i < sizeof architectures / sizeof *architectures; i++)
        if (architectures[i].vision_width == vision_width)
            return &architectures[i];
    return NULL;
}

/* NULL for a file that is not known, or weights of several files. */
static wn_status find_known(const nn_weights *w, const struct known **out, wn_error *err)
{
    char digits[65];
    *out = NULL;
    if (nn_weights_file_count(w) != 1)
        return WN_OK;
    WN_TRY(nn_sha256_file(nn_weights_file(w, 0), digits, err));
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strncmp(known[i].sha256, digits, strlen(known[i].sha256)) == 0)
            *out = &known[i];
    return WN_OK;
}

/* ---- open_clip_config.json ---- */

static wn_status config_open(const char *folder, nn_config **out, wn_error *err)
{
    char path[4200];
    *out = NULL;
    if ((size_t)snprintf(path, sizeof path, "%s/" OPEN_CLIP_CONFIG, folder) >= sizeof path)
        return wn_fail(err, WN_E_ARG, "path of %zu bytes is too long: %.80s...", strlen(folder), folder);
    return access(path, F_OK) == 0 ? nn_config_open(path, out, err) : WN_OK;
}

/* There, and neither null nor false. */
static int is_on(const nn_config *c, const char *key)
{
    wn_error no_bool;
    bool value = true;
    return nn_config_has(c, key) && (nn_config_bool(c, key, true, &value, &no_bool) != WN_OK || value);
}

/* What would make another network of the same tensors. */
static wn_status refuse_others(const nn_config *c, wn_error *err)
{
    static const char *const keys[] = { "timm_model_name",     "hf_model_name", "attentional_pool", "ls_init_value",
                                        "final_ln_after_pool", "no_ln_pre",     "norm_kwargs",      "act_kwargs",
                                        "no_causal_mask",      "embed_cls",     "pos_embed_type",   "qk_norm" };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (is_on(c, keys[i]))
            return wn_fail(err, WN_E_UNSUPPORTED, "%s: \"%s\" describes a model that is not a plain CLIP",
                           nn_config_file(c), keys[i]);
    return WN_OK;
}

static wn_status check_width(const nn_config *c, uint64_t width, wn_error *err)
{
    uint64_t said;
    WN_TRY(refuse_others(c, err));
    WN_TRY(settings_size(c, "width", width, 1, &said, err));
    if (said != width)
        return wn_fail(err, WN_E_FORMAT, "%s: \"width\" is %llu, the weights beside it have %llu", nn_config_file(c),
                       (unsigned long long)said, (unsigned long long)width);
    return WN_OK;
}

static wn_status config_towers(const nn_config *model, nn_clip_text *text, nn_clip_vision *vision, wn_error *err)
{
    const nn_config *c;
    uint64_t head_width;
    WN_TRY(nn_config_require(model, "vision_cfg", err));
    WN_TRY(nn_config_object(model, "vision_cfg", &c, err));
    WN_TRY(check_width(c, vision->shape.width, err));
    WN_TRY(settings_size(c, "head_width", 64, 1, &head_width, err));
    vision->shape.heads = vision->shape.width / head_width;
    if (text->shape.width == 0)
        return WN_OK;
    WN_TRY(nn_config_require(model, "text_cfg", err));
    WN_TRY(nn_config_object(model, "text_cfg", &c, err));
    WN_TRY(check_width(c, text->shape.width, err));
    return settings_size(c, "heads", 8, 1, &text->shape.heads, err);
}

static wn_status config_read(const nn_config *c, nn_clip_text *text, nn_clip_vision *vision, const char **activation,
                             wn_error *err)
{
    const nn_config *model;
    int32_t is_quick;
    WN_TRY(nn_config_require(c, "model_cfg", err));
    WN_TRY(nn_config_object(c, "model_cfg", &model, err));
    WN_TRY(settings_bool(model, "quick_gelu", 0, &is_quick, err));
    *activation = is_quick ? "quick_gelu" : "gelu";
    return config_towers(model, text, vision, err);
}

/* ---- the choice ---- */

static wn_status heads_by_width(const nn_weights *w, nn_clip_text *text, nn_clip_vision *vision, wn_error *err)
{
    const struct architecture *a = find_architecture(vision->shape.width);
    const uint64_t head_width = a ? a->head_width : 64;
    vision->shape.heads = vision->shape.width / head_width;
    text->shape.heads = text->shape.width / 64;
    if (vision->shape.width % head_width || text->shape.width % 64 || vision->shape.heads == 0)
        return wn_fail(
            err, WN_E_UNSUPPORTED,
            "%s: towers of width %llu and %llu belong to no published model, so their heads are not known; put "
            "the model's " OPEN_CLIP_CONFIG " beside it",
            nn_weights_path(w), (unsigned long long)vision->shape.width, (unsigned long long)text->shape.width);
    return WN_OK;
}

/* What is known of a file outranks what is said of it; the option outranks a config. */
static wn_status choose(const nn_weights *w, const struct known *k, const char *config, const char *option,
                        const char **out, wn_error *err)
{
    const char *said = option && *option ? option : config;
    if (k && said && strcmp(k->activation, said) != 0)
        return wn_fail(err, WN_E_ARG, "%s is %s, which computes with %s, but %s says %s; correct that",
                       nn_weights_path(w), k->name, k->activation, said == config ? OPEN_CLIP_CONFIG : "\"activation\"",
                       said);
    *out = k ? k->activation : said;
    if (!*out)
        return wn_fail(
            err, WN_E_MISSING,
            "%s does not say its activation, and it is no file that winnow knows; set \"activation\": "
            "quick_gelu for weights by OpenAI, MetaCLIP and DFN, gelu for most others by LAION and open_clip",
            nn_weights_path(w));
    return WN_OK;
}

static wn_status settle(const nn_weights *w, const nn_config *c, int is_openai, const char *option, nn_clip_text *text,
                        nn_clip_vision *vision, wn_error *err)
{
    const struct known *k = is_openai ? &openai : NULL;
    const struct architecture *a = find_architecture(vision->shape.width);
    const char *config = NULL, *activation;
    if (c)
        WN_TRY(config_read(c, text, vision, &config, err));
    else
        WN_TRY(heads_by_width(w, text, vision, err));
    if (!c && !k)
        WN_TRY(find_known(w, &k, err));
    if (!k && !config && a)
        config = a->activation;
    WN_TRY(choose(w, k, config, option, &activation, err));
    text->shape.activation = vision->shape.activation = activation_by_name(activation);
    if (text->shape.activation == 0)
        return wn_fail(err, WN_E_ARG, "\"activation\" is \"%s\"; known are quick_gelu and gelu", activation);
    return WN_OK;
}

wn_status clip_preset_read(const char *folder, const nn_weights *weights, int is_openai, const char *activation,
                           nn_clip_text *text, nn_clip_vision *vision, nn_files *files, wn_error *err)
{
    nn_config *c;
    nn_clip_text_sizes(weights, text);
    WN_TRY(nn_clip_vision_sizes(weights, vision, err));
    WN_TRY(config_open(folder, &c, err));
    wn_status status = settle(weights, c, is_openai, activation, text, vision, err);
    if (status == WN_OK && c)
        status = nn_files_add(files, nn_config_file(c), "", err);
    nn_config_close(c);
    return status;
}

/* ---- images ---- */

static wn_status read_triple(const nn_config *c, const char *key, float out[3], wn_error *err)
{
    double values[3] = { (double)out[0], (double)out[1], (double)out[2] };
    uint32_t count = 3;
    WN_TRY(nn_config_numbers(c, key, values, 3, &count, err));
    for (uint32_t i = 0; i < count && i < 3; i++)
        out[i] = (float)values[i];
    return count == 3 ? WN_OK
                      : wn_fail(err, WN_E_FORMAT, "%s: \"%s\" has %u numbers, want 3", nn_config_file(c), key, count);
}

static wn_status read_words(const nn_config *c, nn_preprocess *out, wn_error *err)
{
    const char *interpolation, *mode;
    WN_TRY(nn_config_string(c, "interpolation", "bicubic", &interpolation, err));
    WN_TRY(nn_config_string(c, "resize_mode", "shortest", &mode, err));
    const int is_squash = strcmp(mode, "squash") == 0;
    if ((strcmp(interpolation, "bicubic") != 0 && strcmp(interpolation, "bilinear") != 0) ||
        (!is_squash && strcmp(mode, "shortest") != 0))
        return wn_fail(
            err, WN_E_UNSUPPORTED,
            "%s: \"interpolation\" %s with \"resize_mode\" %s; known are bicubic, bilinear, shortest, squash",
            nn_config_file(c), interpolation, mode);
    if (strcmp(interpolation, "bilinear") == 0)
        out->filter = NN_FILTER_BILINEAR;
    if (is_squash) {
        out->resize_width_px = out->resize_height_px = out->short_px;
        out->short_px = 0;
    }
    return WN_OK;
}

wn_status clip_preset_images(const char *folder, uint64_t image_px, nn_preprocess *out, int *is_given, wn_error *err)
{
    nn_config *root;
    const nn_config *c = NULL;
    *out = nn_preprocess_clip((uint32_t)image_px);
    out->crop = NN_CROP_HALF_EVEN; /* OpenAI and open_clip crop by torchvision */
    WN_TRY(config_open(folder, &root, err));
    wn_status status = root ? nn_config_object(root, "preprocess_cfg", &c, err) : WN_OK;
    *is_given = c != NULL;
    if (status == WN_OK && c)
        status = read_triple(c, "mean", out->mean, err);
    if (status == WN_OK && c)
        status = read_triple(c, "std", out->std, err);
    if (status == WN_OK && c)
        status = read_words(c, out, err);
    nn_config_close(root);
    return status;
}
