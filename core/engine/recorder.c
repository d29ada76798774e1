#include "engine/recorder.h"

#include "engine/job.h"
#include "engine/reuse.h"
#include "ledger/recipe.h"

#include <stdlib.h>

enum { RECORDER_GROUP = 64, PNG_MAX_BYTES = 1 << 30 };

struct recorder {
    struct engine *engine;
    pthread_t thread;
    struct job_queue queue;
    struct buffer png; /* reused */
};

static wn_status encode_picture(struct recorder *r, const struct job *job, wn_error *err)
{
    buffer_clear(&r->png);
    if (!job->keeps_picture)
        return WN_OK;
    const struct recipe recipe = {
        .spec = r->engine->spec,
        .prompt = job->trial->prompt,
        .model_key = r->engine->info.model_key,
        .candidate = &job->record,
    };
    return recipe_png(&recipe, &job->image, &r->png, err);
}

/* What a verifier failed to say is no score. */
static uint64_t keep_scores(struct ledger_score *scores, uint64_t count)
{
    uint64_t kept = 0;
    for (uint64_t i = 0; i < count; i++)
        if (scores[i].metric)
            scores[kept++] = scores[i];
    return kept;
}

static wn_status record(struct recorder *r, const struct job *job, wn_error *err)
{
    reuse_keep(r->engine->reuse, job);
    const uint64_t score_count = keep_scores(job->scores, job->score_count);
    WN_TRY(encode_picture(r, job, err));
    const void *png = r->png.size > 0 ? r->png.data : NULL;
    return ledger_record(r->engine->ledger, job->trial->prompt->id, &job->record, png, r->png.size, score_count,
                         job->scores, err);
}

static void *recorder_main(void *arg)
{
    struct recorder *r = arg;
    struct job *jobs[RECORDER_GROUP];
    uint32_t count;
    while ((count = job_queue_pop(&r->queue, RECORDER_GROUP, jobs)) > 0) {
        for (uint32_t i = 0; i < count; i++) {
            wn_error err = { 0 };
            const double start = clock_seconds();
            if (record(r, jobs[i], &err) != WN_OK)
                engine_fail(r->engine, &err);
            timeline_add(r->engine->timeline, TIMELINE_RECORD, start, clock_seconds(), 1);
            job_free(jobs[i]);
        }
    }
    return NULL;
}

wn_status recorder_create(struct engine *e, struct recorder **out, wn_error *err)
{
    struct recorder *r = calloc(1, sizeof *r);
    if (!r)
        return wn_fail(err, WN_E_MEMORY, "no memory for the recorder");
    r->engine = e;
    buffer_init(&r->png, PNG_MAX_BYTES);
    job_queue_init(&r->queue, LINK_RECORDER);
    if (pthread_create(&r->thread, NULL, recorder_main, r) != 0) {
        job_queue_finish(&r->queue);
        free(r);
        return wn_fail(err, WN_E_MEMORY, "the system gave no thread for the recorder");
    }
    *out = r;
    return WN_OK;
}

void recorder_destroy(struct recorder *r)
{
    if (!r)
        return;
    job_queue_close(&r->queue);
    pthread_join(r->thread, NULL);
    job_queue_finish(&r->queue);
    buffer_free(&r->png);
    free(r);
}

void recorder_push(struct recorder *r, struct job *job)
{
    job_queue_push(&r->queue, 1, &job);
}
