/* Where samples stand. Cloning copies nothing: original and clone go on from a stem, which has the state, or the moves
 * that lead to it, and each takes a state of its own when it is to be sampled; the last user takes over the stem's. So
 * what clones share is carried out once, in the first place as well as when a run that was killed goes on without the
 * states that it had.
 *
 * Stems and looks are tasks without an owner: the trial waits for them, and nothing of them is recorded. */
#include "engine/trial.h"

#include <stdlib.h>
#include <string.h>

/* ---- making and sharing ------------------------------------------------------------------------------------------ */

static wn_status make_x(struct walk *w, wn_error *err)
{
    const uint64_t floats = solver_floats(w->solver);
    if (w->x)
        return WN_OK;
    w->x = calloc(floats, sizeof *w->x);
    return w->x ? WN_OK
                : wn_fail(err, WN_E_MEMORY, "no memory for a state of %llu bytes",
                          (unsigned long long)(floats * sizeof *w->x));
}

static wn_status make_v(struct walk *w, bool is_wanted, wn_error *err)
{
    const struct solver *solver = w->solver;
    if (w->v || (!is_wanted && !solver_needs_v(solver)))
        return WN_OK;
    w->v = malloc(solver->values * sizeof *w->v);
    return w->v ? WN_OK
                : wn_fail(err, WN_E_MEMORY, "no memory for a velocity of %llu bytes",
                          (unsigned long long)(solver->values * sizeof *w->v));
}

static wn_status copy_memory(struct walk *to, const struct walk *from, wn_error *err)
{
    const uint64_t bytes = from->solver->memory_bytes;
    if (!from->has_memory)
        return WN_OK;
    to->memory = malloc(bytes);
    if (!to->memory)
        return wn_fail(err, WN_E_MEMORY, "no memory for what a sample remembers, %llu bytes",
                       (unsigned long long)bytes);
    memcpy(to->memory, from->memory, bytes);
    to->has_memory = true;
    return WN_OK;
}

wn_status state_create(struct trial *t, struct sample *s, const float *x, wn_error *err)
{
    WN_TRY(make_x(&s->walk, err));
    solver_begin(s->walk.solver, x, s->walk.x);
    s->kept.has_stream = s->has_stream;
    s->kept.stream = s->stream;
    keeper_touch(&t->keeper, &s->kept);
    return state_settle(t, err);
}

static wn_status copy_moves(struct walk *to, const struct walk *from, wn_error *err)
{
    for (uint32_t i = 0; i < from->move_count; i++)
        WN_TRY(walk_append(to, from->moves[i], err));
    return WN_OK;
}

static bool stands_on_stem(const struct sample *s)
{
    const uint32_t n = s->walk.move_count;
    return s->stem && n == s->stem->walk.move_count &&
           (n == 0 || s->walk.moves[n - 1].point == s->stem->walk.moves[n - 1].point);
}

/* The sample's state, or the stem that it went on from, becomes a stem of its present moves. */
static wn_status put_on_stem(struct trial *t, struct sample *s, wn_error *err)
{
    struct stem *stem = calloc(1, sizeof *stem);
    if (!stem)
        return wn_fail(err, WN_E_MEMORY, "no memory to clone a sample");
    stem->walk.solver = s->walk.solver;
    if (copy_moves(&stem->walk, &s->walk, err) != WN_OK) {
        walk_finish(&stem->walk);
        free(stem);
        return err->code;
    }
    stem->kept.walk = &stem->walk;
    keeper_move(&t->keeper, &stem->kept, &s->kept);
    stem->below = s->stem;
    stem->users = 1;
    s->stem = stem;
    return WN_OK;
}

wn_status state_share(struct trial *t, struct sample *from, struct sample *to, wn_error *err)
{
    WN_TRY(copy_moves(&to->walk, &from->walk, err));
    if (!stands_on_stem(from))
        WN_TRY(put_on_stem(t, from, err));
    from->stem->wants_velocity |= from->has_paid_velocity;
    from->stem->users++;
    to->stem = from->stem;
    return WN_OK;
}

static void release(struct trial *t, struct stem *stem)
{
    while (stem && --stem->users == 0) {
        struct stem *below = stem->below;
        keeper_forget(&t->keeper, &stem->kept);
        walk_finish(&stem->walk);
        free(stem);
        stem = below;
    }
}

void state_drop(struct trial *t, struct sample *s)
{
    release(t, s->stem);
    s->stem = NULL;
    keeper_forget(&t->keeper, &s->kept);
    walk_finish(&s->walk);
}

/* ---- taking a state from a stem ---------------------------------------------------------------------------------- */

static wn_status copy_state(struct kept *state, const struct kept *from, wn_error *err)
{
    const struct walk *w = from->walk;
    const struct solver *solver = w->solver;
    struct walk *to = state->walk;
    WN_TRY(make_x(to, err));
    memcpy(to->x, w->x, solver_floats(solver) * sizeof *to->x);
    WN_TRY(make_v(to, w->has_velocity, err));
    if (w->has_velocity)
        memcpy(to->v, w->v, solver->values * sizeof *to->v);
    to->has_velocity = w->has_velocity;
    WN_TRY(copy_memory(to, w, err));
    to->point = w->point;
    to->done = w->done;
    state->has_stream = from->has_stream;
    state->stream = from->stream;
    return WN_OK;
}

/* The walk's first moves are the stem's, but for the last, an advance that may have been extended since. */
static wn_status leave_stem(struct trial *t, struct kept *state, struct stem **from, wn_error *err)
{
    struct stem *stem = *from;
    struct walk *w = state->walk;
    if (!stem)
        return keeper_fetch(&t->keeper, state, err);
    WN_TRY(keeper_fetch(&t->keeper, &stem->kept, err));
    if (stem->users == 1)
        keeper_move(&t->keeper, state, &stem->kept);
    else
        WN_TRY(copy_state(state, &stem->kept, err));
    if (w->done > 0 && w->moves[w->done - 1].point != w->point)
        w->done--;
    release(t, stem);
    *from = NULL;
    return WN_OK;
}

/* The state of a walk, ready to be carried on. */
static wn_status prepare(struct trial *t, struct kept *state, struct stem **from, bool wants_velocity, wn_error *err)
{
    WN_TRY(leave_stem(t, state, from, err));
    WN_TRY(make_v(state->walk, wants_velocity, err));
    keeper_touch(&t->keeper, state);
    return WN_OK;
}

/* ---- carrying ---------------------------------------------------------------------------------------------------- */

struct group {
    struct trial *trial;
    uint32_t remaining;
    wn_status status; /* of the first that failed */
    wn_error err;
};

struct look {
    struct task task; /* owner: NULL */
    struct group *group;
    struct sample *payer; /* whose score tells the seconds */
};

void trial_task_ended(struct task *task, wn_status status, const wn_error *err)
{
    struct group *g = ((struct look *)task)->group;
    struct trial *t = g->trial;
    pthread_mutex_lock(&t->mutex);
    if (status != WN_OK && g->status == WN_OK) {
        g->status = status;
        g->err = *err;
    }
    if (--g->remaining == 0)
        pthread_cond_signal(&t->changed);
    pthread_mutex_unlock(&t->mutex);
}

void trial_wait(struct trial *t, const uint32_t *remaining)
{
    pthread_mutex_lock(&t->mutex);
    while (*remaining > 0)
        pthread_cond_wait(&t->changed, &t->mutex);
    pthread_mutex_unlock(&t->mutex);
}

wn_status trial_hand_up(struct trial *t, wn_status status, const wn_error *fault, wn_error *err)
{
    if (status == WN_OK)
        return WN_OK;
    *err = *fault;
    if (status == WN_E_BUDGET) /* whoever samples or scores knows of no budget: taken for the search's it would be an end */
        status = err->code = WN_E_INTERNAL;
    if (status != WN_E_CANCELLED)
        t->fault = *err;
    return status;
}

/* tasks [count]: scratch. */
static wn_status carry(struct trial *t, uint32_t count, struct look *looks, struct task **tasks, wn_error *err)
{
    struct group group = { .trial = t, .remaining = count };
    struct wave wave = { .tasks = tasks, .count = count };
    for (uint32_t i = 0; i < count; i++) {
        looks[i].group = &group;
        tasks[i] = &looks[i].task;
    }
    batcher_submit(t->engine->batcher, &wave);
    trial_wait(t, &group.remaining);
    for (uint32_t i = 0; i < count; i++)
        looks[i].payer->peek_seconds += looks[i].task.seconds;
    return trial_hand_up(t, group.status, &group.err, err);
}

/* The payer is on the walk's canvas. */
static struct look look_of(struct walk *w, bool wants_velocity, struct sample *payer)
{
    return (struct look){
        .task = { .conditioning = &payer->footing->conditioning, .walk = w, .want_velocity = wants_velocity },
        .payer = payer
    };
}

static bool is_carried(const struct stem *stem)
{
    const struct walk *w = &stem->walk;
    return !stem->below && w->done == w->move_count &&
           (!stem->wants_velocity || w->has_velocity || w->point == w->solver->steps);
}

/* The stem to be carried first, so that all above it, and the sample, can go on; NULL = none. */
static struct stem *lowest_open(struct stem *stem)
{
    struct stem *open = NULL;
    for (; stem && !is_carried(stem); stem = stem->below)
        open = stem;
    return open;
}

/* Carries the lowest open stem of each sample; *count of them. */
static wn_status carry_round(struct trial *t, uint32_t sample_count, struct sample *const *samples, struct look *looks,
                             struct task **tasks, uint32_t *count, wn_error *err)
{
    *count = 0;
    t->carry_count++;
    for (uint32_t i = 0; i < sample_count; i++) {
        struct stem *open = lowest_open(samples[i]->stem);
        if (!open || open->carried_in == t->carry_count)
            continue;
        open->carried_in = t->carry_count;
        WN_TRY(prepare(t, &open->kept, &open->below, open->wants_velocity, err));
        looks[(*count)++] = look_of(&open->walk, open->wants_velocity, samples[i]);
    }
    return *count > 0 ? carry(t, *count, looks, tasks, err) : WN_OK;
}

static wn_status carry_stems(struct trial *t, uint32_t count, struct sample *const *samples, wn_error *err)
{
    struct look *looks = calloc(count, sizeof *looks);
    struct task **tasks = calloc(count, sizeof(struct task *));
    wn_status status = looks && tasks ? WN_OK : wn_fail(err, WN_E_MEMORY, "no memory to carry %u samples", count);
    for (uint32_t carried = 1; carried > 0 && status == WN_OK;)
        status = carry_round(t, count, samples, looks, tasks, &carried, err);
    free(looks);
    free(tasks);
    return status;
}

wn_status state_own(struct trial *t, uint32_t count, struct sample *const *samples, const bool *wants_velocity,
                    wn_error *err)
{
    bool has_stem = false;
    for (uint32_t i = 0; i < count; i++)
        has_stem |= samples[i]->stem != NULL;
    if (has_stem)
        WN_TRY(carry_stems(t, count, samples, err));
    for (uint32_t i = 0; i < count; i++)
        WN_TRY(prepare(t, &samples[i]->kept, &samples[i]->stem, wants_velocity[i], err));
    return WN_OK;
}

void state_weigh(struct trial *t, struct sample *s)
{
    if (s->walk.solver->memory_bytes > 0 && s->walk.x)
        keeper_touch(&t->keeper, &s->kept);
}

wn_status state_settle(struct trial *t, wn_error *err)
{
    wn_error fault;
    return trial_hand_up(t, keeper_settle(&t->keeper, &fault), &fault, err);
}

/* ---- looking ----------------------------------------------------------------------------------------------------- */

static wn_status pay_look(struct trial *t, struct sample *s, wn_error *err)
{
    const struct charge charge = { .nfe = t->engine->info.evals_per_velocity };
    if (s->has_paid_velocity)
        return WN_OK;
    WN_TRY(budget_take(&t->budget, charge, err));
    trial_charge(s, charge.nfe);
    s->has_paid_velocity = true;
    return WN_OK;
}

wn_status state_bring_up(struct trial *t, struct sample *s, bool wants_velocity, wn_error *err)
{
    WN_TRY(state_own(t, 1, &s, &wants_velocity, err));
    if (s->walk.done == s->walk.move_count && (!wants_velocity || s->walk.has_velocity))
        return WN_OK;
    struct look look = look_of(&s->walk, wants_velocity, s);
    struct task *task;
    s->unsampled_nfe = 0;
    return carry(t, 1, &look, &task, err);
}

wn_status trial_peek(void *ctx, wn_sample sample, float *x, float *x0, wn_error *err)
{
    struct trial *t = ctx;
    WN_TRY(trial_goes_on(t, err));
    struct sample *s = trial_sample(t, sample, err);
    if (!s)
        return err->code;
    const struct solver *solver = s->walk.solver;
    const bool wants_velocity = x0 && !sample_is_at_end(s);
    if (wants_velocity)
        WN_TRY(pay_look(t, s, err));
    WN_TRY(state_bring_up(t, s, wants_velocity, err));
    if (x)
        memcpy(x, s->walk.x, solver->values * sizeof *x);
    if (x0)
        solver_x0(solver, &s->walk, x0);
    state_weigh(t, s);
    return state_settle(t, err);
}
