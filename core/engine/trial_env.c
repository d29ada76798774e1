/* The functions of wn_env that cost no sampling: they check, charge and write down. A sample's handle is its slot and
 * the slot's generation, so that a dropped sample is recognised. */
#include "engine/scoring.h"
#include "engine/trial.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- slots ----------------------------------------------------------------------------------------------------- */

static wn_sample handle_of(const struct sample *s)
{
    return ((uint64_t)s->generation << 32) | ((uint64_t)s->slot + 1);
}

struct sample *trial_sample(struct trial *t, wn_sample handle, wn_error *err)
{
    const uint64_t slot = (handle & UINT32_MAX) - 1;
    const uint64_t generation = handle >> 32;
    if (slot < t->sample_count && t->samples[slot]->is_live && t->samples[slot]->generation == generation)
        return t->samples[slot];
    wn_fail(err, WN_E_ARG, "the search names sample %llu, which was dropped or never spawned",
            (unsigned long long)handle);
    return NULL;
}

struct sample *trial_sample_once(struct trial *t, wn_sample handle, wn_error *err)
{
    struct sample *s = trial_sample(t, handle, err);
    if (s && s->asked_in == t->call_count) {
        wn_fail(err, WN_E_ARG, "the search names sample %llu twice in one call; clone it, or name it once",
                (unsigned long long)handle);
        return NULL;
    }
    if (s)
        s->asked_in = t->call_count;
    return s;
}

static bool grow(struct trial *t)
{
    const uint32_t capacity = t->sample_capacity ? 2 * t->sample_capacity : 16;
    struct sample **grown = realloc(t->samples, capacity * sizeof(struct sample *));
    if (!grown)
        return false;
    t->samples = grown;
    t->sample_capacity = capacity;
    return true;
}

static struct sample *new_slot(struct trial *t)
{
    if (t->free_slot) {
        struct sample *s = t->samples[t->free_slot - 1];
        t->free_slot = s->next_free;
        return s;
    }
    struct sample *s = t->sample_count < t->sample_capacity || grow(t) ? calloc(1, sizeof *s) : NULL;
    if (!s)
        return NULL;
    s->slot = t->sample_count;
    t->samples[t->sample_count++] = s;
    return s;
}

struct sample *trial_new_sample(struct trial *t, const struct sample *like, struct footing *on, wn_sample *handle,
                                wn_error *err)
{
    struct sample *s = new_slot(t);
    if (!s) {
        wn_fail(err, WN_E_MEMORY, "no memory for sample %u", t->sample_count + 1);
        return NULL;
    }
    const uint32_t slot = s->slot, generation = s->generation;
    *s = like ? *like : (struct sample){ .is_live = true };
    s->slot = slot;
    s->generation = generation;
    s->footing = on;
    s->walk = (struct walk){ .solver = on->solver };
    s->kept = (struct kept){ .walk = &s->walk };
    s->stem = NULL;
    *handle = handle_of(s);
    return s;
}

bool sample_is_at_end(const struct sample *s)
{
    return s->point == s->footing->solver->steps;
}

bool sample_is_finished(const struct sample *s)
{
    return sample_is_at_end(s) && s->footing->shrink == 1;
}

void trial_free_sample(struct trial *t, struct sample *s)
{
    state_drop(t, s);
    *s = (struct sample){ .slot = s->slot, .generation = s->generation + 1, .next_free = t->free_slot };
    t->free_slot = s->slot + 1;
}

void trial_free_samples(struct trial *t)
{
    for (uint32_t i = 0; i < t->sample_count; i++) {
        state_drop(t, t->samples[i]);
        free(t->samples[i]);
    }
    free(t->samples);
    t->samples = NULL;
    t->sample_count = 0;
}

/* ---- noise ----------------------------------------------------------------------------------------------------- */

static double env_budget_left(void *ctx, int32_t currency)
{
    const struct trial *t = ctx;
    return budget_left(&t->budget, currency);
}

static uint32_t origin_slot(const struct identity *noise)
{
    uint32_t key;
    memcpy(&key, noise->text, sizeof key);
    return (key * 2654435761u) >> 24; /* of ORIGIN_SLOTS = 2^8 */
}

static wn_status env_noise(void *ctx, uint64_t stream, float *dst, wn_error *err)
{
    struct trial *t = ctx;
    const uint64_t values = t->engine->solver.values;
    WN_TRY(blends_check(&t->blends, stream, err));
    noise_source_fill(&t->noise, stream, dst, values);
    const struct identity id = identity_noise(dst, values);
    const uint32_t slot = origin_slot(&id);
    t->origins[slot].noise = id;
    t->origins[slot].stream_plus_1 = stream + 1;
    return WN_OK;
}

static wn_status env_blend(void *ctx, uint64_t base, uint64_t with, double cosine, uint64_t *stream, wn_error *err)
{
    struct trial *t = ctx;
    return blends_add(&t->blends, base, with, cosine, stream, err);
}

static uint64_t env_random_u64(void *ctx, uint64_t stream, uint64_t index)
{
    const struct trial *t = ctx;
    return noise_random_u64(t->noise.aux_seed, stream, index);
}

/* ---- samples --------------------------------------------------------------------------------------------------- */

static void find_origin(const struct trial *t, struct sample *s)
{
    const uint32_t slot = origin_slot(&s->noise);
    s->has_stream = t->origins[slot].stream_plus_1 > 0 && strcmp(t->origins[slot].noise.text, s->noise.text) == 0;
    if (s->has_stream)
        s->stream = t->origins[slot].stream_plus_1 - 1;
}

/* The noise that is looked for is all that anybody wants of the search. */
static wn_status end_quest(const struct trial *t, const struct sample *s, const float *noise, wn_error *err)
{
    struct quest *q = t->engine->quest;
    const size_t bytes = t->engine->solver.values * sizeof *noise;
    if (!q || strcmp(q->noise.text, s->noise.text) != 0)
        return WN_OK;
    q->found = malloc(bytes);
    if (!q->found)
        return wn_fail(err, WN_E_MEMORY, "no memory for a noise of %llu bytes", (unsigned long long)bytes);
    memcpy(q->found, noise, bytes);
    return wn_fail(err, WN_E_CANCELLED, "the noise was found");
}

static wn_status env_spawn(void *ctx, const float *noise, wn_sample parent, wn_sample *out, wn_error *err)
{
    struct trial *t = ctx;
    struct identity parent_id = { "" };
    wn_sample origin = 0;
    if (parent) {
        const struct sample *p = trial_sample(t, parent, err);
        if (!p)
            return err->code;
        parent_id = p->scored;
        origin = p->scored.text[0] ? 0 : parent;
    }
    struct sample *s = trial_new_sample(t, NULL, &t->footing, out, err);
    if (!s)
        return err->code;
    s->noise = identity_noise(noise, t->engine->solver.values);
    s->parent = parent_id;
    s->origin = origin;
    find_origin(t, s);
    if (end_quest(t, s, noise, err) != WN_OK || state_create(t, s, noise, err) != WN_OK) {
        trial_free_sample(t, s);
        return err->code;
    }
    return WN_OK;
}

static wn_status env_clone(void *ctx, wn_sample sample, wn_sample *out, wn_error *err)
{
    struct trial *t = ctx;
    struct sample *from = trial_sample(t, sample, err);
    struct sample *s = from ? trial_new_sample(t, from, from->footing, out, err) : NULL;
    if (!s)
        return err->code;
    s->unscored_nfe = 0; /* the original answers for them */
    s->unsampled_nfe = 0;
    s->peek_seconds = 0;
    if (state_share(t, from, s, err) != WN_OK) {
        trial_free_sample(t, s);
        return err->code;
    }
    return WN_OK;
}

static void env_drop(void *ctx, wn_sample sample)
{
    struct trial *t = ctx;
    wn_error err;
    struct sample *s = sample ? trial_sample(t, sample, &err) : NULL;
    if (s)
        trial_free_sample(t, s);
}

/* ---- moves ----------------------------------------------------------------------------------------------------- */

static wn_status check_point(const struct trial *t, uint64_t point, wn_error *err)
{
    if (point <= t->engine->solver.steps)
        return WN_OK;
    return wn_fail(err, WN_E_ARG, "the search asks for point %llu of a schedule of %u steps", (unsigned long long)point,
                   t->engine->solver.steps);
}

wn_status trial_goes_on(const struct trial *t, wn_error *err)
{
    if (engine_is_stopping(t->engine))
        return wn_fail(err, WN_E_CANCELLED, "the run was interrupted");
    if (t->fault.code != WN_OK) {
        *err = t->fault;
        return err->code;
    }
    return WN_OK;
}

void trial_charge(struct sample *s, uint64_t nfe)
{
    s->nfe += nfe;
    s->unscored_nfe += nfe;
    s->unsampled_nfe += nfe;
}

/* Velocity calls that a way of `velocities` still costs: one may be paid for already. */
static uint64_t cost(const struct trial *t, const struct sample *s, uint64_t velocities)
{
    if (velocities > 0 && s->has_paid_velocity)
        velocities--;
    return velocities * t->engine->info.evals_per_velocity;
}

/* Parents are the candidates that samples were scored as before they moved on. */
static wn_status move_sample(struct sample *s, struct move move, uint64_t nfe, wn_error *err)
{
    WN_TRY(walk_append(&s->walk, move, err));
    trial_charge(s, nfe);
    if (s->is_scored) {
        s->parent = s->scored;
        s->origin = 0;
    }
    s->is_scored = false;
    s->has_paid_velocity = false;
    s->point = move.point;
    return WN_OK;
}

static wn_status advance_cost(struct trial *t, uint64_t count, const wn_sample *samples, uint64_t point, uint64_t *nfe,
                              wn_error *err)
{
    *nfe = 0;
    t->call_count++;
    for (uint64_t i = 0; i < count; i++) {
        const struct sample *s = trial_sample_once(t, samples[i], err);
        if (!s)
            return err->code;
        if (s->point > point)
            return wn_fail(err, WN_E_ARG, "a sample at point %u cannot advance to %llu; renoise leads back", s->point,
                           (unsigned long long)point);
        *nfe += cost(t, s, solver_velocities(&t->engine->solver, s->point, point));
    }
    return WN_OK;
}

static wn_status env_advance(void *ctx, uint64_t count, const wn_sample *samples, uint64_t point, wn_error *err)
{
    struct trial *t = ctx;
    struct charge charge = { 0 };
    WN_TRY(trial_goes_on(t, err));
    WN_TRY(check_point(t, point, err));
    WN_TRY(advance_cost(t, count, samples, point, &charge.nfe, err));
    WN_TRY(budget_take(&t->budget, charge, err));
    for (uint64_t i = 0; i < count; i++) {
        struct sample *s = trial_sample(t, samples[i], err);
        const struct move move = { .kind = MOVE_ADVANCE, .point = (uint32_t)point };
        if (s->point < point)
            WN_TRY(move_sample(s, move, cost(t, s, solver_velocities(&t->engine->solver, s->point, point)), err));
    }
    return WN_OK;
}

static wn_status env_renoise(void *ctx, wn_sample sample, uint64_t point, uint64_t stream, wn_error *err)
{
    struct trial *t = ctx;
    WN_TRY(trial_goes_on(t, err));
    struct sample *s = trial_sample(t, sample, err);
    if (!s)
        return err->code;
    if (point > s->point)
        return wn_fail(err, WN_E_ARG, "a sample at point %u cannot be noised to %llu; advance leads on", s->point,
                       (unsigned long long)point);
    if (point == s->point)
        return WN_OK;
    WN_TRY(blends_check(&t->blends, stream, err));
    return move_sample(s, (struct move){ .kind = MOVE_RENOISE, .point = (uint32_t)point, .stream = stream }, 0, err);
}

static wn_status check_kernel(wn_kernel k, wn_error *err)
{
    if (k.kind < WN_KERNEL_CPS || k.kind > WN_KERNEL_RBF_VP)
        return wn_fail(err, WN_E_ARG, "kernel %lld of a kick is none of %d to %d", (long long)k.kind, WN_KERNEL_CPS,
                       WN_KERNEL_RBF_VP);
    if (k.kind == WN_KERNEL_CPS && !(k.scale >= 0 && k.scale <= 1))
        return wn_fail(err, WN_E_ARG, "eta %g of a coefficient-preserving kick is not within 0 and 1", k.scale);
    if (!(k.scale >= 0) || isinf(k.scale))
        return wn_fail(err, WN_E_ARG, "scale %g of a kick is not a number from 0 up", k.scale);
    return WN_OK;
}

static wn_status env_kick(void *ctx, wn_sample sample, uint64_t point, wn_kernel kernel, uint64_t stream, wn_error *err)
{
    struct trial *t = ctx;
    WN_TRY(trial_goes_on(t, err));
    WN_TRY(check_point(t, point, err));
    struct sample *s = trial_sample(t, sample, err);
    if (!s)
        return err->code;
    if (point <= s->point)
        return wn_fail(err, WN_E_ARG, "a sample at point %u cannot be kicked to %llu; a kick leads on", s->point,
                       (unsigned long long)point);
    WN_TRY(check_kernel(kernel, err));
    WN_TRY(blends_check(&t->blends, stream, err));
    const struct charge charge = { .nfe = cost(t, s, 1) };
    WN_TRY(budget_take(&t->budget, charge, err));
    const struct move move = { .kind = MOVE_KICK, .point = (uint32_t)point, .stream = stream, .kernel = kernel };
    return move_sample(s, move, charge.nfe, err);
}

static wn_status env_kick_cps(void *ctx, wn_sample sample, uint64_t point, double eta, uint64_t stream, wn_error *err)
{
    return env_kick(ctx, sample, point, (wn_kernel){ WN_KERNEL_CPS, eta }, stream, err);
}

/* ---- offers ---------------------------------------------------------------------------------------------------- */

static void note_best(struct trial *t, double score)
{
    if (isnan(score) || score <= t->best_offer)
        return;
    struct engine *e = t->engine;
    pthread_mutex_lock(&e->mutex);
    if (isnan(t->best_offer))
        e->trials_with_best++;
    e->best_sum += score - (isnan(t->best_offer) ? 0 : t->best_offer);
    pthread_mutex_unlock(&e->mutex);
    t->best_offer = score;
}

/* What a guide that compares says has no meaning from set to set, so the ledger's scores do not tell who is best: the
 * last offer does. Where the one just made is not better than the best before it, by what the guide said of them last,
 * that one is offered again. */
static wn_status offer_choice(struct trial *t, const struct seen *offered, wn_error *err)
{
    const struct seen *choice = seen_find(&t->seen, &t->choice);
    if (!choice || offered->score > choice->score || (isnan(choice->score) && !isnan(offered->score)))
        t->choice = offered->id;
    if (strcmp(t->choice.text, offered->id.text) == 0)
        return WN_OK;
    return ledger_offer(t->engine->ledger, t->index, ++t->offer_count, t->choice.text, err);
}

static wn_status env_offer(void *ctx, wn_sample sample, wn_error *err)
{
    struct trial *t = ctx;
    const struct sample *s = trial_sample(t, sample, err);
    if (!s)
        return err->code;
    if (s->footing->shrink > 1)
        return wn_fail(err, WN_E_ARG,
                       "the search offers a sample on a canvas shrunk by %u, which is no result; bring its "
                       "noise to the end on the whole one",
                       s->footing->shrink);
    if (!sample_is_finished(s) || !s->is_scored)
        return wn_fail(err, WN_E_ARG, "the search offers a sample that is at point %u of %u and %s scored", s->point,
                       t->engine->solver.steps, s->is_scored ? "is" : "is not");
    const struct seen *offered = seen_find(&t->seen, &s->scored);
    note_best(t, offered->score);
    WN_TRY(ledger_offer(t->engine->ledger, t->index, ++t->offer_count, s->scored.text, err));
    return t->engine->guide_is_comparative ? offer_choice(t, offered, err) : WN_OK;
}

static uint64_t env_cost(void *ctx, uint64_t from, uint64_t to)
{
    const struct engine *e = ((const struct trial *)ctx)->engine;
    return to > e->solver.steps ? 0 : solver_velocities(&e->solver, from, to) * e->info.evals_per_velocity;
}

void trial_bind_env(struct trial *t)
{
    const struct engine *e = t->engine;
    t->env = (wn_env){
        .struct_size = sizeof t->env,
        .ctx = t,
        .prompt = t->prompt,
        .steps = e->solver.steps,
        .sigma = e->solver.sigma,
        .latent_values = e->solver.values,
        .latent_channels = e->info.latent_channels,
        .latent_height = e->latent_height,
        .latent_width = e->latent_width,
        .evals_per_velocity = e->info.evals_per_velocity,
        .batch_hint = e->guide_is_comparative ? scoring_set_max(e->scoring) : e->batch,
        .budget_left = env_budget_left,
        .noise = env_noise,
        .random_u64 = env_random_u64,
        .spawn = env_spawn,
        .clone = env_clone,
        .drop = env_drop,
        .advance = env_advance,
        .renoise = env_renoise,
        .kick_cps = env_kick_cps,
        .kick = env_kick,
        .peek = trial_peek,
        .score = trial_score,
        .offer = env_offer,
        .cost = env_cost,
        .blend = env_blend,
        .guide_compares = e->guide_is_comparative,
        .shrink = trial_shrink,
        .shrunk_sigma = trial_shrunk_sigma,
    };
}
