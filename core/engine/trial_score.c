/* Where a search's wishes become work. score() names each sample by what made it and looks for that name: in this
 * trial's memory, then in the ledger; what nobody knows becomes a job. Everything is charged before anything is looked
 * up, so costs, ordinals and totals are the same whether a score was sampled now, or in a run that was killed.
 *
 * Where verifiers compare, a set is answered as a whole or not at all. A comparative guide's word on a candidate that
 * it has seen before, among others, is kept under the metric's name with the set's number. */
#include "engine/job.h"
#include "engine/reuse.h"
#include "engine/scoring.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CALL_MAX = 1 << 20 };

/* One sample of a call of score. */
struct asked {
    struct sample *sample;
    struct identity id;
    uint32_t first; /* of the call's samples with this id; its own place, unless it is a twin */
    uint32_t place; /* where the n-th distinct id of the call stands first, n being this one's index */
    bool is_finished;
    bool was_seen;          /* scored by this trial before this call, or a twin */
    bool wants_score;       /* new to this trial, or to be compared again */
    bool is_answered;       /* by the ledger */
    struct wish wish;       /* of one that nobody answered; its claim goes to the job */
    uint64_t unsampled_nfe; /* of one that nobody answered */
    uint64_t nfe_total;
    double seconds;              /* of an answered one: sampling and decoding */
    struct ledger_score *scores; /* [score_count] as the ledger has them */
    uint32_t score_count;
};

struct call {
    struct trial *trial;
    uint32_t count;
    struct asked *asked;
    struct ledger_score *scores; /* [count][column_count] */
    struct entry *entries;       /* [count] */
    struct task **tasks;         /* [count] */
    struct seen_table distinct;  /* its ids, in their order */
    struct charge charge;
};

static struct identity identity_of(const struct trial *t, const struct sample *s)
{
    return identity_candidate(&s->footing->context, &s->noise, &t->noise, s->walk.move_count, s->walk.moves);
}

/* ---- looking up ------------------------------------------------------------------------------------------------ */

/* Two samples of one making are one candidate. */
static wn_status find_first(struct call *c, uint32_t i, wn_error *err)
{
    const uint64_t known = c->distinct.count;
    struct seen *seen = seen_add(&c->distinct, &c->asked[i].id);
    if (!seen)
        return wn_fail(err, WN_E_MEMORY, "no memory to score %u samples", c->count);
    if (seen->ordinal > known)
        c->asked[known].place = i;
    c->asked[i].first = c->asked[seen->ordinal - 1].place;
    return WN_OK;
}

static wn_status look_at(struct call *c, uint32_t i, wn_sample handle, wn_error *err)
{
    struct trial *t = c->trial;
    const struct engine *e = t->engine;
    struct asked *a = &c->asked[i];
    a->sample = trial_sample_once(t, handle, err);
    if (!a->sample)
        return err->code;
    a->id = identity_of(t, a->sample);
    WN_TRY(find_first(c, i, err));
    const bool is_twin = a->first != i;
    a->is_finished = sample_is_finished(a->sample);
    a->was_seen = is_twin || seen_find(&t->seen, &a->id) != NULL;
    a->wants_score = !is_twin && (!a->was_seen || e->guide_is_comparative);
    a->scores = c->scores + (size_t)i * e->column_count;
    a->score_count = a->is_finished && !a->was_seen ? e->column_count : e->guide_columns;
    c->charge.candidates += a->is_finished && !a->was_seen;
    c->charge.verifier_calls += a->wants_score;
    if (a->wants_score && !sample_is_at_end(a->sample) && !a->sample->has_paid_velocity)
        c->charge.nfe += e->info.evals_per_velocity;
    return WN_OK;
}

static void pay_preview(struct trial *t, struct asked *a)
{
    struct sample *s = a->sample;
    if (!a->wants_score || sample_is_at_end(s) || s->has_paid_velocity)
        return;
    trial_charge(s, t->engine->info.evals_per_velocity);
    s->has_paid_velocity = true;
}

/* The trial's total as if the set's samples had been paid for one after another: the same whatever the size of a set.
 */
static void total_up(struct call *c)
{
    uint64_t total = c->trial->budget.nfe;
    for (uint32_t i = 0; i < c->count; i++) {
        pay_preview(c->trial, &c->asked[i]);
        c->asked[i].nfe_total = c->asked[i].sample->unscored_nfe;
        c->asked[i].sample->unscored_nfe = 0;
        total -= c->asked[i].nfe_total;
    }
    for (uint32_t i = 0; i < c->count; i++) {
        total += c->asked[i].nfe_total;
        c->asked[i].nfe_total = total;
    }
}

/* A sample may be spawned of one that is scored only now, with it. */
static struct identity parent_of(struct trial *t, const struct sample *s)
{
    wn_error gone;
    const struct sample *origin = s->origin ? trial_sample(t, s->origin, &gone) : NULL;
    return origin ? origin->scored : s->parent;
}

static wn_status enter(struct call *c, struct asked *a, wn_error *err)
{
    struct seen_table *table = &c->trial->seen;
    struct seen *seen = seen_add(table, &a->id);
    if (!seen)
        return wn_fail(err, WN_E_MEMORY, "no memory for %llu candidates", (unsigned long long)table->count + 1);
    if (a->was_seen || seen->nfe_total > 0)
        return WN_OK;
    seen->parent = parent_of(c->trial, a->sample);
    seen->nfe = a->sample->nfe;
    seen->nfe_total = a->nfe_total;
    return WN_OK;
}

static wn_status name_scores(struct call *c, struct asked *a, wn_error *err)
{
    const struct engine *e = c->trial->engine;
    const bool is_again = a->was_seen && e->guide_is_comparative;
    for (uint32_t m = 0; m < a->score_count; m++) {
        const struct column *column = &e->columns[m];
        const char *metric = engine_verifier(e, column->verifier)->metrics[column->metric].name;
        if (is_again)
            metric = arena_printf(c->trial->arena, "%s#%llu", metric, (unsigned long long)c->trial->set_count);
        if (!metric)
            return wn_fail(err, WN_E_MEMORY, "no memory for the name of a score");
        a->scores[m] = (struct ledger_score){ e->spec->verifiers[column->verifier].name, metric, NAN, 0 };
    }
    return WN_OK;
}

static void ask_ledger(struct call *c)
{
    const struct trial *t = c->trial;
    const struct engine *e = t->engine;
    bool is_whole = true;
    for (uint32_t i = 0; i < c->count; i++) {
        struct asked *a = &c->asked[i];
        struct ledger_candidate found = { 0 };
        if (!a->wants_score)
            continue;
        a->is_answered = ledger_find(e->ledger, t->index, a->id.text, a->score_count, a->scores, &found);
        is_whole &= a->is_answered;
        if (a->is_answered)
            a->seconds = found.sample_seconds + found.decode_seconds;
    }
    for (uint32_t i = 0; i < c->count && e->has_comparative && !is_whole; i++)
        c->asked[i].is_answered = false;
}

/* Takes over what the ledger knew. */
static void take_answers(struct call *c)
{
    struct trial *t = c->trial;
    struct engine *e = t->engine;
    for (uint32_t i = 0; i < c->count; i++) {
        struct asked *a = &c->asked[i];
        struct entry *entry = &c->entries[i];
        entry->is_finished = a->is_finished && a->first == i;
        entry->is_judged = a->is_finished && !a->was_seen;
        entry->is_done = !a->wants_score || a->is_answered;
        entry->score = a->is_answered ? e->guide_sign * a->scores[0].value : seen_find(&t->seen, &a->id)->score;
        if (entry->is_done)
            stats_add(&e->stats.nfe_replayed, a->sample->unsampled_nfe);
        a->unsampled_nfe = a->sample->unsampled_nfe;
        a->sample->unsampled_nfe = 0;
        if (!a->is_answered)
            continue;
        t->has_guide_spoken = true;
        stats_add(&e->stats.candidates_replayed, entry->is_judged);
        stats_add(&e->stats.candidates_done, entry->is_judged);
        for (uint32_t m = 0; m < e->guide_columns; m++)
            a->seconds += a->scores[m].seconds;
        trial_pay_seconds(t, a->seconds, true);
    }
}

/* What nobody answered may be in the cache, or is this call's to make. A candidate that the trial compares again it has
 * made already, or is making: it must not wait for itself. */
static void ask_cache(struct call *c)
{
    struct reuse *reuse = c->trial->engine->reuse;
    struct wish *first = NULL;
    for (uint32_t i = c->count; reuse && i-- > 0;) {
        struct asked *a = &c->asked[i];
        const wn_canvas *canvas = a->sample->footing->conditioning.canvas;
        a->wish = (struct wish){ a->id.text, canvas, .is_finished = a->is_finished, .next = first };
        if (c->entries[i].is_done)
            continue;
        if (a->was_seen)
            a->wish.is_known = reuse_knows(reuse, a->id.text, canvas, a->is_finished);
        else
            first = &a->wish;
    }
    reuse_ask(reuse, first);
}

/* ---- making jobs ----------------------------------------------------------------------------------------------- */

static void fill_record(const struct trial *t, struct job *job, const struct asked *a)
{
    const struct seen *seen = seen_find(&t->seen, &a->id);
    struct ledger_candidate *r = &job->record;
    r->trial = t->index;
    memcpy(r->id, seen->id.text, sizeof seen->id.text);
    memcpy(r->parent, seen->parent.text, sizeof seen->parent.text);
    r->ordinal = seen->ordinal;
    r->point = a->sample->point;
    r->finished = a->is_finished;
    r->nfe = seen->nfe;
    r->nfe_total = seen->nfe_total;
    r->lineage = job->lineage;
    memcpy(job->scores, a->scores, a->score_count * sizeof *a->scores);
    for (uint32_t m = 0; m < a->score_count; m++)
        job->scores[m].value = NAN;
}

static wn_status make_job(struct set *set, uint32_t i, struct asked *a, wn_error *err)
{
    struct trial *t = set->trial;
    struct job *job = job_create(set, i, a->score_count, scoring_lanes(t->engine->scoring));
    if (!job)
        return wn_fail(err, WN_E_MEMORY, "no memory for a candidate");
    WN_TRY(trial_lineage(t, a->sample, &job->lineage, err));
    job->task.conditioning = &a->sample->footing->conditioning;
    job->task.walk = &a->sample->walk;
    job->task.want_velocity = !sample_is_at_end(a->sample);
    job->task.seconds = a->sample->peek_seconds;
    fill_record(t, job, a);
    job->claim = a->wish.claim;
    a->wish.claim = NULL;
    return WN_OK;
}

static void discard_jobs(struct set *set)
{
    for (uint32_t i = 0; i < set->count; i++)
        if (set->entries[i].job)
            job_free(set->entries[i].job);
}

static wn_status make_jobs(struct call *c, struct set *set, uint32_t *job_count, wn_error *err)
{
    bool has_judged = false;
    *job_count = 0;
    for (uint32_t i = 0; i < c->count; i++) {
        if (c->entries[i].is_done)
            continue;
        if (make_job(set, i, &c->asked[i], err) != WN_OK) {
            discard_jobs(set);
            return err->code;
        }
        has_judged |= c->entries[i].is_judged;
        (*job_count)++;
    }
    set->judges = has_judged ? scoring_comparative_judges(c->trial->engine->scoring) : 0;
    set->undecoded = *job_count;
    set->remaining = *job_count + set->judges;
    return WN_OK;
}

static wn_status reserve_images(struct set *set, uint32_t job_count, wn_error *err)
{
    struct engine *e = set->trial->engine;
    const bool has_room = job_count == 0 || scoring_reserve(e->scoring, job_count, err) == WN_OK;
    if (!has_room)
        discard_jobs(set);
    for (uint32_t i = 0; has_room && i < set->count; i++)
        if (set->entries[i].job)
            set->entries[i].job->has_room = e->has_comparative;
    return has_room ? WN_OK : err->code;
}

/* ---- waiting --------------------------------------------------------------------------------------------------- */

/* The samples that are to be carried get a state to start from; those in the cache are not. */
static wn_status own_states(struct call *c, wn_error *err)
{
    struct sample **samples = calloc(c->count, sizeof(struct sample *));
    bool *wants_velocity = calloc(c->count, sizeof *wants_velocity);
    wn_status status = samples && wants_velocity ? WN_OK : WN_E_MEMORY;
    uint32_t n = 0;
    for (uint32_t i = 0; i < c->count && status == WN_OK; i++)
        if (!c->entries[i].is_done && !c->asked[i].wish.is_known) {
            wants_velocity[n] = !sample_is_at_end(c->asked[i].sample);
            samples[n++] = c->asked[i].sample;
        }
    status = status == WN_OK ? state_own(c->trial, n, samples, wants_velocity, err)
                             : wn_fail(err, status, "no memory to score %u samples", c->count);
    free(samples);
    free(wants_velocity);
    return status;
}

/* In a quest: what the guide said of nobody else, it did not say in the run either; what is not recorded ends it. */
static wn_status sample_nothing(struct call *c, wn_error *err)
{
    const struct trial *t = c->trial;
    for (uint32_t i = 0; i < c->count; i++) {
        struct entry *entry = &c->entries[i];
        if (!entry->is_done && !ledger_find(t->engine->ledger, t->index, c->asked[i].id.text, 0, NULL, NULL))
            return wn_fail(err, WN_E_MISSING,
                           "the noise is one that the search made of scores, and the ledger has no candidate %s, whose "
                           "score came before: continue the run to its end, then replay",
                           c->asked[i].id.text);
        if (!entry->is_done)
            entry->score = NAN;
        entry->is_done = true;
    }
    return WN_OK;
}

/* One picture at a time, as there is room for it. One that was there a moment ago and is gone, or is damaged, is made
 * the usual way: alone, since this is rare. */
static void bring_cached(struct call *c, struct set *set, struct wave *late)
{
    struct engine *e = c->trial->engine;
    for (uint32_t i = 0; i < c->count; i++) {
        struct asked *a = &c->asked[i];
        struct job *job = a->wish.is_known ? set->entries[i].job : NULL;
        wn_error err = { 0 };
        bool wants_velocity = !sample_is_at_end(a->sample);
        if (!job)
            continue;
        if (reuse_load(e->reuse, job)) {
            stats_add(&e->stats.nfe_cached, a->unsampled_nfe);
            stats_add(&e->stats.candidates_cached, 1);
            scoring_push_image(e->scoring, job);
        } else if (state_own(c->trial, 1, &a->sample, &wants_velocity, &err) == WN_OK) {
            late->tasks[late->count++] = &job->task;
        } else {
            scoring_fail(e->scoring, job, err.code, &err);
        }
    }
}

static void start(struct call *c, struct set *set, struct wave *wave)
{
    for (uint32_t i = 0; i < c->count; i++)
        if (set->entries[i].job && !c->asked[i].wish.is_known)
            wave->tasks[wave->count++] = &set->entries[i].job->task;
    if (wave->count > 0)
        batcher_submit(c->trial->engine->batcher, wave);
}

static wn_status sample_and_score(struct call *c, wn_error *err)
{
    struct trial *t = c->trial;
    struct set set = { .trial = t, .count = c->count, .entries = c->entries };
    struct wave wave = { .tasks = c->tasks };
    uint32_t job_count;
    if (t->engine->quest)
        return sample_nothing(c, err);
    WN_TRY(own_states(c, err));
    WN_TRY(make_jobs(c, &set, &job_count, err));
    WN_TRY(reserve_images(&set, job_count, err));
    set_decide(&set); /* those before the first job */
    if (job_count > 0) {
        set_hold(&set);
        start(c, &set, &wave);
        struct wave late = { .tasks = c->tasks + wave.count };
        bring_cached(c, &set, &late);
        if (late.count > 0)
            batcher_submit(t->engine->batcher, &late);
        set_release(&set);
        trial_wait(t, &set.remaining);
    }
    trial_pay_seconds(t, set.seconds, false);
    return trial_hand_up(t, set.status, &set.err, err);
}

static void hand_out(struct call *c, double *scores)
{
    struct trial *t = c->trial;
    for (uint32_t i = 0; i < c->count; i++) {
        struct asked *a = &c->asked[i];
        scores[i] = c->entries[a->first].score;
        seen_find(&t->seen, &a->id)->score = scores[i];
        a->sample->is_scored = true;
        a->sample->peek_seconds = 0;
    }
}

static wn_status run_call(struct call *c, const wn_sample *samples, double *scores, wn_error *err)
{
    struct trial *t = c->trial;
    t->call_count++;
    for (uint32_t i = 0; i < c->count; i++)
        WN_TRY(look_at(c, i, samples[i], err));
    WN_TRY(budget_take(&t->budget, c->charge, err));
    t->set_count++;
    total_up(c);
    for (uint32_t i = 0; i < c->count; i++)
        c->asked[i].sample->scored = c->asked[i].id;
    for (uint32_t i = 0; i < c->count; i++) {
        WN_TRY(enter(c, &c->asked[i], err));
        WN_TRY(name_scores(c, &c->asked[i], err));
    }
    ask_ledger(c);
    take_answers(c);
    ask_cache(c);
    WN_TRY(sample_and_score(c, err));
    hand_out(c, scores);
    for (uint32_t i = 0; i < c->count; i++)
        state_weigh(t, c->asked[i].sample);
    return state_settle(t, err);
}

wn_status trial_score(void *ctx, uint64_t count, const wn_sample *samples, double *scores, wn_error *err)
{
    struct trial *t = ctx;
    WN_TRY(trial_goes_on(t, err));
    if (count == 0 || count > CALL_MAX)
        return wn_fail(err, WN_E_ARG, "the search scores %llu samples at once; 1 to %d are allowed",
                       (unsigned long long)count, CALL_MAX);
    struct call c = { .trial = t, .count = (uint32_t)count };
    c.asked = calloc(count, sizeof *c.asked);
    c.scores = calloc(count * t->engine->column_count, sizeof *c.scores);
    c.entries = calloc(count, sizeof *c.entries);
    c.tasks = calloc(count, sizeof(struct task *));
    const bool has_memory = c.asked && c.scores && c.entries && c.tasks;
    const wn_status status = has_memory ? run_call(&c, samples, scores, err)
                                        : wn_fail(err, WN_E_MEMORY, "no memory to score %u samples", c.count);
    for (uint32_t i = 0; c.asked && i < c.count; i++)
        reuse_release(t->engine->reuse, c.asked[i].wish.claim); /* of what came to no job */
    free(c.distinct.slots);
    free(c.asked);
    free(c.scores);
    free(c.entries);
    free(c.tasks);
    return status;
}

/* ---- from the batcher ------------------------------------------------------------------------------------------ */

enum { ENDED_GROUP = 64 };

static void jobs_ended(struct engine *e, uint32_t count, struct job *const *jobs, wn_status status, const wn_error *err)
{
    if (status == WN_OK) {
        scoring_push(e->scoring, count, jobs);
        return;
    }
    for (uint32_t i = 0; i < count; i++)
        scoring_fail(e->scoring, jobs[i], status, err);
}

void trial_tasks_ended(void *arg, uint32_t count, struct task *const *tasks, wn_status status, const wn_error *err)
{
    struct engine *e = arg;
    struct job *jobs[ENDED_GROUP];
    uint32_t n = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (tasks[i]->owner)
            jobs[n++] = tasks[i]->owner;
        else
            trial_task_ended(tasks[i], status, err);
        if (n == ENDED_GROUP || (n > 0 && i + 1 == count)) {
            jobs_ended(e, n, jobs, status, err);
            n = 0;
        }
    }
}
