/* clip_scoring.c - searches score the same few prompts again and again, so the embeddings of the last ones are kept;
 * those of images are kept by the model itself, for all verifiers that share it.
 */
#include "clip_scoring.h"

#include "clip_model.h"

#include <winnow/device.h>

#include <stdlib.h>
#include <string.h>

enum { REMEMBERED = 64 };

/* A prompt's embedding. */
struct text {
    char *prompt; /* NULL: none */
    float *embedding;
};

struct nn_clip_scoring {
    const wn_host *host;
    nn_clip_scoring_settings settings;
    nn_clip *clip;
    struct text text[REMEMBERED];
    uint64_t next;
    uint64_t encoded;
    uint64_t scored;
};

/* ---- life --------------------------------------------------------------------------------------------------- */

static wn_status open(nn_clip_scoring *s, wn_error *err)
{
    const wn_host *host = s->host;
    const nn_clip_scoring_settings *set = &s->settings;
    const struct wn_device_api *api;
    struct wn_device *device;
    char folder[4096], processor[4096];
    const bool has_processor = *set->processor != '\0';
    WN_TRY(host->resolve(host->ctx, set->model, folder, sizeof folder, err));
    if (has_processor)
        WN_TRY(host->resolve(host->ctx, set->processor, processor, sizeof processor, err));
    WN_TRY(host->open_device(host->ctx, set->device, &api, &device, err));
    const int64_t dtype = strcmp(set->dtype, "bf16") == 0 ? WN_BF16 : WN_F32;
    const nn_clip_options options = { .processor = has_processor ? processor : NULL,
                                      .resize = set->resize,
                                      .crop = set->crop,
                                      .activation = set->activation };
    WN_TRY(nn_clip_open_with(folder, &options, &(nn_device){ api, device }, dtype, &s->clip, err));
    const char *file;
    for (uint64_t i = 0; (file = nn_clip_file(s->clip, i)) != NULL; i++)
        host->uses_file(host->ctx, file);
    return WN_OK;
}

wn_status nn_clip_scoring_open(const wn_host *host, const nn_clip_scoring_settings *settings, nn_clip_scoring **out,
                               wn_error *err)
{
    nn_clip_scoring *s = calloc(1, sizeof *s);
    *out = NULL;
    if (!s)
        return wn_fail(err, WN_E_MEMORY, "out of memory");
    s->host = host;
    s->settings = *settings;
    const wn_status status = open(s, err);
    if (status != WN_OK)
        nn_clip_scoring_close(s);
    else
        *out = s;
    return status;
}

static void say_counts(const nn_clip_scoring *s)
{
    char line[256];
    uint64_t texts, images;
    nn_clip_counts(s->clip, &texts, &images);
    snprintf(
        line, sizeof line,
        "%s: %llu images scored, %llu prompts encoded; its image tower computed %llu of the %llu images that all who "
        "share it asked for",
        s->settings.verifier, (unsigned long long)s->scored, (unsigned long long)s->encoded, (unsigned long long)images,
        (unsigned long long)nn_clip_images_asked(s->clip));
    s->host->log(s->host->ctx, WN_LOG_INFO, line);
}

void nn_clip_scoring_close(nn_clip_scoring *s)
{
    if (!s)
        return;
    if (s->scored)
        say_counts(s);
    for (int i = 0; i < REMEMBERED; i++) {
        free(s->text[i].prompt);
        free(s->text[i].embedding);
    }
    nn_clip_close(s->clip);
    free(s);
}

double nn_clip_scoring_scale(const nn_clip_scoring *s)
{
    return nn_clip_logit_scale(s->clip);
}

/* ---- prompts ------------------------------------------------------------------------------------------------ */

static void say_cut(const nn_clip_scoring *s, const wn_prompt *prompt)
{
    char line[160];
    snprintf(line, sizeof line, "prompt \"%s\" is longer than CLIP's text; its rest is not scored", prompt->id);
    s->host->log(s->host->ctx, WN_LOG_WARN, line);
}

static wn_status encode(nn_clip_scoring *s, const wn_prompt *prompt, struct text *t, wn_error *err)
{
    const size_t size = strlen(s->settings.prefix) + strlen(prompt->text) + 1;
    char *whole = malloc(size);
    bool is_cut = false;
    if (!t->embedding)
        t->embedding = calloc(nn_clip_width(s->clip), sizeof *t->embedding);
    free(t->prompt);
    t->prompt = NULL;
    if (!whole || !t->embedding) {
        free(whole);
        return wn_fail(err, WN_E_MEMORY, "out of memory for a prompt");
    }
    snprintf(whole, size, "%s%s", s->settings.prefix, prompt->text);
    const wn_status status = nn_clip_text_embedding(s->clip, whole, t->embedding, &is_cut, err);
    free(whole);
    WN_TRY(status);
    s->encoded++;
    if (is_cut)
        say_cut(s, prompt);
    t->prompt = strdup(prompt->text);
    return t->prompt ? WN_OK : wn_fail(err, WN_E_MEMORY, "out of memory for a prompt");
}

/* The prompt's embedding, from memory or new. */
static wn_status text_of(nn_clip_scoring *s, const wn_prompt *prompt, const float **embedding, wn_error *err)
{
    struct text *t = NULL;
    for (int i = 0; i < REMEMBERED && !t; i++)
        if (s->text[i].prompt && strcmp(s->text[i].prompt, prompt->text) == 0)
            t = &s->text[i];
    if (!t) {
        t = &s->text[s->next++ % REMEMBERED];
        WN_TRY(encode(s, prompt, t, err));
    }
    *embedding = t->embedding;
    return WN_OK;
}

/* ---- scoring ------------------------------------------------------------------------------------------------ */

static wn_status compare(nn_clip_scoring *s, const wn_score_request *r, const float *images, double *cosines,
                         wn_error *err)
{
    const uint64_t width = nn_clip_width(s->clip);
    for (uint64_t i = 0; i < r->count; i++) {
        const float *text;
        WN_TRY(text_of(s, r->prompts[i], &text, err));
        cosines[i] = nn_cosine(text, images + i * width, width);
    }
    s->scored += r->count;
    return WN_OK;
}

wn_status nn_clip_scoring_cosines(nn_clip_scoring *s, const wn_score_request *request, double *cosines, wn_error *err)
{
    float *images = calloc(request->count * nn_clip_width(s->clip), sizeof *images);
    if (!images)
        return wn_fail(err, WN_E_MEMORY, "out of memory for %llu embeddings", (unsigned long long)request->count);
    wn_status status = nn_clip_image_embeddings(s->clip, request->count, request->images, images, err);
    if (status == WN_OK)
        status = compare(s, request, images, cosines, err);
    free(images);
    return status;
}
