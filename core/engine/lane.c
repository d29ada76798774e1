/* One verifier at work. A lane takes whatever waits, up to the verifier's batch, whichever search it came from; what a
 * verifier says of an image does not depend on its neighbours unless the verifier is comparative, and then the lane's
 * request is exactly one set. Where several fail together each is tried alone, so that one bad picture costs only its
 * own score. What still fails has none: the search is told NaN, the ledger gets an event and no row, so that the next
 * start asks again. */
#include "engine/job.h"
#include "engine/scoring.h"

#include <math.h>
#include <stdlib.h>

enum { LANE_BATCH = 256, LANE_EVENTS = 8 };

struct request {
    uint32_t capacity;
    struct job **jobs;
    const wn_prompt **prompts;
    wn_image *images;
    wn_image *previews;
    double *scores; /* [capacity][metric_count] */
};

struct lane {
    struct lane_setup setup;
    const wn_verifier *verifier;
    void *self;
    pthread_t thread;
    struct job_queue queue;
    bool is_comparative;
    uint32_t glimpse; /* engine_glimpse */
    uint32_t failures;
    struct request request;
};

static void free_request(struct request *r)
{
    free(r->jobs);
    free(r->prompts);
    free(r->images);
    free(r->previews);
    free(r->scores);
}

static bool reserve(struct lane *l, uint32_t count)
{
    if (count <= l->request.capacity)
        return true;
    struct request r = {
        .capacity = count,
        .jobs = calloc(count, sizeof(struct job *)),
        .prompts = calloc(count, sizeof(wn_prompt *)),
        .images = calloc(count, sizeof *r.images),
        .previews = calloc(count, sizeof *r.previews),
        .scores = calloc(count * l->verifier->metric_count, sizeof *r.scores),
    };
    const bool has_memory = r.jobs && r.prompts && r.images && r.previews && r.scores;
    free_request(has_memory ? &l->request : &r); /* without memory the old one stays */
    if (has_memory)
        l->request = r;
    return has_memory;
}

/* ---- one request ----------------------------------------------------------------------------------------------- */

/* How the job's image looked at the verifier's sigma; without pixels where it is not finished. */
static wn_image preview_of(const struct lane *l, const struct job *job)
{
    wn_image preview = job->image;
    preview.rgb = job->record.finished ? preview.rgb + l->glimpse * scoring_image_bytes(l->setup.engine) : NULL;
    return preview;
}

/* Asks about jobs [first, first + count) of the request. */
static wn_status ask(struct lane *l, uint32_t first, uint32_t count, wn_error *err)
{
    struct request *r = &l->request;
    const uint64_t metrics = l->verifier->metric_count;
    if (l->verifier->max_batch > 0 && count > l->verifier->max_batch)
        return wn_fail(
            err, WN_E_ARG,
            "a set of %u candidates to compare, but it takes %llu at most; let the search score fewer at once", count,
            (unsigned long long)l->verifier->max_batch);
    for (uint32_t i = first; i < first + count; i++) {
        r->prompts[i] = r->jobs[i]->trial->prompt;
        r->images[i] = r->jobs[i]->image;
        r->previews[i] = preview_of(l, r->jobs[i]);
        for (uint64_t m = 0; m < metrics; m++)
            r->scores[i * metrics + m] = NAN;
    }
    const wn_score_request request = {
        .struct_size = sizeof request,
        .count = count,
        .prompts = r->prompts + first,
        .images = r->images + first,
        .previews = l->glimpse ? r->previews + first : NULL,
        .scores = r->scores + first * metrics,
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

/* A failed guide's word is told to the trial too, which may have nothing else to go by. */
static void note_failure(struct lane *l, uint32_t first, uint32_t count, const wn_error *err)
{
    tell_failure(l, count, err);
    for (uint32_t i = first; l->setup.is_guide && i < first + count; i++)
        trial_note_guide_fault(l->request.jobs[i]->trial, err);
}

/* An infinite score would leave no mean of any other, nor a gain. */
static double check_finite(struct lane *l, uint32_t job, uint64_t metric)
{
    const double score = l->request.scores[job * l->verifier->metric_count + metric];
    wn_error err;
    if (!isinf(score))
        return score;
    wn_fail(&err, WN_E_FORMAT, "its %s is infinite; let it say NaN where it has no opinion",
            l->verifier->metrics[metric].name);
    note_failure(l, job, 1, &err);
    return NAN;
}

static void write_scores(struct lane *l, uint32_t first, uint32_t count, bool has_failed, double seconds)
{
    const uint64_t metrics = l->verifier->metric_count;
    for (uint32_t i = first; i < first + count; i++) {
        struct ledger_score *to = l->request.jobs[i]->scores + l->setup.first_column;
        for (uint64_t m = 0; m < metrics; m++) {
            to[m].value = has_failed ? NAN : check_finite(l, i, m);
            to[m].seconds += seconds / ((double)count * (double)metrics);
            if (has_failed)
                to[m].metric = NULL; /* not to be recorded */
        }
    }
}

/* Scores jobs [first, first + count) of the request and writes the values into them. */
static wn_status score_jobs(struct lane *l, uint32_t first, uint32_t count)
{
    wn_error err = { 0 };
    const double start = clock_seconds();
    const wn_status status = engine_blame(l->setup.engine, ask(l, first, count, &err), &err);
    const double end = clock_seconds();
    const double seconds = end - start;
    timeline_add(l->setup.engine->timeline, TIMELINE_VERIFIERS + l->setup.link - LINK_FIRST_LANE, start, end, count);
    if (status != WN_OK && engine_is_stopping(l->setup.engine))
        return WN_E_CANCELLED;
    if (status != WN_OK && count > 1 && !l->is_comparative) {
        for (uint32_t i = first; i < first + count; i++)
            WN_TRY(score_jobs(l, i, 1));
        return WN_OK;
    }
    if (status != WN_OK)
        note_failure(l, first, count, &err);
    write_scores(l, first, count, status != WN_OK, seconds);
    return WN_OK;
}

static void let_go(struct lane *l, struct job *job, wn_status status, const wn_error *err)
{
    if (status != WN_OK)
        atomic_store(&job->is_discarded, true);
    if (status != WN_OK && !l->setup.is_guide)
        stats_add(&l->setup.engine->stats.candidates_unjudged, 1);
    if (!l->setup.is_guide)
        job_release(job);
    else if (status != WN_OK)
        set_fail(job, status, err);
    else
        set_guide_done(job->set, job);
}

/* Lets go of those whose scores the cache knew; how many are left to be asked about. */
static uint32_t pass_known(struct lane *l, uint32_t count)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct job *job = l->request.jobs[i];
        if (job->is_known[l->setup.first_column])
            let_go(l, job, WN_OK, NULL);
        else
            l->request.jobs[n++] = job;
    }
    return n;
}

static void serve_jobs(struct lane *l, uint32_t count)
{
    wn_error err;
    wn_fail(&err, WN_E_CANCELLED, "the run was interrupted");
    const bool stops = engine_is_stopping(l->setup.engine);
    if (count == 0)
        return;
    const wn_status status = stops ? WN_E_CANCELLED : score_jobs(l, 0, count);
    for (uint32_t i = 0; i < count; i++)
        let_go(l, l->request.jobs[i], status, &err);
}

/* Whether this lane is to see the entry's job. */
static bool concerns(const struct lane *l, const struct entry *entry)
{
    return entry->job && (l->setup.is_guide || entry->is_judged);
}

/* No memory to look at the set: its jobs fail. */
static void give_up(struct lane *l, struct set *set)
{
    wn_error err;
    wn_fail(&err, WN_E_MEMORY, "no memory to compare %u candidates", set->count);
    set_hold(set);
    for (uint32_t i = 0; i < set->count; i++)
        if (concerns(l, &set->entries[i]))
            let_go(l, set->entries[i].job, WN_E_MEMORY, &err);
    set_release(set);
}

static void serve_set(struct lane *l, struct set *set)
{
    uint32_t count = 0;
    if (reserve(l, set->count)) {
        for (uint32_t i = 0; i < set->count; i++)
            if (concerns(l, &set->entries[i]))
                l->request.jobs[count++] = set->entries[i].job;
        serve_jobs(l, count);
    } else {
        give_up(l, set);
    }
    if (!l->setup.is_guide)
        set_release(set);
}

static void *lane_main(void *arg)
{
    struct lane *l = arg;
    const uint64_t max = l->verifier->max_batch;
    const uint32_t batch = l->is_comparative ? 1 : max > 0 && max < LANE_BATCH ? (uint32_t)max : LANE_BATCH;
    uint32_t count;
    while ((count = job_queue_pop(&l->queue, batch, l->request.jobs)) > 0) {
        if (l->is_comparative)
            serve_set(l, l->request.jobs[0]->set);
        else
            serve_jobs(l, pass_known(l, count));
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
    l->glimpse = engine_glimpse(setup->engine, setup->verifier);
    job_queue_init(&l->queue, setup->link);
    if (!reserve(l, LANE_BATCH) || pthread_create(&l->thread, NULL, lane_main, l) != 0) {
        free_request(&l->request);
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
    free_request(&l->request);
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
