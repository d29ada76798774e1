/* cache.c - a verifier's answers, kept from run to run.
 *
 * An answer is kept under a hash of all that it may depend on: which verifier it is (wn_verifier_ref.identity: plugin,
 * version, options, files, inputs), the prompt with its whole record, the pixels, and the preview where the verifier
 * looks at it. Nothing has to be invalidated: whoever asks otherwise has another key. */
#include "store.h"

#include <hash.h>
#include <wrap/wrap.h>

#include <stdlib.h>
#include <string.h>

struct options {
    const char *folder;
};

static const wn_option options[] = {
    WN_STRING(struct options, folder, "\"runs/cache\"",
              "Folder of the answers, relative to the working directory; may be shared by any number of runs."),
    WN_OPTIONS_END
};

struct cache {
    const wn_host *host;
    const wn_verifier_ref *input;
    struct store store;
    uint64_t found;
    uint64_t asked;
    int has_told_damage;
    int has_told_loss;
};

/* ---- life -------------------------------------------------------------------------------------------------------- */

static void say(const struct cache *c, int32_t level, const char *what, const char *detail)
{
    char line[1300];
    snprintf(line, sizeof line, "%s%s", what, detail);
    c->host->log(c->host->ctx, level, line);
}

static void destroy(void *self)
{
    struct cache *c = self;
    if (!c)
        return;
    if (c->found + c->asked > 0) {
        char counts[100];
        snprintf(counts, sizeof counts, "%llu answers kept before, %llu new ones", (unsigned long long)c->found,
                 (unsigned long long)c->asked);
        say(c, WN_LOG_INFO, counts, "");
    }
    free(c);
}

static wn_status open(struct cache *c, const struct options *o, wn_error *err)
{
    char name[17];
    const wn_verifier_ref *input = c->input;
    if (input->verifier->flags & WN_VERIFIER_COMPARATIVE)
        return wn_fail(
            err, WN_E_ARG,
            "input %s compares the candidates of a set: a picture alone has no answer to keep; put the cache "
            "around its inputs",
            input->name);
    if (!WN_HAS(wn_verifier_ref, input, identity) || !input->identity)
        return wn_fail(err, WN_E_UNSUPPORTED, "this winnow does not say what input %s depends on; use a newer one",
                       input->name);
    snprintf(name, sizeof name, "%.16s", input->identity);
    return store_open(o->folder, name, input->verifier->metric_count, &c->store, err);
}

static wn_status create(const wn_host *host, const void *given, void **self, wn_error *err)
{
    struct cache *c = calloc(1, sizeof *c);
    if (!c)
        return wn_fail(err, WN_E_MEMORY, "no memory");
    c->host = host;
    c->input = host->input(host->ctx, 0);
    const wn_status status = open(c, given, err);
    if (status != WN_OK)
        destroy(c);
    else
        *self = c;
    return status;
}

static wn_status describe(void *self, wn_verifier_info *info, wn_error *err)
{
    const struct cache *c = self;
    (void)err;
    wn_wrap_mirror(c->input, info);
    return WN_OK;
}

/* ---- keys -------------------------------------------------------------------------------------------------------- */

static void add_text(nn_hash *hash, const char *text)
{
    nn_hash_add(hash, text ? text : "", text ? strlen(text) : 0);
}

static void add_image(nn_hash *hash, const wn_image *image)
{
    const uint64_t size[2] = { image->width_px, image->height_px };
    nn_hash_add(hash, size, sizeof size);
    nn_hash_add(hash, image->rgb, size[0] * size[1] * 3);
}

/* Not the prompt's id: it says where the prompt stands in a file. */
static void make_key(const struct cache *c, const wn_score_request *r, uint64_t i, char key[STORE_KEY])
{
    nn_hash hash = nn_hash_begin();
    add_text(&hash, c->input->identity);
    add_text(&hash, r->prompts[i]->text);
    add_text(&hash, r->prompts[i]->category);
    add_text(&hash, r->prompts[i]->json);
    add_image(&hash, &r->images[i]);
    if ((c->input->verifier->flags & WN_VERIFIER_NEEDS_PREVIEW) && r->previews)
        add_image(&hash, &r->previews[i]);
    nn_hash_text(&hash, key);
}

/* ---- scoring ----------------------------------------------------------------------------------------------------- */

/* What has to be asked: the request without what is known. */
struct misses {
    uint64_t count;
    uint64_t *item;            /* [count] of the request */
    char (*key)[STORE_KEY];    /* [count] */
    const wn_prompt **prompts; /* [count] */
    wn_image *images;          /* [count] */
    wn_image *previews;        /* [count] */
    double *scores;            /* [count][metrics] */
};

static wn_status misses_open(const struct cache *c, uint64_t count, struct misses *m, wn_error *err)
{
    m->item = calloc(count, sizeof *m->item);
    m->key = calloc(count, sizeof *m->key);
    m->prompts = calloc(count, sizeof(wn_prompt *));
    m->images = calloc(count, sizeof *m->images);
    m->previews = calloc(count, sizeof *m->previews);
    m->scores = calloc(count, c->store.values * sizeof *m->scores);
    if (m->item && m->key && m->prompts && m->images && m->previews && m->scores)
        return WN_OK;
    return wn_fail(err, WN_E_MEMORY, "no memory for %llu candidates", (unsigned long long)count);
}

static void misses_close(struct misses *m)
{
    free(m->item);
    free(m->key);
    free(m->prompts);
    free(m->images);
    free(m->previews);
    free(m->scores);
}

static void add_miss(const wn_score_request *r, uint64_t i, const char *key, struct misses *m)
{
    const uint64_t n = m->count++;
    m->item[n] = i;
    memcpy(m->key[n], key, STORE_KEY);
    m->prompts[n] = r->prompts[i];
    m->images[n] = r->images[i];
    if (r->previews)
        m->previews[n] = r->previews[i];
}

static void look_up(struct cache *c, const wn_score_request *r, struct misses *m)
{
    for (uint64_t i = 0; i < r->count; i++) {
        char key[STORE_KEY];
        wn_error why;
        make_key(c, r, i, key);
        const int found = store_read(&c->store, key, r->scores + i * c->store.values, &why);
        if (found != STORE_FOUND)
            add_miss(r, i, key, m);
        if (found == STORE_DAMAGED && !c->has_told_damage) {
            say(c, WN_LOG_WARN,
                "a kept answer is damaged and made anew, as others will be without a word: ", why.message);
            c->has_told_damage = 1;
        }
    }
    c->found += r->count - m->count;
}

/* An answer that cannot be kept is still one. */
static void keep(struct cache *c, const wn_score_request *r, const struct misses *m)
{
    const uint64_t metrics = c->store.values;
    for (uint64_t n = 0; n < m->count; n++) {
        wn_error why;
        const double *row = m->scores + n * metrics;
        memcpy(r->scores + m->item[n] * metrics, row, metrics * sizeof *row);
        if (store_write(&c->store, m->key[n], row, &why) != WN_OK && !c->has_told_loss) {
            say(c, WN_LOG_WARN, "answers are used but cannot be kept: ", why.message);
            c->has_told_loss = 1;
        }
    }
    c->asked += m->count;
}

static wn_status ask(struct cache *c, const wn_score_request *r, struct misses *m, wn_error *err)
{
    look_up(c, r, m);
    if (m->count == 0)
        return WN_OK;
    const wn_score_request rest = {
        .struct_size = sizeof rest,
        .count = m->count,
        .prompts = m->prompts,
        .images = m->images,
        .previews = r->previews ? m->previews : NULL,
        .scores = m->scores,
    };
    WN_TRY(wn_wrap_ask(c->input, &rest, m->scores, err));
    keep(c, r, m);
    return WN_OK;
}

static wn_status score(void *self, const wn_score_request *r, wn_error *err)
{
    struct cache *c = self;
    struct misses m = { 0 };
    wn_status status = misses_open(c, r->count, &m, err);
    if (status == WN_OK)
        status = ask(c, r, &m, err);
    misses_close(&m);
    return status;
}

static const wn_verifier verifier = {
    .struct_size = sizeof verifier,
    .min_inputs = 1,
    .max_inputs = 1,
    .score = score,
    .describe = describe,
};

static const wn_plugin plugin = {
    .struct_size = sizeof plugin,
    .kind = WN_KIND_VERIFIER,
    .name = "cache",
    .version = "1.0",
    .summary = "Keeps a verifier's answers on disk, from run to run.",
    .source = "",
    .options = options,
    .options_size = sizeof(struct options),
    .create = create,
    .destroy = destroy,
    .vtable = &verifier,
};

WN_MODULE(&plugin);
