/* One search on one prompt, from its first sample to the row that says how it ended. */
#include "engine/trial.h"

#include "engine/allotment.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FAULTS_THAT_END_THE_RUN = 3 };

/* A prompt's seed: of the run's seed and the prompt's id, so that prompts draw independent noises, wherever they stand
 * in the file. FNV-1a, then the finaliser of splitmix64. */
static uint64_t prompt_seed(uint64_t seed, const char *id)
{
    uint64_t h = 0xcbf29ce484222325u ^ seed;
    for (const char *c = id; *c; c++)
        h = (h ^ (uint8_t)*c) * 0x100000001b3u;
    h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9u;
    h = (h ^ (h >> 27)) * 0x94d049bb133111ebu;
    return h ^ (h >> 31);
}

/* The torch modes promise that stream k is what others draw for seed + k, the same for every prompt. */
struct noise_source trial_noise(const struct spec *spec, const wn_prompt *prompt)
{
    const uint64_t own = prompt_seed(spec->seed, prompt->id);
    const uint64_t seed = spec->noise == SPEC_NOISE_PHILOX ? own : spec->seed;
    return (struct noise_source){ .mode = (enum spec_noise)spec->noise, .seed = seed, .aux_seed = own };
}

/* Each live search has an equal part of the memory for states. */
static uint64_t state_limit(const struct engine *e)
{
    const uint32_t live = e->spec->engine.live < e->spec->prompt_count ? e->spec->engine.live : e->spec->prompt_count;
    const double part = e->spec->engine.state_memory / live;
    return part < 0x1p63 ? (uint64_t)part : UINT64_MAX;
}

static struct trial *create(struct engine *e, uint32_t index)
{
    struct trial *t = calloc(1, sizeof *t);
    struct arena *arena = arena_create();
    if (!t || !arena) {
        arena_destroy(arena);
        free(t);
        return NULL;
    }
    t->engine = e;
    t->index = index;
    t->arena = arena;
    t->prompt = &e->spec->prompts[index];
    t->noise = trial_noise(e->spec, t->prompt);
    t->noise.blends = &t->blends;
    trial_stand(t);
    t->budget.limit = e->spec->budget;
    t->keeper = (struct keeper){ .largest = &e->solver,
                                 .source = &t->noise,
                                 .directory = e->spec->output,
                                 .stats = &e->stats,
                                 .limit = state_limit(e) };
    t->best_offer = NAN;
    t->best_picture = NAN;
    pthread_mutex_init(&t->mutex, NULL);
    pthread_cond_init(&t->changed, NULL);
    trial_bind_env(t);
    return t;
}

static void destroy(struct trial *t)
{
    trial_free_samples(t);
    keeper_finish(&t->keeper);
    free(t->seen.slots);
    blends_finish(&t->blends);
    arena_destroy(t->arena);
    pthread_mutex_destroy(&t->mutex);
    pthread_cond_destroy(&t->changed);
    free(t);
}

static void wait_for_jobs(struct trial *t)
{
    pthread_mutex_lock(&t->mutex);
    while (t->jobs > 0)
        pthread_cond_wait(&t->changed, &t->mutex);
    pthread_mutex_unlock(&t->mutex);
}

static wn_status write_row(const struct trial *t, const char *state, const char *ended, wn_error *err)
{
    const struct ledger_trial row = {
        .id = t->index,
        .prompt = t->prompt,
        .state = state,
        .ended = ended,
        .nfe = t->budget.nfe,
        .verifier_calls = t->budget.verifier_calls,
        .seconds = t->budget.seconds,
    };
    return ledger_trial(t->engine->ledger, &row, err);
}

void trial_note_guide_fault(struct trial *t, const wn_error *err)
{
    pthread_mutex_lock(&t->mutex);
    t->guide_fault = *err;
    pthread_mutex_unlock(&t->mutex);
}

/* What a search without a single score found is no result. */
static void check_guide(struct trial *t)
{
    const struct spec *spec = t->engine->spec;
    if (t->guide_fault.code != WN_OK && !t->has_guide_spoken)
        wn_fail(&t->fault, t->guide_fault.code,
                "verifier %s, the guide, failed on every candidate, the last with: %.900s",
                spec->verifiers[spec->guide].name, t->guide_fault.message);
}

static wn_status search(struct trial *t, wn_error *err)
{
    const struct instance *search = &t->engine->instances->search;
    const wn_search *vtable = search->use->plugin->vtable;
    const wn_status status = vtable->run(search->self, &t->env, err);
    if (status == WN_E_CANCELLED && !engine_is_stopping(t->engine) && !t->engine->quest) {
        const wn_error inner = *err;
        return wn_fail(err, WN_E_INTERNAL, "a plugin says that it was cancelled, which nobody did: %.900s",
                       inner.message);
    }
    if (status == WN_OK || status == WN_E_BUDGET)
        check_guide(t);
    if (t->fault.code != WN_OK && status != WN_E_CANCELLED) {
        *err = t->fault;
        return err->code;
    }
    return status;
}

/* Faults of the sampler or the guide in a row mean that the next prompt will fare no better. */
static void count_faults(struct engine *e, const struct trial *t)
{
    pthread_mutex_lock(&e->mutex);
    e->failed_in_a_row = t->fault.code == WN_OK ? 0 : e->failed_in_a_row + 1;
    const bool is_hopeless = e->failed_in_a_row >= FAULTS_THAT_END_THE_RUN;
    pthread_mutex_unlock(&e->mutex);
    if (!is_hopeless)
        return;
    wn_error err;
    wn_fail(&err, t->fault.code, "%d prompts in a row failed, the last with: %.900s", FAULTS_THAT_END_THE_RUN,
            t->fault.message);
    engine_fail(e, &err);
}

static void count_without_picture(struct trial *t, wn_status status)
{
    pthread_mutex_lock(&t->engine->mutex);
    t->engine->trials_without_picture += (status == WN_OK || status == WN_E_BUDGET) &&
                                         t->budget.candidates == 0; /* a program may end well all the same */
    pthread_mutex_unlock(&t->engine->mutex);
}

static wn_status end(struct trial *t, wn_status status, wn_error *err)
{
    if (status == WN_E_CANCELLED)
        return status; /* still open: the next run goes on with it */
    count_faults(t->engine, t);
    count_without_picture(t, status);
    if (status == WN_OK || status == WN_E_BUDGET)
        return write_row(t, "done", status == WN_OK ? "finished" : "budget", err);
    engine_event(t->engine, "failed", "prompt %s: %s", t->prompt->id, err->message);
    wn_error ignored;
    write_row(t, "failed", err->message, &ignored); /* a ledger that fails tells the recorder too */
    return status;
}

static void tighten(struct spec_budget *limit, const struct spec_budget *part)
{
    limit->nfe = fmin(limit->nfe, part->nfe);
    limit->seconds = fmin(limit->seconds, part->seconds);
    limit->verifier_calls = fmin(limit->verifier_calls, part->verifier_calls);
    limit->candidates = fmin(limit->candidates, part->candidates);
}

static bool is_stopping(void *arg)
{
    return engine_is_stopping(arg);
}

void trial_pay_seconds(struct trial *t, double seconds, bool is_recorded)
{
    struct engine *e = t->engine;
    t->budget.seconds += seconds;
    pthread_mutex_lock(&e->mutex);
    *(is_recorded ? &e->paid.recorded : &e->paid.now) += seconds;
    pthread_mutex_unlock(&e->mutex);
}

static void let_seconds_go(struct engine *e, const struct budget *b)
{
    pthread_mutex_lock(&e->mutex);
    if (isfinite(b->limit.seconds) && !e->spec->shares_budget)
        e->paid.let_go += b->limit.seconds - b->seconds;
    pthread_mutex_unlock(&e->mutex);
}

static wn_status take_part(struct trial *t, wn_error *err)
{
    struct spec_budget part;
    WN_TRY(allotment_take(t->engine->allotment, t->index, is_stopping, t->engine, &part, err));
    tighten(&t->budget.limit, &part);
    return WN_OK;
}

/* What is not given back is waited for: t is NULL where there was not even memory for it. */
static void give_back(struct engine *e, uint32_t index, const struct trial *t)
{
    struct spec_budget spent = { 0 };
    if (t)
        spent = (struct spec_budget){ .nfe = (double)t->budget.nfe,
                                      .seconds = t->budget.seconds,
                                      .verifier_calls = (double)t->budget.verifier_calls,
                                      .candidates = (double)t->budget.candidates };
    if (t)
        let_seconds_go(e, &t->budget);
    allotment_end(e->allotment, index, &spent);
}

wn_status trial_run(struct engine *e, uint32_t index, wn_error *err)
{
    struct trial *t = create(e, index);
    if (!t) {
        give_back(e, index, NULL);
        return wn_fail(err, WN_E_MEMORY, "no memory for the search on prompt %s", e->spec->prompts[index].id);
    }
    wn_status status = take_part(t, err);
    if (status == WN_OK)
        status = write_row(t, "open", "", err);
    if (status == WN_OK)
        status = search(t, err);
    wait_for_jobs(t);
    trial_leave(t);
    status = end(t, status, err);
    give_back(e, index, t);
    destroy(t);
    return status;
}
