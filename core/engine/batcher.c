/* The problem: searches hand in samples at any moment, a few at a time, and a sampler earns its keep only when its
 * batches are full. So one thread owns the sampler. It keeps a queue of waves from which samples are admitted, and an
 * array of active slots; every round is one velocity call over the slots of one canvas, one solver step for each of
 * them, and one report of those that have arrived. Locks are taken once in a round, memory only for what samplers
 * remember.
 *
 * The oldest wave goes first: it is finished soonest, and is decoded and scored while the next is sampled. A search has
 * one wave at a time, so none can starve another.
 *
 * Encoding is [serial] with velocity, so it happens here too, between rounds. */
#include "engine/batcher.h"

#include "engine/velocity.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { CANVASES = WN_SHRINK_MAX }; /* the run's and those that searches shrink it to */

struct slot {
    struct task *task;
    float sigma;
};

static const wn_canvas *canvas_of(const struct slot *s)
{
    return s->task->conditioning->canvas;
}

struct batcher {
    struct batcher_setup setup;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t work;     /* something for the engine thread */
    pthread_cond_t released; /* a conditioning was freed */
    struct wave *incoming;   /* oldest first */
    struct wave **incoming_end;
    struct conditioning *leaving;
    bool is_closed;

    /* The engine thread's own. */
    struct wave *waiting; /* oldest first */
    struct wave **waiting_end;
    uint32_t limit; /* batch, halved whenever memory runs out */
    uint32_t active_count;
    uint32_t ended_count;
    struct slot *active;     /* [CANVASES][batch]: as many of each canvas */
    struct slot *aside;      /* as large: scratch */
    struct task **ended;     /* [batch] */
    wn_velocity_item *items; /* [batch] */
    struct walk **walks;     /* [batch]: theirs */
    struct velocities velocities;
    float *velocity; /* [batch][values] */
    float *z;        /* [values] */
};

/* ---- the queue ------------------------------------------------------------------------------------------------ */

/* With the lock. */
static void take_in(struct batcher *b)
{
    if (!b->incoming)
        return;
    *b->waiting_end = b->incoming;
    b->waiting_end = b->incoming_end;
    b->incoming = NULL;
    b->incoming_end = &b->incoming;
}

static void look_for_more(struct batcher *b)
{
    pthread_mutex_lock(&b->mutex);
    take_in(b);
    pthread_mutex_unlock(&b->mutex);
}

/* The next task of the oldest wave; NULL when none is waiting. */
static struct task *next_waiting(const struct batcher *b)
{
    return b->waiting ? b->waiting->tasks[b->waiting->next] : NULL;
}

static struct task *take_waiting(struct batcher *b)
{
    struct wave *w = b->waiting;
    struct task *t = next_waiting(b);
    if (!t)
        return NULL;
    w->next++;
    if (w->next == w->count) {
        b->waiting = w->link;
        if (!b->waiting)
            b->waiting_end = &b->waiting;
    }
    return t;
}

/* ---- ending ---------------------------------------------------------------------------------------------------- */

static void report(struct batcher *b, uint32_t count, struct task *const *tasks, wn_status status, const wn_error *err)
{
    if (count > 0)
        b->setup.ended(b->setup.arg, count, tasks, status, err);
}

static void report_arrived(struct batcher *b)
{
    report(b, b->ended_count, b->ended, WN_OK, NULL);
    b->ended_count = 0;
}

static void end_everything(struct batcher *b, wn_status status, const wn_error *err)
{
    report_arrived(b);
    for (uint32_t i = 0; i < b->active_count; i++)
        report(b, 1, &b->active[i].task, status, err);
    b->active_count = 0;
    for (struct task *t = take_waiting(b); t; t = take_waiting(b))
        report(b, 1, &t, status, err);
}

/* ---- admitting ------------------------------------------------------------------------------------------------- */

static wn_status name_error(const struct batcher *b, wn_status status, const char *what, wn_error *err)
{
    const wn_error inner = *err;
    return wn_fail(err, status, "%s: %s: %.900s", b->setup.name, what, inner.message);
}

static wn_status encode(struct batcher *b, struct conditioning *c, wn_error *err)
{
    if (c->cond)
        return WN_OK;
    if (c->fault.code != WN_OK) {
        *err = c->fault;
        return err->code;
    }
    const struct batcher_setup *s = &b->setup;
    const double start = clock_seconds();
    const wn_status status = s->sampler->encode(s->self, c->prompt, c->canvas, c->sigma, &c->cond, err);
    timeline_add(s->timeline, TIMELINE_ENCODE, start, clock_seconds(), 1);
    if (status != WN_OK) {
        name_error(b, status, "encoding the prompt", err);
        c->fault = *err;
        return status;
    }
    stats_add(&s->stats->encodes, 1);
    return WN_OK;
}

/* When one is encoded all that wait are, and what came meanwhile: a sampler may have to load its encoders for it, in
 * place of its model. What fails is told when its task is admitted. */
static void encode_waiting(struct batcher *b)
{
    wn_error err;
    look_for_more(b);
    for (const struct wave *w = b->waiting; w; w = w->link) {
        for (uint32_t i = w->next; i < w->count; i++)
            if (encode(b, w->tasks[i]->conditioning, &err) != WN_OK)
                return;
        look_for_more(b);
    }
}

/* Whether the task needs a velocity; when not, it has arrived and waits for the next report. */
static bool settle(struct batcher *b, struct task *t, float *sigma)
{
    if (solver_wants(t->walk->solver, t->conditioning->noise, t->walk, t->want_velocity, b->z, sigma))
        return true;
    b->ended[b->ended_count++] = t;
    return false;
}

static wn_status blame(struct batcher *b, wn_status status, const wn_error *err)
{
    return b->setup.blame(b->setup.arg, status, err);
}

/* A batch for each canvas. */
static bool has_room(const struct batcher *b, const struct task *t)
{
    uint32_t count = b->ended_count;
    for (uint32_t i = 0; i < b->active_count; i++)
        count += canvas_of(&b->active[i]) == t->conditioning->canvas;
    return count < b->limit;
}

static void admit(struct batcher *b)
{
    while (next_waiting(b) && has_room(b, next_waiting(b))) {
        struct task *t = take_waiting(b);
        wn_error err = { 0 };
        const bool is_new = !t->conditioning->cond;
        const wn_status status = blame(b, encode(b, t->conditioning, &err), &err);
        float sigma;
        if (status == WN_OK && is_new)
            encode_waiting(b);
        if (status != WN_OK)
            report(b, 1, &t, status, &err);
        else if (settle(b, t, &sigma))
            b->active[b->active_count++] = (struct slot){ t, sigma };
    }
    report_arrived(b);
}

/* ---- one round ------------------------------------------------------------------------------------------------- */

/* The slots on the first one's canvas come to stand first, all in their order; how many they are. */
static uint32_t gather(struct batcher *b)
{
    const wn_canvas *canvas = b->active_count > 0 ? canvas_of(&b->active[0]) : NULL;
    uint32_t n = 0, others = 0;
    for (uint32_t i = 0; i < b->active_count; i++) {
        const struct slot s = b->active[i];
        if (canvas_of(&s) == canvas)
            b->active[n++] = s;
        else
            b->aside[others++] = s;
    }
    memcpy(b->active + n, b->aside, others * sizeof *b->aside);
    return n;
}

/* The first n slots, which had their turn, come to stand behind those on other canvases. */
static void pass_turn(struct batcher *b, uint32_t n)
{
    const uint32_t others = b->active_count - n;
    memcpy(b->aside, b->active, n * sizeof *b->aside);
    memmove(b->active, b->active + n, others * sizeof *b->active);
    memcpy(b->active + others, b->aside, n * sizeof *b->aside);
}

static void prepare_items(struct batcher *b, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        const struct task *t = b->active[i].task;
        float *slab = b->velocity + i * b->setup.values;
        b->items[i].x = t->walk->x;
        b->items[i].v = solver_keeps(t->walk->solver, t->walk) ? t->walk->v : slab;
        b->items[i].cond = t->conditioning->cond;
        b->items[i].sigma = b->active[i].sigma;
        b->walks[i] = t->walk;
    }
}

/* One velocity call over slots [first, first + n), with its time shared among them. */
static wn_status call(struct batcher *b, uint32_t first, uint32_t n, wn_error *err)
{
    const struct batcher_setup *s = &b->setup;
    const double start = clock_seconds();
    const wn_canvas *canvas = b->active[first].task->conditioning->canvas;
    uint32_t reused;
    const wn_status status =
        velocities_ask(&b->velocities, canvas, n, b->items + first, b->walks + first, &reused, err);
    const double end = clock_seconds();
    const double share = (end - start) / n;
    timeline_add(s->timeline, TIMELINE_SAMPLE, start, end, n);
    for (uint32_t i = first; i < first + n; i++)
        b->active[i].task->seconds += share;
    if (status != WN_OK)
        return name_error(b, status, "velocity", err);
    stats_add(&s->stats->velocity_calls, 1);
    stats_add(&s->stats->velocity_items, n);
    stats_add(&s->stats->velocities_reused, reused);
    return WN_OK;
}

/* Applies the velocity of slot i; keeps it in slot `to` while it needs more. */
static uint32_t step(struct batcher *b, uint32_t i, uint32_t to)
{
    struct task *t = b->active[i].task;
    solver_take(t->walk->solver, t->conditioning->noise, t->walk, b->items[i].v, b->z);
    float sigma;
    if (settle(b, t, &sigma))
        b->active[to++] = (struct slot){ t, sigma };
    return to;
}

static void close_gap(struct batcher *b, uint32_t from, uint32_t to)
{
    memmove(b->active + to, b->active + from, (b->active_count - from) * sizeof *b->active);
    b->active_count -= from - to;
}

/* After a failed call the samples are tried one by one, so that only those at fault fail. */
static void step_alone(struct batcher *b, uint32_t n)
{
    uint32_t to = 0;
    for (uint32_t i = 0; i < n; i++) {
        wn_error err = { 0 };
        const wn_status status = blame(b, call(b, i, 1, &err), &err);
        if (status == WN_OK)
            to = step(b, i, to);
        else
            report(b, 1, &b->active[i].task, status, &err);
    }
    close_gap(b, n, to);
}

static void round_of(struct batcher *b)
{
    const uint32_t mine = gather(b), others = b->active_count - mine;
    const uint32_t n = mine < b->limit ? mine : b->limit;
    prepare_items(b, n);
    wn_error err = { 0 };
    const wn_status status = blame(b, call(b, 0, n, &err), &err);
    if (status == WN_E_CANCELLED && b->setup.stopping(b->setup.arg)) {
        end_everything(b, status, &err);
    } else if (status == WN_E_MEMORY && n > 1) {
        b->limit = n / 2;
    } else if (status != WN_OK && n > 1) {
        step_alone(b, n);
    } else if (status != WN_OK) {
        report(b, 1, &b->active[0].task, status, &err);
        close_gap(b, 1, 0);
    } else {
        uint32_t to = 0;
        for (uint32_t i = 0; i < n; i++)
            to = step(b, i, to);
        close_gap(b, n, to);
    }
    if (others > 0 && b->active_count > others)
        pass_turn(b, b->active_count - others);
    report_arrived(b);
}

/* ---- the engine thread ----------------------------------------------------------------------------------------- */

/* With the lock, which is given up meanwhile: a sampler may take its time, and searches have work to hand in. */
static void free_leaving(struct batcher *b)
{
    struct conditioning *const list = b->leaving;
    b->leaving = NULL;
    if (!list)
        return;
    pthread_mutex_unlock(&b->mutex);
    for (const struct conditioning *c = list; c; c = c->next)
        if (c->cond)
            b->setup.sampler->cond_free(b->setup.self, c->cond);
    pthread_mutex_lock(&b->mutex);
    for (struct conditioning *c = list, *next; c; c = next) {
        next = c->next;
        c->has_left = true;
    }
    pthread_cond_broadcast(&b->released);
}

/* Takes in what has come; waits when there is nothing else to do. False when the batcher closes. */
static bool collect(struct batcher *b)
{
    pthread_mutex_lock(&b->mutex);
    while (!b->incoming && !b->leaving && !b->waiting && b->active_count == 0 && !b->is_closed)
        pthread_cond_wait(&b->work, &b->mutex);
    free_leaving(b);
    take_in(b);
    const bool goes_on = b->waiting || b->active_count > 0 || !b->is_closed;
    pthread_mutex_unlock(&b->mutex);
    return goes_on;
}

static void *engine_main(void *arg)
{
    struct batcher *b = arg;
    while (collect(b)) {
        if (b->setup.stopping(b->setup.arg)) {
            wn_error err;
            wn_fail(&err, WN_E_CANCELLED, "the run was interrupted");
            end_everything(b, WN_E_CANCELLED, &err);
        }
        admit(b);
        if (b->active_count > 0)
            round_of(b);
    }
    return NULL;
}

/* ---- life ------------------------------------------------------------------------------------------------------- */

static bool allocate(struct batcher *b)
{
    const struct batcher_setup *s = &b->setup;
    const uint64_t n = b->limit;
    wn_error ignored;
    b->active = calloc(CANVASES * n, sizeof *b->active);
    b->aside = calloc(CANVASES * n, sizeof *b->aside);
    b->ended = calloc(n, sizeof(struct task *));
    b->items = calloc(n, sizeof *b->items);
    b->walks = calloc(n, sizeof(struct walk *));
    b->velocity = calloc(n * s->values, sizeof *b->velocity);
    b->z = calloc(s->values, sizeof *b->z);
    return b->active && b->aside && b->ended && b->items && b->walks && b->velocity && b->z &&
           velocities_open(s->sampler, s->self, b->limit, &b->velocities, &ignored) == WN_OK;
}

static void free_all(struct batcher *b)
{
    free(b->active);
    free(b->aside);
    free(b->ended);
    free(b->items);
    free(b->walks);
    velocities_close(&b->velocities);
    free(b->velocity);
    free(b->z);
    pthread_mutex_destroy(&b->mutex);
    pthread_cond_destroy(&b->work);
    pthread_cond_destroy(&b->released);
    free(b);
}

wn_status batcher_create(const struct batcher_setup *setup, struct batcher **out, wn_error *err)
{
    struct batcher *b = calloc(1, sizeof *b);
    if (!b)
        return wn_fail(err, WN_E_MEMORY, "no memory for the batcher");
    b->setup = *setup;
    b->limit = setup->batch;
    b->incoming_end = &b->incoming;
    b->waiting_end = &b->waiting;
    pthread_mutex_init(&b->mutex, NULL);
    pthread_cond_init(&b->work, NULL);
    pthread_cond_init(&b->released, NULL);
    if (!allocate(b)) {
        free_all(b);
        return wn_fail(err, WN_E_MEMORY, "no memory for batches of %u samples of %llu values", setup->batch,
                       (unsigned long long)setup->values);
    }
    if (pthread_create(&b->thread, NULL, engine_main, b) != 0) {
        free_all(b);
        return wn_fail(err, WN_E_MEMORY, "the system gave no thread for the engine");
    }
    *out = b;
    return WN_OK;
}

void batcher_destroy(struct batcher *b)
{
    if (!b)
        return;
    pthread_mutex_lock(&b->mutex);
    b->is_closed = true;
    pthread_cond_signal(&b->work);
    pthread_mutex_unlock(&b->mutex);
    pthread_join(b->thread, NULL);
    free_all(b);
}

void batcher_submit(struct batcher *b, struct wave *wave)
{
    wave->link = NULL;
    wave->next = 0;
    pthread_mutex_lock(&b->mutex);
    *b->incoming_end = wave;
    b->incoming_end = &wave->link;
    pthread_cond_signal(&b->work);
    pthread_mutex_unlock(&b->mutex);
}

void batcher_release(struct batcher *b, struct conditioning *c)
{
    pthread_mutex_lock(&b->mutex);
    c->next = b->leaving;
    b->leaving = c;
    pthread_cond_signal(&b->work);
    while (!c->has_left)
        pthread_cond_wait(&b->released, &b->mutex);
    pthread_mutex_unlock(&b->mutex);
}
