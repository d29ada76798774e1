/* Sets a run up, lets its trials go, and takes it down again. Each of `live` threads takes the next prompt when its own
 * is done; the caller's thread watches, reports and waits. Everything that works for the trials stops when they have
 * ended: nobody is ever interrupted in the middle, so there is nothing to undo. */
#include "engine/experiment.h"

#include "engine/allotment.h"
#include "engine/recorder.h"
#include "engine/reuse.h"
#include "engine/scoring.h"
#include "engine/start.h"
#include "engine/trial.h"
#include "engine/velocity.h"
#include "spec/bounds.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { REPORT_MS = 250, LATENT_MAX_VALUES = 1 << 28 };

struct experiment {
    struct engine engine;
    float *sigma;
    float *start; /* of the spec's picture, or NULL */
    atomic_uint next_prompt;
    uint32_t live;
    uint32_t running; /* guarded by engine.mutex */
    pthread_cond_t ended;
    pthread_t *threads; /* [live] */
    double started;
    uint64_t planned; /* candidates, 0 = open */
    double planned_nfe;
    double budget_seconds; /* of all prompts */
};

/* ---- set-up ---------------------------------------------------------------------------------------------------- */

/* Sizes, previews and stochastic steps were checked when the instance was made; here only what sizes are computed from.
 */
static wn_status describe(struct experiment *x, wn_error *err)
{
    struct engine *e = &x->engine;
    const wn_canvas *canvas = &e->spec->canvas;
    e->info.struct_size = sizeof e->info;
    WN_TRY(e->sampler->describe(e->sampler_self, &e->info, err));
    e->info.model_key[sizeof e->info.model_key - 1] = '\0';
    e->latent_width = canvas->width_px / e->info.latent_stride_px;
    e->latent_height = canvas->height_px / e->info.latent_stride_px;
    const uint64_t positions = e->latent_width * e->latent_height;
    if (positions == 0 || e->info.latent_channels > LATENT_MAX_VALUES / positions)
        return wn_fail(err, WN_E_ARG, "sampler %s: latents of %llu x %llu x %llu values; 1 to %d values are possible",
                       e->spec->sampler.plugin->name, (unsigned long long)e->info.latent_channels,
                       (unsigned long long)e->latent_height, (unsigned long long)e->latent_width, LATENT_MAX_VALUES);
    e->batch = e->spec->engine.batch < e->info.max_batch ? e->spec->engine.batch : (uint32_t)e->info.max_batch;
    return WN_OK;
}

static wn_status make_schedule(struct experiment *x, wn_error *err)
{
    struct engine *e = &x->engine;
    const uint32_t steps = e->spec->canvas.steps;
    x->sigma = calloc((size_t)steps + 1, sizeof *x->sigma);
    if (!x->sigma)
        return wn_fail(err, WN_E_MEMORY, "no memory for a schedule of %u steps", steps);
    WN_TRY(start_schedule(e->spec, e->sampler_self, x->sigma, err));
    const uint64_t values = e->info.latent_channels * e->latent_height * e->latent_width;
    WN_TRY(start_latent(e->spec, e->sampler_self, values, &x->start, err));
    e->solver = (struct solver){ .method = (enum spec_solver)e->spec->solver,
                                 .sigma = x->sigma,
                                 .steps = steps,
                                 .values = values,
                                 .memory_bytes = velocity_memory_bytes(e->sampler, e->sampler_self, &e->spec->canvas),
                                 .start = x->start };
    return WN_OK;
}

/* Those that the search draws on, whose sizes were checked with the canvas. */
static wn_status make_smaller(struct engine *e, wn_error *err)
{
    const uint64_t shrinks = spec_shrinks(e->spec);
    for (uint32_t factor = 2; factor <= WN_SHRINK_MAX; factor++)
        if (shrinks >> factor & 1)
            WN_TRY(ground_make(e->spec, e->sampler_self, &e->info, factor, &e->smaller[factor], err));
    return WN_OK;
}

static bool is_stopping(void *arg)
{
    return engine_is_stopping(arg);
}

static wn_status blame(void *arg, wn_status status, const wn_error *err)
{
    return engine_blame_sampler(arg, status, err);
}

static wn_status start_workers(struct engine *e, wn_error *err)
{
    const struct batcher_setup setup = {
        .sampler = e->sampler,
        .self = e->sampler_self,
        .name = e->spec->sampler.plugin->name,
        .values = e->solver.values,
        .batch = e->batch,
        .stats = &e->stats,
        .timeline = e->timeline,
        .ended = trial_tasks_ended,
        .stopping = is_stopping,
        .blame = blame,
        .arg = e,
    };
    WN_TRY(reuse_create(e, &e->reuse, err));
    WN_TRY(recorder_create(e, &e->recorder, err));
    WN_TRY(scoring_create(e, &e->scoring, err));
    return batcher_create(&setup, &e->batcher, err);
}

static wn_status make_timeline(struct engine *e, wn_error *err)
{
    e->timeline = timeline_create(1 + e->spec->judge_count);
    if (!e->timeline)
        return wn_fail(err, WN_E_MEMORY, "no memory for a timeline");
    uint32_t lane = TIMELINE_VERIFIERS;
    for (uint32_t c = 0; c < e->column_count; c++)
        if (e->columns[c].metric == 0)
            snprintf(e->timeline->lanes[lane++].name, sizeof e->timeline->lanes->name, "%s",
                     e->spec->verifiers[e->columns[c].verifier].name);
    return WN_OK;
}

static wn_status set_up(struct experiment *x, wn_error *err)
{
    struct engine *e = &x->engine;
    WN_TRY(describe(x, err));
    WN_TRY(make_schedule(x, err));
    WN_TRY(make_smaller(e, err));
    WN_TRY(engine_make_columns(e, err));
    WN_TRY(make_timeline(e, err));
    WN_TRY(allotment_create(&e->spec->run_budget, e->spec->prompt_count, e->spec->shares_budget, &e->allotment, err));
    return start_workers(e, err);
}

/* The order matters: each may still hand work to those after it. */
static void take_down(struct experiment *x)
{
    struct engine *e = &x->engine;
    batcher_destroy(e->batcher);
    scoring_destroy(e->scoring);
    recorder_destroy(e->recorder);
    reuse_destroy(e->reuse);
    allotment_destroy(e->allotment);
    free(e->columns);
    for (uint32_t i = 0; i <= WN_SHRINK_MAX; i++)
        ground_free(e->smaller[i]);
    free(x->sigma);
    free(x->start);
    free(x->threads);
}

/* ---- running --------------------------------------------------------------------------------------------------- */

/* What the searches will take: what they plan, cut by the budget. */
static void plan(struct experiment *x)
{
    const struct engine *e = &x->engine;
    const struct spec_bounds each = spec_bounds(e->spec, e->info.evals_per_velocity);
    x->planned = isfinite(each.candidates) ? (uint64_t)each.candidates * e->spec->prompt_count : 0;
    x->planned_nfe = each.nfe * e->spec->prompt_count;
    x->budget_seconds = each.seconds * e->spec->prompt_count;
}

/* Evaluations are what takes the time, and they come evenly: long before the first candidate there is a rate. A budget
 * of seconds may end them sooner: its seconds pass as fast as they did so far; as those of the clock before there are
 * any, since prompts that share a device share its seconds. */
static double eta(const struct experiment *x, const struct experiment_status *s)
{
    const double left = x->planned_nfe - (double)s->nfe_sampled - (double)s->nfe_replayed - (double)s->nfe_cached;
    const double of_nfe =
        s->nfe_sampled > 0 && isfinite(left) ? s->seconds / (double)s->nfe_sampled * fmax(left, 0) : (double)NAN;
    const struct paid *paid = &x->engine.paid;
    const double of_budget = fmax(s->budget_seconds - s->budget_spent - paid->let_go, 0);
    const double pace = paid->now > 0 ? s->seconds / paid->now : 1;
    return isinf(of_budget) ? of_nfe : fmin(of_nfe, of_budget * pace); /* fmin passes NaN over */
}

static void *trials_main(void *arg)
{
    struct experiment *x = arg;
    struct engine *e = &x->engine;
    for (;;) {
        const uint32_t index = atomic_fetch_add(&x->next_prompt, 1);
        if (index >= e->spec->prompt_count || engine_is_stopping(e))
            break;
        wn_error err = { 0 };
        const wn_status status = trial_run(e, index, &err);
        if (status == WN_OK)
            atomic_fetch_add(&e->stats.prompts_done, 1);
        else if (status != WN_E_CANCELLED)
            atomic_fetch_add(&e->stats.prompts_failed, 1);
    }
    pthread_mutex_lock(&e->mutex);
    x->running--;
    pthread_cond_signal(&x->ended);
    pthread_mutex_unlock(&e->mutex);
    return NULL;
}

static void fill_status(struct experiment *x, struct experiment_status *out)
{
    struct engine *e = &x->engine;
    const struct stats *s = &e->stats;
    const uint64_t calls = atomic_load(&s->velocity_calls);
    const uint64_t items = atomic_load(&s->velocity_items);
    *out = (struct experiment_status){
        .prompts_done = atomic_load(&s->prompts_done),
        .prompts_failed = atomic_load(&s->prompts_failed),
        .prompt_count = e->spec->prompt_count,
        .candidates_done = atomic_load(&s->candidates_done),
        .candidates_planned = x->planned,
        .nfe_sampled = items * e->info.evals_per_velocity,
        .nfe_reused = atomic_load(&s->velocities_reused) * e->info.evals_per_velocity,
        .nfe_replayed = atomic_load(&s->nfe_replayed),
        .nfe_cached = atomic_load(&s->nfe_cached),
        .candidates_replayed = atomic_load(&s->candidates_replayed),
        .pictures_cached = atomic_load(&s->candidates_cached),
        .scores_cached = atomic_load(&s->scores_cached),
        .best_mean = e->trials_with_best ? e->best_sum / e->trials_with_best : NAN,
        .seconds = clock_seconds() - x->started,
        .batch_fill = calls ? (double)items / ((double)calls * e->batch) : NAN,
    };
    out->budget_seconds = x->budget_seconds;
    out->budget_spent = e->paid.now + e->paid.recorded;
    out->eta_seconds = eta(x, out);
}

static void wait_a_while(struct experiment *x)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += REPORT_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    pthread_cond_timedwait(&x->ended, &x->engine.mutex, &until);
}

static void watch(struct experiment *x, void (*report)(void *arg, const struct experiment_status *s), void *arg)
{
    struct engine *e = &x->engine;
    pthread_mutex_lock(&e->mutex);
    while (x->running > 0) {
        wait_a_while(x);
        struct experiment_status status;
        fill_status(x, &status);
        pthread_mutex_unlock(&e->mutex);
        if (report)
            report(arg, &status);
        pthread_mutex_lock(&e->mutex);
    }
    pthread_mutex_unlock(&e->mutex);
}

static wn_status run_trials(struct experiment *x, void (*report)(void *arg, const struct experiment_status *s),
                            void *arg, wn_error *err)
{
    const struct spec *spec = x->engine.spec;
    uint32_t live = spec->engine.live < spec->prompt_count ? spec->engine.live : spec->prompt_count;
    x->threads = calloc(live ? live : 1, sizeof *x->threads);
    if (!x->threads)
        return wn_fail(err, WN_E_MEMORY, "no memory for %u searches", live);
    x->running = live;
    while (x->live < live && pthread_create(&x->threads[x->live], NULL, trials_main, x) == 0)
        x->live++;
    pthread_mutex_lock(&x->engine.mutex);
    x->running -= live - x->live;
    pthread_mutex_unlock(&x->engine.mutex);
    watch(x, report, arg);
    for (uint32_t i = 0; i < x->live; i++)
        pthread_join(x->threads[i], NULL);
    if (live > 0 && x->live == 0)
        return wn_fail(err, WN_E_MEMORY, "the system gave no thread for a search");
    return WN_OK;
}

static void sum_up(struct experiment *x, struct experiment_result *result)
{
    const struct engine *e = &x->engine;
    fill_status(x, &result->status);
    result->done = result->status.prompts_done;
    result->failed = result->status.prompts_failed;
    const bool is_whole =
        result->done + result->failed == e->spec->prompt_count && atomic_load(&e->stats.candidates_unjudged) == 0;
    result->interrupted = atomic_load(&e->process->cancelled) && !is_whole;
}

/* The ledger's own account of this start: what was sampled, and what was not because it was recorded. */
static void tell_stop(struct experiment *x, const struct experiment_result *result)
{
    const struct experiment_status *s = &result->status;
    engine_event(&x->engine, "stop",
                 "%u prompts done, %u failed of %u%s: %llu candidates, %llu of them recorded before; %llu evaluations "
                 "sampled, %llu of them reused an earlier step, %llu recorded before, %llu from the cache (%llu "
                 "pictures, %llu scores); %llu prompts "
                 "encoded; %llu states on disk, %llu drawn again; batches "
                 "%.0f %% full; %.1f s",
                 s->prompts_done, s->prompts_failed, s->prompt_count, result->interrupted ? ", interrupted" : "",
                 (unsigned long long)s->candidates_done, (unsigned long long)s->candidates_replayed,
                 (unsigned long long)s->nfe_sampled, (unsigned long long)s->nfe_reused,
                 (unsigned long long)s->nfe_replayed, (unsigned long long)s->nfe_cached,
                 (unsigned long long)s->pictures_cached, (unsigned long long)s->scores_cached,
                 (unsigned long long)atomic_load(&x->engine.stats.encodes),
                 (unsigned long long)atomic_load(&x->engine.stats.states_spilled),
                 (unsigned long long)atomic_load(&x->engine.stats.states_dropped),
                 s->nfe_sampled ? 100 * s->batch_fill : 0.0, s->seconds);
}

/* A sample that such a search has scored alone has the score of every other that was. */
static void warn_of_sets(struct experiment *x)
{
    const struct spec *spec = x->engine.spec;
    wn_search_plan plan = { .struct_size = sizeof plan };
    ((const wn_search *)spec->search.plugin->vtable)->plan(spec->search.options, spec->canvas.steps, 1, &plan);
    if (x->engine.guide_is_comparative && plan.across_calls)
        engine_event(&x->engine, "warning",
                     "search %s compares scores of different sets, but the guide %s compares pictures within one: what "
                     "it says of two sets has no common scale; take a guide that scores each picture by itself",
                     spec->search.plugin->name, spec->verifiers[spec->guide].name);
}

static void warn_of_small_budget(struct experiment *x, const struct experiment_result *result)
{
    struct engine *e = &x->engine;
    const uint64_t way = solver_velocities(&e->solver, 0, e->solver.steps) * e->info.evals_per_velocity;
    if (e->trials_without_picture)
        engine_event(
            e, "warning",
            "%u of %u prompts ended without a picture: none was finished within their budget, where one takes %llu "
            "evaluations and a verifier call",
            e->trials_without_picture, result->done, (unsigned long long)way);
}

/* Who was busy for how much of the time: above 100 % in all, work was hidden behind other work. */
static void tell_busy(struct experiment *x, double seconds)
{
    const struct timeline *t = x->engine.timeline;
    char text[1200];
    size_t used = 0;
    for (uint32_t i = 0; i < t->lane_count && used < sizeof text; i++)
        if (t->lanes[i].items > 0)
            used += (size_t)snprintf(text + used, sizeof text - used, "%s%s %.0f %%", used ? ", " : "",
                                     t->lanes[i].name, 100 * t->lanes[i].seconds / fmax(seconds, 1e-9));
    if (used > 0)
        engine_event(&x->engine, "busy", "%s of %.1f s", text, seconds);
}

/* With nothing in it but what it shares. */
static struct experiment *create(const struct spec *spec, struct instances *instances, struct process *process,
                                 struct ledger *ledger, wn_error *err)
{
    struct experiment *x = calloc(1, sizeof *x);
    if (!x) {
        wn_fail(err, WN_E_MEMORY, "no memory for an experiment");
        return NULL;
    }
    struct engine *e = &x->engine;
    e->spec = spec;
    e->instances = instances;
    e->process = process;
    e->ledger = ledger;
    e->sampler = spec->sampler.plugin->vtable;
    e->sampler_self = instances->sampler.self;
    pthread_mutex_init(&e->mutex, NULL);
    pthread_cond_init(&x->ended, NULL);
    x->started = clock_seconds();
    return x;
}

/* The run's failure comes before `status`. */
static wn_status destroy(struct experiment *x, wn_status status, wn_error *err)
{
    struct engine *e = &x->engine;
    if (e->failure.code != WN_OK)
        status = (*err = e->failure).code;
    pthread_mutex_destroy(&e->mutex);
    pthread_cond_destroy(&x->ended);
    free(x);
    return status;
}

wn_status experiment_seek(const struct spec *spec, struct instances *instances, struct process *process,
                          struct ledger *ledger, uint32_t prompt, struct quest *quest, wn_error *err)
{
    struct experiment *x = create(spec, instances, process, ledger, err);
    if (!x)
        return err->code;
    x->engine.quest = quest;
    wn_status status = set_up(x, err);
    for (uint32_t i = 0; i < prompt && status == WN_OK; i++)
        allotment_end(x->engine.allotment, i, &quest->spent[i]);
    if (status == WN_OK)
        status = trial_run(&x->engine, prompt, err);
    take_down(x);
    quest->nfe = atomic_load(&x->engine.stats.velocity_items) * x->engine.info.evals_per_velocity;
    timeline_destroy(x->engine.timeline);
    status = destroy(x, status, err);
    if (quest->found)
        return WN_OK;
    return status != WN_OK && status != WN_E_BUDGET
               ? status
               : wn_fail(err, WN_E_MISSING,
                         "search %s made other noises than in the run: none of them is %s; it must be the same build, "
                         "with the same options",
                         spec->search.plugin->name, quest->noise.text);
}

wn_status experiment_run(const struct spec *spec, struct instances *instances, struct process *process,
                         struct ledger *ledger, void (*report_status)(void *arg, const struct experiment_status *s),
                         void *arg, struct experiment_result *result, wn_error *err)
{
    struct experiment *x = create(spec, instances, process, ledger, err);
    if (!x)
        return err->code;
    struct engine *e = &x->engine;
    wn_status status = set_up(x, err);
    if (status == WN_OK) {
        plan(x);
        engine_event(e, "start", "%u prompts, search %s, sampler %s (%s), batches of %u, %u searches at once",
                     spec->prompt_count, spec->search.plugin->name, spec->sampler.plugin->name, e->info.model_key,
                     e->batch, spec->engine.live);
        warn_of_sets(x);
        status = run_trials(x, report_status, arg, err);
        sum_up(x, result);
        tell_stop(x, result);
        warn_of_small_budget(x, result);
        tell_busy(x, result->status.seconds);
    }
    take_down(x);
    if (status == WN_OK)
        result->timeline = e->timeline;
    else
        timeline_destroy(e->timeline);
    return destroy(x, status, err);
}
