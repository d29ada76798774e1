/* reuse.c - see reuse.h. */
#include "engine/reuse.h"

#include "base/build.h"
#include "base/sha256.h"
#include "engine/job.h"
#include "engine/scoring.h"
#include "ledger/cache.h"
#include "plugin/registry.h"

#include <winnow/device.h>

#include <stdlib.h>
#include <string.h>

enum { MAX_DEVICES = 16, CLAIM_LISTS = 256 };

/* A picture that is being made. */
struct claim {
    struct cache_key key;
    struct claim *next;
};

struct reuse {
    struct engine *engine;
    struct cache *cache;
    char maker[65];        /* hash of what makes pictures here */
    pthread_mutex_t mutex; /* guards the claims */
    pthread_cond_t released;
    struct claim *claims[CLAIM_LISTS]; /* by the first two digits of their keys */
};

/* Before the pixels. */
struct picture_head {
    double sample_seconds;
    double decode_seconds;
};

/* One for each metric. */
struct kept_score {
    double value;
    double seconds;
};

/* ---- keys ------------------------------------------------------------------------------------------------------ */

static void add_text(struct sha256 *h, const char *text)
{
    sha256_add(h, text, strlen(text) + 1); /* with its end, so that no two lists of texts are the same bytes */
}

static void add_devices(struct sha256 *h, const struct engine *e)
{
    wn_device_info devices[MAX_DEVICES];
    const uint32_t open = instances_devices(e->instances, devices, MAX_DEVICES);
    for (uint32_t i = 0; i < open; i++) {
        add_text(h, devices[i].name);
        add_text(h, devices[i].driver);
        add_text(h, devices[i].paths);
    }
}

static wn_status name_maker(struct reuse *r, wn_error *err)
{
    const struct engine *e = r->engine;
    const struct spec_use *use = &e->spec->sampler;
    char build[65] = "";
    struct sha256 h;
    if (use->module)
        WN_TRY(registry_digest(use->module, build, err));
    sha256_init(&h);
    add_text(&h, build_version());
    add_text(&h, build_commit());
    add_text(&h, build);
    add_text(&h, e->instances->sampler.identity);
    add_text(&h, e->info.model_key);
    add_devices(&h, e);
    sha256_hex(&h, r->maker);
    return WN_OK;
}

static struct cache_key picture_key(const struct reuse *r, const char *candidate, bool is_finished)
{
    const struct solver *solver = &r->engine->solver;
    struct cache_key key;
    struct sha256 h;
    sha256_init(&h);
    add_text(&h, "picture");
    add_text(&h, r->maker);
    add_text(&h, candidate);
    for (uint32_t g = 0; is_finished && g < solver->glimpse_count; g++)
        sha256_add(&h, &solver->glimpse[g], sizeof solver->glimpse[g]);
    sha256_hex(&h, key.hex);
    return key;
}

static struct cache_key score_key(const struct reuse *r, const struct cache_key *picture, const struct job *job,
                                  uint32_t verifier)
{
    struct cache_key key;
    struct sha256 h;
    sha256_init(&h);
    add_text(&h, "score");
    add_text(&h, picture->hex);
    add_text(&h, r->engine->instances->verifiers[verifier].identity);
    add_text(&h, job->trial->prompt->json ? job->trial->prompt->json : "");
    sha256_hex(&h, key.hex);
    return key;
}

static uint64_t pixels_bytes(const struct reuse *r, const wn_canvas *canvas, bool is_finished)
{
    const uint64_t bytes = (uint64_t)canvas->width_px * canvas->height_px * 3;
    return bytes * (is_finished ? 1 + r->engine->solver.glimpse_count : 1);
}

/* ---- scores ---------------------------------------------------------------------------------------------------- */

/* The columns of one verifier that the job has, from `first`; 0 where it compares, and so has no word of its own. */
static uint32_t columns_of(const struct reuse *r, const struct job *job, uint32_t first)
{
    const struct engine *e = r->engine;
    const wn_verifier *v = engine_verifier(e, e->columns[first].verifier);
    const bool is_whole = e->columns[first].metric == 0 && first + v->metric_count <= job->score_count;
    return is_whole && !(v->flags & WN_VERIFIER_COMPARATIVE) ? (uint32_t)v->metric_count : 0;
}

static void load_scores(struct reuse *r, struct job *job, const struct cache_key *picture, uint32_t first,
                        uint32_t count)
{
    const struct cache_key key = score_key(r, picture, job, r->engine->columns[first].verifier);
    struct kept_score *kept = calloc(count, sizeof *kept);
    if (kept && cache_has(r->cache, &key, count * sizeof *kept) &&
        cache_get(r->cache, &key, kept, count * sizeof *kept)) {
        for (uint32_t i = 0; i < count; i++) {
            job->scores[first + i].value = kept[i].value;
            job->scores[first + i].seconds = kept[i].seconds;
            job->is_known[first + i] = true;
        }
        stats_add(&r->engine->stats.scores_cached, 1);
    }
    free(kept);
}

static void keep_scores(struct reuse *r, const struct job *job, const struct cache_key *picture, uint32_t first,
                        uint32_t count)
{
    const struct cache_key key = score_key(r, picture, job, r->engine->columns[first].verifier);
    struct kept_score *kept = calloc(count, sizeof *kept);
    for (uint32_t i = 0; kept && i < count; i++)
        kept[i] = (struct kept_score){ job->scores[first + i].value, job->scores[first + i].seconds };
    if (kept)
        cache_put(r->cache, &key, kept, count * sizeof *kept, NULL, 0);
    free(kept);
}

/* ---- pictures -------------------------------------------------------------------------------------------------- */

static bool is_there(struct reuse *r, const struct cache_key *key, const wn_canvas *canvas, bool is_finished)
{
    return cache_has(r->cache, key, sizeof(struct picture_head) + pixels_bytes(r, canvas, is_finished));
}

bool reuse_knows(struct reuse *r, const char *candidate, const wn_canvas *canvas, bool is_finished)
{
    if (!r)
        return false;
    const struct cache_key key = picture_key(r, candidate, is_finished);
    return is_there(r, &key, canvas, is_finished);
}

bool reuse_load(struct reuse *r, struct job *job)
{
    struct picture_head head;
    const bool is_finished = job->record.finished;
    const wn_canvas *canvas = job->task.conditioning->canvas;
    const uint64_t bytes = pixels_bytes(r, canvas, is_finished);
    const struct cache_key key = picture_key(r, job->record.id, is_finished);
    uint8_t *record = malloc(sizeof head + bytes);
    if (!record || !cache_get(r->cache, &key, record, sizeof head + bytes)) {
        free(record);
        return false;
    }
    memcpy(&head, record, sizeof head);
    memmove(record, record + sizeof head, bytes);
    job->image = (wn_image){ canvas->width_px, canvas->height_px, record };
    job->task.seconds += head.sample_seconds;
    job->record.sample_seconds = job->task.seconds;
    job->record.decode_seconds = head.decode_seconds;
    job->is_cached = true;
    for (uint32_t c = 0, n; c < job->score_count; c += n ? n : 1)
        if ((n = columns_of(r, job, c)) > 0)
            load_scores(r, job, &key, c, n);
    return true;
}

void reuse_keep(struct reuse *r, const struct job *job)
{
    if (!r || !job->image.rgb)
        return;
    const bool is_finished = job->record.finished;
    const struct cache_key key = picture_key(r, job->record.id, is_finished);
    const struct picture_head head = { job->record.sample_seconds, job->record.decode_seconds };
    if (!job->is_cached)
        cache_put(r->cache, &key, &head, sizeof head, job->image.rgb,
                  pixels_bytes(r, job->task.conditioning->canvas, is_finished));
    for (uint32_t c = 0, n; c < job->score_count; c += n ? n : 1)
        if ((n = columns_of(r, job, c)) > 0 && !job->is_known[c] && job->scores[c].metric)
            keep_scores(r, job, &key, c, n);
}

/* ---- claims ---------------------------------------------------------------------------------------------------- */

static struct claim **claims_of(struct reuse *r, const struct cache_key *key)
{
    const char digits[3] = { key->hex[0], key->hex[1], 0 };
    return &r->claims[strtoul(digits, NULL, 16)];
}

static bool is_claimed(struct reuse *r, const struct cache_key *key)
{
    const struct claim *c = *claims_of(r, key);
    while (c && strcmp(c->key.hex, key->hex) != 0)
        c = c->next;
    return c != NULL;
}

static bool are_claimed(struct reuse *r, const struct wish *first)
{
    for (; first; first = first->next)
        if (first->claim && is_claimed(r, &first->claim->key))
            return true;
    return false;
}

/* Under the lock, so that nothing is released unkept between looking and claiming. */
static void look_or_claim(struct reuse *r, struct wish *w)
{
    struct claim *c = w->claim;
    if (!c)
        return;
    w->is_known = is_there(r, &c->key, w->canvas, w->is_finished);
    if (w->is_known) {
        w->claim = NULL;
        free(c);
        return;
    }
    struct claim **list = claims_of(r, &c->key);
    c->next = *list;
    *list = c;
}

void reuse_ask(struct reuse *r, struct wish *first)
{
    for (struct wish *w = r ? first : NULL; w; w = w->next) {
        w->claim = calloc(1, sizeof *w->claim);
        if (w->claim)
            w->claim->key = picture_key(r, w->candidate, w->is_finished);
    }
    if (!r || !first)
        return;
    pthread_mutex_lock(&r->mutex);
    while (are_claimed(r, first))
        pthread_cond_wait(&r->released, &r->mutex);
    for (struct wish *w = first; w; w = w->next)
        look_or_claim(r, w);
    pthread_mutex_unlock(&r->mutex);
}

void reuse_release(struct reuse *r, struct claim *claim)
{
    if (!claim)
        return;
    pthread_mutex_lock(&r->mutex);
    struct claim **at = claims_of(r, &claim->key);
    while (*at != claim)
        at = &(*at)->next;
    *at = claim->next;
    pthread_cond_broadcast(&r->released);
    pthread_mutex_unlock(&r->mutex);
    free(claim);
}

/* ---- life ------------------------------------------------------------------------------------------------------ */

wn_status reuse_create(struct engine *e, struct reuse **out, wn_error *err)
{
    *out = NULL;
    if (!*e->spec->engine.cache || e->quest)
        return WN_OK;
    struct reuse *r = calloc(1, sizeof *r);
    if (!r)
        return wn_fail(err, WN_E_MEMORY, "no memory for a cache");
    r->engine = e;
    pthread_mutex_init(&r->mutex, NULL);
    pthread_cond_init(&r->released, NULL);
    wn_status status = name_maker(r, err);
    if (status == WN_OK)
        status = cache_open(e->spec->engine.cache, e->spec->engine.cache_bytes, &r->cache, err);
    if (status == WN_OK)
        *out = r;
    else
        reuse_destroy(r);
    return status;
}

void reuse_destroy(struct reuse *r)
{
    if (!r)
        return;
    cache_close(r->cache);
    pthread_mutex_destroy(&r->mutex);
    pthread_cond_destroy(&r->released);
    free(r);
}
