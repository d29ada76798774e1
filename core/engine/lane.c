/* One verifier at work. A lane takes whatever waits, up to the verifier's batch, whichever search it came from; what a
 * verifier says of an image does not depend on its neighbours unless the verifier is comparative, and then the lane's
 * request is exactly one set. A verifier that fails has no opinion: its candidates get NaN, the ledger an event. */
#include "engine/job.h"
#include "engine/scoring.h"

#include <math.h>
#include <stdlib.h>

enum { LANE_BATCH = 256, LANE_EVENTS = 8 };

struct lane {
    struct lane_setup setup;
    const wn_verifier *verifier;
    void *self;
    pthread_t thread;
    struct job_queue queue;
    bool is_comparative;
    uint32_t failures;
    uint32_t capacity; /* of the request's arrays */
    struct job **jobs;
    const wn_prompt **prompts;
    wn_image *images;
    double *scores; /* [capacity][metric_count] */
};

static void free_request(struct lane *l)
{
    free(l->jobs);
    free(l->prompts);
    free(l->images);
    free(l->scores);
}

static bool reserve(struct lane *l, uint32_t count)
{
    if (count <= l->capacity)
        return true;
    free_request(l);
    l->jobs = calloc(count, sizeof(struct job *));
    l->prompts = calloc(count, sizeof(wn_prompt *));
    l->images = calloc(count, sizeof *l->images);
    l->scores = calloc(count * l->verifier->metric_count, sizeof *l->scores);
    l->capacity = l->jobs && l->prompts && l->images && l->scores ? count : 0;
    return l->capacity > 0;
}

/* ---- one request ----------------------------------------------------------------------------------------------- */

static wn_status ask(struct lane *l, uint32_t count, wn_error *err)
{
    if (l->verifier->max_batch > 0 && count > l->verifier->max_batch)
        return wn_fail(
            err, WN_E_ARG,
            "a set of %u candidates to compare, but it takes %llu at most; let the search score fewer at once", count,
            (unsigned long long)l->verifier->max_batch);
    for (uint32_t i = 0; i < count; i++) {
        l->prompts[i] = l->jobs[i]->trial->prompt;
        l->images[i] = l->jobs[i]->image;
    }
    for (uint64_t i = 0; i < count * l->verifier->metric_count; i++)
        l->scores[i] = NAN;
    const wn_score_request request = {
        .struct_size = sizeof request,
        .count = count,
        .prompts = l->prompts,
        .images = l->images,
        .scores = l->scores,
    };
    pthread_mutex_lock(l->setup.serial);
    const wn_status status = l->verifier->score(l->self, &request, err);
    pthread_mutex_unlock(l->setup.serial);
    return status;
}

static void tell_failure(struct lane *l, uint32_t count, const wn_error *err)
{
    const char *name = l->setup.engine->spec->verifiers[l->setup.verifier].name;
    if (++l->failures < LANE_EVENTS)
        engine_event(l->setup.engine, "warning", "verifier %s: no opinion on %u candidates: %s", name, count,
                     err->message);
    else if (l->failures == LANE_EVENTS)
        engine_event(l->setup.engine, "warning", "verifier %s: failed again (%s); not told any more", name,
                     err->message);
}

/* Scores the lane's first `count` jobs and writes the values into them. */
static wn_status score_jobs(struct lane *l, uint32_t count)
{
    wn_error err = { 0 };
    const double start = stats_now();
    const wn_status status = ask(l, count, &err);
    const uint64_t metrics = l->verifier->metric_count;
    const double share = (stats_now() - start) / ((double)count * (double)metrics);
    if (status == WN_E_CANCELLED)
        return status;
    if (status != WN_OK)
        tell_failure(l, count, &err);
    for (uint32_t i = 0; i < count; i++) {
        struct ledger_score *to = l->jobs[i]->scores + l->setup.first_column;
        for (uint64_t m = 0; m < metrics; m++) {
            to[m].value = status == WN_OK ? l->scores[i * metrics + m] : NAN;
            to[m].seconds = share;
        }
    }
    return WN_OK;
}

static void let_go(struct lane *l, struct job *job, wn_status status, const wn_error *err)
{
    if (status != WN_OK)
        atomic_store(&job->is_discarded, true);
    if (!l->setup.is_guide)
        job_release(job);
    else if (status != WN_OK)
        set_fail(job, status, err);
    else
        set_guide_done(job->set, job);
}

static void serve_jobs(struct lane *l, uint32_t count)
{
    wn_error err;
    wn_fail(&err, WN_E_CANCELLED, "the run was interrupted");
    const bool stops = engine_is_stopping(l->setup.engine);
    const wn_status status = stops ? WN_E_CANCELLED : score_jobs(l, count);
    for (uint32_t i = 0; i < count; i++)
        let_go(l, l->jobs[i], status, &err);
}

/* Whether this lane is to see the entry's job. */
static bool concerns(const struct lane *l, const struct entry *entry)
{
    return entry->job && (l->setup.is_guide || entry->is_judged);
}

/* No memory to look at the set: its jobs fail. The set is gone after the last of them. */
static void give_up(struct lane *l, struct set *set)
{
    wn_error err;
    wn_fail(&err, WN_E_MEMORY, "no memory to compare %u candidates", set->count);
    for (uint32_t i = 0, n = set->count; i < n; i++)
        if (concerns(l, &set->entries[i]))
            let_go(l, set->entries[i].job, WN_E_MEMORY, &err);
}

static void serve_set(struct lane *l, struct set *set)
{
    uint32_t count = 0;
    if (reserve(l, set->count)) {
        for (uint32_t i = 0; i < set->count; i++)
            if (concerns(l, &set->entries[i]))
                l->jobs[count++] = set->entries[i].job;
        serve_jobs(l, count);
    } else {
        give_up(l, set);
    }
    if (!l->setup.is_guide)
        set_judge_done(set);
}

static void *lane_main(void *arg)
{
    struct lane *l = arg;
    const uint64_t max = l->verifier->max_batch;
    const uint32_t batch = l->is_comparative ? 1 : max > 0 && max < LANE_BATCH ? (uint32_t)max : LANE_BATCH;
    uint32_t count;
    while ((count = job_queue_pop(&l->queue, batch, l->jobs)) > 0) {
        if (l->is_comparative)
            serve_set(l, l->jobs[0]->set);
        else
            serve_jobs(l, count);
    }
    return NULL;
}

/* ---- life ------------------------------------------------------------------------------------------------------- */

wn_status lane_create(const struct lane_setup *setup, struct lane **out, wn_error *err)
{
    struct lane *l = calloc(1, sizeof *l);
    if (!l)
        return wn_fail(err, WN_E_MEMORY, "no memory for a verifier's lane");
    l->setup = *setup;
    l->verifier = engine_verifier(setup->engine, setup->verifier);
    l->self = setup->engine->instances->verifiers[setup->verifier].self;
    l->is_comparative = (l->verifier->flags & WN_VERIFIER_COMPARATIVE) != 0;
    job_queue_init(&l->queue, setup->link);
    if (!reserve(l, LANE_BATCH) || pthread_create(&l->thread, NULL, lane_main, l) != 0) {
        free_request(l);
        job_queue_finish(&l->queue);
        free(l);
        return wn_fail(err, WN_E_MEMORY, "no memory or thread for verifier %s",
                       setup->engine->spec->verifiers[setup->verifier].name);
    }
    *out = l;
    return WN_OK;
}

void lane_destroy(struct lane *l)
{
    if (!l)
        return;
    job_queue_close(&l->queue);
    pthread_join(l->thread, NULL);
    job_queue_finish(&l->queue);
    free_request(l);
    free(l);
}

bool lane_is_comparative(const struct lane *l)
{
    return l->is_comparative;
}

void lane_push(struct lane *l, uint32_t count, struct job *const *jobs)
{
    job_queue_push(&l->queue, count, jobs);
}
