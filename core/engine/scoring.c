/* The decoder, and the way from it to the lanes.
 *
 * Jobs come in as the batcher finishes them. Clean latents are decoded in full, unfinished ones as the sampler's
 * preview of their x0-prediction. An image counts as alive from here until its job is freed; the decoder waits while
 * too many are. A set that somebody compares needs all of its images at once: the trial reserves room for them before
 * it is sampled, and no set may be larger than the room there is. */
#include "engine/scoring.h"

#include "engine/job.h"

#include <math.h>
#include <stdlib.h>

enum { DECODE_BATCH = 64, QUEUE_MAX = 4096 };
static const uint64_t image_budget_bytes = (uint64_t)512 << 20;

struct scoring {
    struct engine *engine;
    pthread_t decoder;
    bool has_decoder;
    struct job_queue queue;
    uint32_t batch;
    float *latents;      /* [batch][values]: x0-predictions */
    struct lane **lanes; /* the guide's first */
    uint32_t lane_count;
    uint32_t comparative_judges;
    pthread_mutex_t *serial; /* [verifier_count] */
    uint32_t *group;         /* [verifier_count]: which of them a verifier shares */

    pthread_mutex_t mutex;
    pthread_cond_t image_freed;
    uint64_t images;
    uint64_t max_images;
};

/* ---- images ---------------------------------------------------------------------------------------------------- */

static const wn_canvas *canvas_of(const struct job *job)
{
    return job->task.conditioning->canvas;
}

uint64_t scoring_image_bytes(const struct engine *e)
{
    return (uint64_t)e->spec->canvas.width_px * e->spec->canvas.height_px * 3;
}

/* A job's image with those of its glimpses behind it. */
static uint64_t images_bytes(const struct engine *e)
{
    return scoring_image_bytes(e) * (1 + e->solver.glimpse_count);
}

static void wait_for_room(struct scoring *s, uint32_t count)
{
    pthread_mutex_lock(&s->mutex);
    while (s->images + count > s->max_images)
        pthread_cond_wait(&s->image_freed, &s->mutex);
    s->images += count;
    pthread_mutex_unlock(&s->mutex);
}

wn_status scoring_reserve(struct scoring *s, uint32_t count, wn_error *err)
{
    if (!s->engine->has_comparative)
        return WN_OK;
    if (count > s->max_images)
        return wn_fail(err, WN_E_ARG,
                       "the search scores %u samples at once, which a verifier compares: there is room for %llu images "
                       "of %llu bytes; let it score fewer at once",
                       count, (unsigned long long)s->max_images, (unsigned long long)images_bytes(s->engine));
    wait_for_room(s, count);
    return WN_OK;
}

uint32_t scoring_set_max(const struct scoring *s)
{
    return (uint32_t)s->max_images;
}

void scoring_image_gone(struct scoring *s)
{
    pthread_mutex_lock(&s->mutex);
    s->images--;
    pthread_cond_broadcast(&s->image_freed);
    pthread_mutex_unlock(&s->mutex);
}

static uint8_t *add_image(struct scoring *s, struct job *job)
{
    uint8_t *rgb = malloc(images_bytes(s->engine));
    if (!rgb)
        return NULL;
    if (!s->engine->has_comparative) /* else it has its room */
        wait_for_room(s, 1);
    job->has_room = true;
    const wn_canvas *canvas = canvas_of(job);
    job->image = (wn_image){ canvas->width_px, canvas->height_px, rgb };
    return rgb;
}

/* ---- to the lanes ---------------------------------------------------------------------------------------------- */

/* A set that lost a sample cannot be compared: what was decoded of it is let go. */
static void let_set_go(struct scoring *s, struct set *set)
{
    const bool guide = s->engine->guide_is_comparative;
    const uint32_t judges = set->judges;
    set_hold(set); /* the last job to fail would let the trial take it away */
    for (uint32_t i = 0; i < set->count; i++)
        for (uint32_t j = 0; j < judges && set->entries[i].is_decoded && set->entries[i].is_judged; j++)
            job_release(set->entries[i].job);
    for (uint32_t i = 0; guide && i < set->count; i++)
        if (set->entries[i].is_decoded)
            set_fail(set->entries[i].job, set->status, &set->err);
    for (uint32_t j = 0; j < judges; j++)
        set_release(set);
    set_release(set);
}

/* One more job of a set that comparative verifiers read has its image, or never will. */
static void count_decoded(struct scoring *s, struct set *set)
{
    pthread_mutex_lock(&set->trial->mutex);
    const bool is_last = --set->undecoded == 0;
    const bool is_whole = set->status == WN_OK;
    pthread_mutex_unlock(&set->trial->mutex);
    if (!is_last)
        return;
    if (!is_whole) {
        let_set_go(s, set);
        return;
    }
    struct job *first = NULL; /* any that all readers see stands for the set */
    for (uint32_t i = set->count; i-- > 0;)
        if (set->entries[i].job && (!first || set->entries[i].is_judged))
            first = set->entries[i].job;
    for (uint32_t i = s->lane_count; i-- > 0;)
        if (lane_is_comparative(s->lanes[i]) && (i == 0 || set->judges > 0))
            lane_push(s->lanes[i], 1, &first);
}

static bool has_readers(const struct scoring *s, const struct set *set)
{
    return s->engine->guide_is_comparative || set->judges > 0;
}

static void note_decoded(struct scoring *s, struct job *job)
{
    struct entry *entry = &job->set->entries[job->entry];
    if (entry->is_judged)
        atomic_fetch_add(&job->holders, s->lane_count - 1);
    entry->is_decoded = true;
    if (has_readers(s, job->set))
        count_decoded(s, job->set);
}

static void dispatch(struct scoring *s, uint32_t count, struct job *const *jobs)
{
    struct job *judged[DECODE_BATCH];
    uint32_t judged_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (jobs[i]->set->entries[jobs[i]->entry].is_judged)
            judged[judged_count++] = jobs[i];
        note_decoded(s, jobs[i]);
    }
    for (uint32_t i = 1; i < s->lane_count; i++)
        if (!lane_is_comparative(s->lanes[i]))
            lane_push(s->lanes[i], judged_count, judged);
    if (!s->engine->guide_is_comparative) /* last: it may end the set */
        lane_push(s->lanes[0], count, jobs);
}

void scoring_fail(struct scoring *s, struct job *job, wn_status status, const wn_error *err)
{
    set_note_failure(job->set, status, err);
    if (has_readers(s, job->set))
        count_decoded(s, job->set);
    set_fail(job, status, err);
}

/* ---- decoding -------------------------------------------------------------------------------------------------- */

static wn_status check_finite(uint64_t values, const float *x)
{
    float worst = 0;
    for (uint64_t i = 0; i < values; i++)
        worst += x[i] * 0.0f; /* NaN once anything is not finite */
    return worst == 0 ? WN_OK : WN_E_INTERNAL;
}

/* The latent to decode: the sample's own when clean, else its x0-prediction, computed into slot i. */
static const float *latent_of(struct scoring *s, const struct job *job, uint32_t i, bool is_finished)
{
    if (is_finished)
        return job->task.walk->x;
    float *slot = s->latents + i * s->engine->solver.values; /* of the largest canvas */
    solver_x0(job->task.walk->solver, job->task.walk, slot);
    return slot;
}

static wn_status prepare(struct scoring *s, struct job *job, uint32_t i, bool is_finished, const float **x0,
                         uint8_t **rgb, wn_error *err)
{
    if (engine_is_stopping(s->engine))
        return wn_fail(err, WN_E_CANCELLED, "the run was interrupted");
    *x0 = latent_of(s, job, i, is_finished);
    if (check_finite(job->task.walk->solver->values, *x0) != WN_OK)
        return wn_fail(err, WN_E_INTERNAL, "%s: the latent of candidate %s has values that are not finite",
                       s->engine->spec->sampler.plugin->name, job->record.id);
    *rgb = add_image(s, job);
    return *rgb ? WN_OK
                : wn_fail(err, WN_E_MEMORY, "no memory for an image of %llu bytes",
                          (unsigned long long)images_bytes(s->engine));
}

static wn_status name_error(const struct engine *e, wn_status status, wn_error *err)
{
    const wn_error inner = *err;
    return wn_fail(err, status, "%s: decoding: %.900s", e->spec->sampler.plugin->name, inner.message);
}

static wn_status decode_some(struct scoring *s, uint32_t count, struct job *const *jobs, const float *const *x0,
                             uint8_t *const *rgb, bool is_finished, wn_error *err)
{
    struct engine *e = s->engine;
    const bool has_preview = (e->info.flags & WN_SAMPLER_PREVIEW) != 0;
    const int32_t quality = is_finished || !has_preview ? WN_QUALITY_FULL : WN_QUALITY_PREVIEW;
    const double start = clock_seconds();
    const wn_status status = e->sampler->decode(e->sampler_self, canvas_of(jobs[0]), count, x0, quality, rgb, err);
    const double end = clock_seconds();
    const double share = (end - start) / count;
    timeline_add(e->timeline, TIMELINE_DECODE, start, end, count);
    for (uint32_t i = 0; i < count; i++) {
        jobs[i]->record.sample_seconds = jobs[i]->task.seconds;
        jobs[i]->record.decode_seconds += share;
    }
    return status == WN_OK ? WN_OK : name_error(e, status, err);
}

/* What the finished ones looked like on their way, where somebody asks. */
static wn_status decode_glimpses(struct scoring *s, uint32_t count, struct job *const *jobs, uint8_t *const *rgb,
                                 wn_error *err)
{
    const struct engine *e = s->engine;
    const float *x0[DECODE_BATCH];
    uint8_t *behind[DECODE_BATCH];
    for (uint32_t g = 0; g < e->solver.glimpse_count; g++) {
        for (uint32_t i = 0; i < count; i++) {
            x0[i] = solver_glimpse(&e->solver, jobs[i]->task.walk, g);
            behind[i] = rgb[i] + (1 + g) * scoring_image_bytes(e);
        }
        WN_TRY(decode_some(s, count, jobs, x0, behind, true, err));
    }
    return WN_OK;
}

static wn_status decode_all(struct scoring *s, uint32_t count, struct job *const *jobs, const float *const *x0,
                            uint8_t *const *rgb, bool is_finished, wn_error *err)
{
    WN_TRY(decode_some(s, count, jobs, x0, rgb, is_finished, err));
    return is_finished ? decode_glimpses(s, count, jobs, rgb, err) : WN_OK;
}

/* Jobs of one canvas that are all finished, or none. When the sampler refuses them together they are tried alone. */
static void decode_group(struct scoring *s, uint32_t count, struct job *const *jobs, bool is_finished)
{
    struct job *ready[DECODE_BATCH];
    const float *x0[DECODE_BATCH];
    uint8_t *rgb[DECODE_BATCH];
    uint32_t n = 0;
    wn_error err = { 0 };
    for (uint32_t i = 0; i < count; i++) {
        const wn_status status = prepare(s, jobs[i], n, is_finished, &x0[n], &rgb[n], &err);
        if (status == WN_OK)
            ready[n++] = jobs[i];
        else
            scoring_fail(s, jobs[i], status, &err);
    }
    if (n == 0)
        return;
    wn_status status = engine_blame_sampler(s->engine, decode_all(s, n, ready, x0, rgb, is_finished, &err), &err);
    if (status == WN_OK) {
        dispatch(s, n, ready);
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        if (!engine_is_stopping(s->engine))
            status =
                engine_blame_sampler(s->engine, decode_all(s, 1, &ready[i], &x0[i], &rgb[i], is_finished, &err), &err);
        else
            status = wn_fail(&err, WN_E_CANCELLED, "the run was interrupted");
        if (status == WN_OK)
            dispatch(s, 1, &ready[i]);
        else
            scoring_fail(s, ready[i], status, &err);
    }
}

static bool is_finished_job(const struct job *job)
{
    return job->set->entries[job->entry].is_finished;
}

/* Moves those that are decoded with the first one out of *count jobs. */
static uint32_t pick(uint32_t *count, struct job **jobs, struct job **out)
{
    const bool is_finished = is_finished_job(jobs[0]);
    const wn_canvas *canvas = canvas_of(jobs[0]);
    uint32_t n = 0, left = 0;
    for (uint32_t i = 0; i < *count; i++) {
        if (is_finished_job(jobs[i]) == is_finished && canvas_of(jobs[i]) == canvas)
            out[n++] = jobs[i];
        else
            jobs[left++] = jobs[i];
    }
    *count = left;
    return n;
}

static void *decoder_main(void *arg)
{
    struct scoring *s = arg;
    struct job *jobs[DECODE_BATCH];
    uint32_t count;
    while ((count = job_queue_pop(&s->queue, s->batch, jobs)) > 0)
        while (count > 0) {
            struct job *group[DECODE_BATCH];
            const uint32_t n = pick(&count, jobs, group);
            decode_group(s, n, group, is_finished_job(group[0]));
        }
    return NULL;
}

void scoring_push(struct scoring *s, uint32_t count, struct job *const *jobs)
{
    job_queue_push(&s->queue, count, jobs);
}

void scoring_push_image(struct scoring *s, struct job *job)
{
    if (!s->engine->has_comparative)
        wait_for_room(s, 1);
    job->has_room = true;
    dispatch(s, 1, &job);
}

/* ---- life ------------------------------------------------------------------------------------------------------- */

/* Verifiers that are joined through inputs share a lock: an input is [serial] too, and may be called by several. Inputs
 * stand before those that use them, so one pass joins each to the group of its inputs. */
static void group_verifiers(struct scoring *s)
{
    const struct spec *spec = s->engine->spec;
    for (uint32_t i = 0; i < spec->verifier_count; i++) {
        s->group[i] = i;
        pthread_mutex_init(&s->serial[i], NULL);
        for (uint32_t k = 0; k < spec->verifiers[i].input_count; k++) {
            const uint32_t other = s->group[spec->verifiers[i].inputs[k]];
            for (uint32_t j = 0; j < i; j++)
                if (s->group[j] == other)
                    s->group[j] = i;
        }
    }
}

static wn_status add_lane(struct scoring *s, uint32_t verifier, uint32_t column, wn_error *err)
{
    const struct lane_setup setup = {
        .engine = s->engine,
        .verifier = verifier,
        .first_column = column,
        .link = LINK_FIRST_LANE + s->lane_count,
        .is_guide = s->lane_count == 0,
        .serial = &s->serial[s->group[verifier]],
    };
    struct lane *lane;
    WN_TRY(lane_create(&setup, &lane, err));
    s->lanes[s->lane_count++] = lane;
    s->comparative_judges += !setup.is_guide && lane_is_comparative(lane);
    return WN_OK;
}

static wn_status start(struct scoring *s, wn_error *err)
{
    const struct engine *e = s->engine;
    const uint32_t verifiers = e->spec->verifier_count;
    s->latents = calloc(s->batch * e->solver.values, sizeof *s->latents);
    s->lanes = calloc(1 + (size_t)e->spec->judge_count, sizeof(struct lane *));
    s->serial = calloc(verifiers, sizeof *s->serial);
    s->group = calloc(verifiers, sizeof *s->group);
    if (!s->latents || !s->lanes || !s->serial || !s->group)
        return wn_fail(err, WN_E_MEMORY, "no memory to decode %u latents at a time", s->batch);
    group_verifiers(s);
    for (uint32_t c = 0; c < e->column_count; c++)
        if (e->columns[c].metric == 0)
            WN_TRY(add_lane(s, e->columns[c].verifier, c, err));
    if (pthread_create(&s->decoder, NULL, decoder_main, s) != 0)
        return wn_fail(err, WN_E_MEMORY, "the system gave no thread for the decoder");
    s->has_decoder = true;
    return WN_OK;
}

wn_status scoring_create(struct engine *e, struct scoring **out, wn_error *err)
{
    struct scoring *s = calloc(1, sizeof *s);
    if (!s)
        return wn_fail(err, WN_E_MEMORY, "no memory for scoring");
    s->engine = e;
    s->batch = e->info.max_batch < DECODE_BATCH ? (uint32_t)e->info.max_batch : DECODE_BATCH;
    s->max_images = image_budget_bytes / images_bytes(e);
    s->max_images = s->max_images < s->batch ? s->batch : s->max_images;
    if (s->max_images > QUEUE_MAX && !e->has_comparative)
        s->max_images = QUEUE_MAX;
    pthread_mutex_init(&s->mutex, NULL);
    pthread_cond_init(&s->image_freed, NULL);
    job_queue_init(&s->queue, LINK_DECODER);
    const wn_status status = start(s, err);
    if (status == WN_OK)
        *out = s;
    else
        scoring_destroy(s);
    return status;
}

void scoring_destroy(struct scoring *s)
{
    if (!s)
        return;
    job_queue_close(&s->queue);
    if (s->has_decoder)
        pthread_join(s->decoder, NULL);
    for (uint32_t i = 0; i < s->lane_count; i++)
        lane_destroy(s->lanes[i]);
    job_queue_finish(&s->queue);
    for (uint32_t i = 0; s->serial && i < s->engine->spec->verifier_count; i++)
        pthread_mutex_destroy(&s->serial[i]);
    pthread_mutex_destroy(&s->mutex);
    pthread_cond_destroy(&s->image_freed);
    free(s->latents);
    free(s->lanes);
    free(s->serial);
    free(s->group);
    free(s);
}

uint32_t scoring_lanes(const struct scoring *s)
{
    return s->lane_count;
}

uint32_t scoring_comparative_judges(const struct scoring *s)
{
    return s->comparative_judges;
}
