#include "engine/job.h"

#include "engine/recorder.h"
#include "engine/reuse.h"
#include "engine/scoring.h"

#include <math.h>
#include <stdlib.h>

/* ---- queues ---------------------------------------------------------------------------------------------------- */

void job_queue_init(struct job_queue *q, uint32_t link)
{
    pthread_mutex_init(&q->mutex, NULL);
    pthread_cond_init(&q->filled, NULL);
    q->head = NULL;
    q->tail = &q->head;
    q->link = link;
    q->is_closed = false;
}

void job_queue_finish(struct job_queue *q)
{
    pthread_mutex_destroy(&q->mutex);
    pthread_cond_destroy(&q->filled);
}

void job_queue_push(struct job_queue *q, uint32_t count, struct job *const *jobs)
{
    if (count == 0)
        return;
    pthread_mutex_lock(&q->mutex);
    for (uint32_t i = 0; i < count; i++) {
        jobs[i]->next[q->link] = NULL;
        *q->tail = jobs[i];
        q->tail = &jobs[i]->next[q->link];
    }
    pthread_cond_signal(&q->filled);
    pthread_mutex_unlock(&q->mutex);
}

uint32_t job_queue_pop(struct job_queue *q, uint32_t max, struct job **jobs)
{
    uint32_t count = 0;
    pthread_mutex_lock(&q->mutex);
    while (!q->head && !q->is_closed)
        pthread_cond_wait(&q->filled, &q->mutex);
    while (q->head && count < max) {
        jobs[count++] = q->head;
        q->head = q->head->next[q->link];
    }
    if (!q->head)
        q->tail = &q->head;
    pthread_mutex_unlock(&q->mutex);
    return count;
}

void job_queue_close(struct job_queue *q)
{
    pthread_mutex_lock(&q->mutex);
    q->is_closed = true;
    pthread_cond_signal(&q->filled);
    pthread_mutex_unlock(&q->mutex);
}

/* ---- jobs ------------------------------------------------------------------------------------------------------ */

struct job *job_create(struct set *set, uint32_t entry, uint32_t score_count, uint32_t lanes)
{
    const size_t links = LINK_FIRST_LANE + (size_t)lanes;
    struct job *job = calloc(1, sizeof *job + score_count * (sizeof *job->scores + sizeof *job->is_known) +
                                    links * sizeof(struct job *));
    if (!job)
        return NULL;
    job->scores = (struct ledger_score *)(job + 1);
    job->next = (struct job **)(job->scores + score_count);
    job->is_known = (bool *)(job->next + links);
    job->score_count = score_count;
    for (uint32_t i = 0; i < score_count; i++)
        job->scores[i].value = NAN;
    job->trial = set->trial;
    job->set = set;
    job->entry = entry;
    job->task.owner = job;
    atomic_init(&job->holders, 1);
    atomic_init(&job->is_discarded, false);
    set->entries[entry].job = job;
    pthread_mutex_lock(&set->trial->mutex);
    set->trial->jobs++;
    pthread_mutex_unlock(&set->trial->mutex);
    return job;
}

void job_release(struct job *job)
{
    if (atomic_fetch_sub(&job->holders, 1) > 1)
        return;
    if (atomic_load(&job->is_discarded))
        job_free(job);
    else
        recorder_push(job->trial->engine->recorder, job);
}

void job_free(struct job *job)
{
    struct trial *t = job->trial;
    if (job->has_room)
        scoring_image_gone(t->engine->scoring);
    reuse_release(t->engine->reuse, job->claim);
    free((void *)(uintptr_t)job->image.rgb);
    free(job->lineage);
    free(job);
    pthread_mutex_lock(&t->mutex);
    if (--t->jobs == 0)
        pthread_cond_signal(&t->changed);
    pthread_mutex_unlock(&t->mutex);
}

/* ---- sets ------------------------------------------------------------------------------------------------------ */

/* Whether the picture of this candidate is worth keeping: all are where the spec says so, else the first finished one
 * and each that beats all before it, or is compared, since the next comparison may turn out otherwise. So the first and
 * the winner always have one. The first prompts keep what unfinished samples were scored by, to show their search. */
static bool keeps_picture(struct trial *t, const struct entry *entry)
{
    const struct spec_engine *wish = &t->engine->spec->engine;
    if (!entry->is_finished)
        return t->index < wish->save_previews;
    const bool is_first = !t->has_picture;
    const bool is_best = entry->score > t->best_picture || (isnan(t->best_picture) && !isnan(entry->score));
    t->has_picture = true;
    if (is_best)
        t->best_picture = entry->score;
    return is_first || is_best || t->engine->guide_is_comparative || wish->save_images;
}

/* Behind an entry that was lost nobody knows which pictures are the best so far. Recorded all the same, a candidate
 * could keep one that it would not have had; discarded, it is made again by the next start. */
static void lose_the_rest(struct set *set, struct job *job)
{
    if (atomic_load(&job->is_discarded))
        set->has_lost = true;
    if (set->has_lost)
        atomic_store(&job->is_discarded, true);
}

void set_decide(struct set *set)
{
    while (set->decided < set->count && set->entries[set->decided].is_done) {
        const struct entry *entry = &set->entries[set->decided++];
        const bool keeps = keeps_picture(set->trial, entry);
        if (entry->job)
            lose_the_rest(set, entry->job);
        if (entry->job)
            entry->job->keeps_picture = keeps;
    }
}

static void count_down(struct set *set)
{
    struct trial *t = set->trial;
    pthread_mutex_lock(&t->mutex);
    if (--set->remaining == 0)
        pthread_cond_signal(&t->changed);
    pthread_mutex_unlock(&t->mutex);
}

void set_guide_done(struct set *set, struct job *job)
{
    struct trial *t = set->trial;
    struct entry *entry = &set->entries[job->entry];
    pthread_mutex_lock(&t->mutex);
    set->seconds += job->task.seconds + job->record.decode_seconds;
    for (uint32_t i = 0; i < t->engine->guide_columns; i++)
        set->seconds += job->scores[i].seconds;
    entry->score = t->engine->guide_sign * job->scores[0].value;
    entry->is_done = true;
    t->has_guide_spoken |= job->scores[0].metric && !atomic_load(&job->is_discarded);
    stats_add(&t->engine->stats.candidates_done, entry->is_judged && !atomic_load(&job->is_discarded));
    const uint32_t first = set->decided;
    set_decide(set);
    const uint32_t end = set->decided;
    if (job->entry >= end && job->has_room && !t->engine->has_comparative) {
        job->has_room = false;
        scoring_image_gone(t->engine->scoring); /* it waits for others of its set, which might find no room */
    }
    pthread_mutex_unlock(&t->mutex);
    for (uint32_t i = first; i < end; i++)
        if (set->entries[i].job)
            job_release(set->entries[i].job);
    count_down(set); /* last: the trial may take the set away now */
}

void set_hold(struct set *set)
{
    pthread_mutex_lock(&set->trial->mutex);
    set->remaining++;
    pthread_mutex_unlock(&set->trial->mutex);
}

void set_release(struct set *set)
{
    count_down(set);
}

void set_note_failure(struct set *set, wn_status status, const wn_error *err)
{
    pthread_mutex_lock(&set->trial->mutex);
    if (set->status == WN_OK) {
        set->status = status;
        set->err = *err;
    }
    pthread_mutex_unlock(&set->trial->mutex);
}

void set_fail(struct job *job, wn_status status, const wn_error *err)
{
    atomic_store(&job->is_discarded, true);
    set_note_failure(job->set, status, err);
    set_guide_done(job->set, job);
}
