/* What was made is known by its id, a hash of model, canvas, schedule, prompt, noise and moves: it is computed again
 * from what is here before anything is sampled, so that nothing else can pass for the candidate. */
#include "engine/replay.h"

#include "base/image_file.h"
#include "engine/experiment.h"
#include "engine/ground.h"
#include "engine/lineage.h"
#include "engine/start.h"
#include "engine/trial.h"
#include "engine/velocity.h"
#include "spec/bounds.h"

#include <stdlib.h>
#include <string.h>

struct made {
    const struct replay *r;
    const wn_sampler *sampler;
    void *self;
    const wn_prompt *prompt;
    wn_sampler_info info;
    struct ground *ground; /* the canvas that it is on */
    struct solver solver;  /* the ground's, with the start */
    float *start;          /* of the spec's picture, or NULL */
    struct noise_source source;
    struct lineage lineage;
    struct walk walk;
    float *v; /* as the sampler gives it; the walk keeps a copy where it needs one */
    float *z; /* scratch */
    float at; /* the sigma of the velocity that is wanted */
    struct replay_result *result;
    bool is_done;
    wn_status status; /* the first that failed, and why */
    wn_error *err;
};

/* Candidates of one prompt; those of one canvas are made at once. */
struct together {
    uint64_t count;
    uint64_t shrink;         /* of the canvas at hand */
    struct made *made;       // [count]
    struct made **wanting;   // [count]: of the round at hand
    struct walk **walks;     // [count]: theirs
    wn_velocity_item *items; // [count]
    struct velocities *velocities;
    wn_cond *cond;
};

static const char *id_of(const struct made *m)
{
    return m->r->candidate->id;
}

static wn_status no_memory(const struct made *m, wn_error *err)
{
    return wn_fail(err, WN_E_MEMORY, "no memory to make candidate %s", id_of(m));
}

wn_status replay_needs_search(const struct ledger_candidate *c, bool *needs, wn_error *err)
{
    struct lineage lineage;
    const wn_status status = lineage_read(c->lineage, &lineage, err);
    *needs = !lineage.has_stream;
    lineage_finish(&lineage);
    return status;
}

/* ---- ground ---------------------------------------------------------------------------------------------------- */

static wn_status describe(struct made *m, wn_error *err)
{
    const wn_canvas *canvas = &m->r->spec->canvas;
    uint64_t values;
    m->info.struct_size = sizeof m->info;
    WN_TRY(m->sampler->describe(m->self, &m->info, err));
    m->info.model_key[sizeof m->info.model_key - 1] = '\0';
    snprintf(m->result->model_key, sizeof m->result->model_key, "%s", m->info.model_key);
    const uint64_t positions =
        (canvas->width_px / m->info.latent_stride_px) * (canvas->height_px / m->info.latent_stride_px);
    if (__builtin_mul_overflow(positions, m->info.latent_channels, &values) || values > 1u << 28)
        return wn_fail(err, WN_E_MEMORY, "a latent of %llu x %llu values is too large",
                       (unsigned long long)m->info.latent_channels, (unsigned long long)positions);
    return WN_OK;
}

/* A size that the sampler makes: those of the search were checked with it. */
static wn_status find_canvas(struct made *m, wn_error *err)
{
    const struct spec *spec = m->r->spec;
    const uint64_t shrink = m->lineage.shrink;
    if (shrink > 1 && !(spec_shrinks(spec) >> shrink & 1))
        return wn_fail(err, WN_E_FORMAT, "lineage: /shrink is %llu, which is none of the run's search",
                       (unsigned long long)shrink);
    WN_TRY(ground_make(spec, m->self, &m->info, (uint32_t)shrink, &m->ground, err));
    m->solver = m->ground->solver;
    return WN_OK;
}

static wn_status make_ground(struct made *m, wn_error *err)
{
    const struct spec *spec = m->r->spec;
    WN_TRY(describe(m, err));
    WN_TRY(lineage_read(m->r->candidate->lineage, &m->lineage, err));
    WN_TRY(find_canvas(m, err));
    m->source = trial_noise(spec, m->prompt);
    m->source.blends = &m->lineage.blends;
    m->walk.solver = &m->solver;
    m->walk.x = calloc(m->solver.values, sizeof *m->walk.x);
    m->walk.v = calloc(m->solver.values, sizeof *m->walk.v);
    m->v = calloc(m->solver.values, sizeof *m->v);
    m->z = calloc(m->solver.values, sizeof *m->z);
    if (!m->walk.x || !m->walk.v || !m->v || !m->z)
        return no_memory(m, err);
    WN_TRY(start_latent(spec, m->self, m->solver.values, &m->start, err));
    m->solver.start = m->start;
    return WN_OK;
}

/* The moves lead from point to point of this schedule, as the engine lets them. */
static wn_status take_moves(struct made *m, wn_error *err)
{
    uint32_t at = 0;
    for (uint32_t i = 0; i < m->lineage.move_count; i++) {
        const struct move *move = &m->lineage.moves[i];
        const bool leads_back = move->kind == MOVE_RENOISE;
        if (move->point > m->solver.steps || (leads_back ? move->point >= at : move->point <= at))
            return wn_fail(err, WN_E_FORMAT, "lineage: move %u leads from point %u to %u of %u", i + 1, at, move->point,
                           m->solver.steps);
        WN_TRY(walk_append(&m->walk, *move, err));
        at = move->point;
    }
    return WN_OK;
}

static wn_status check_identity(const struct made *m, wn_error *err)
{
    const char *key = m->r->model_key ? m->r->model_key : m->info.model_key;
    const struct identity context =
        identity_context(&m->ground->spec, key, m->sampler->canvas_options, m->solver.sigma, m->prompt->text);
    const struct identity id =
        identity_candidate(&context, &m->lineage.noise, &m->source, m->lineage.move_count, m->lineage.moves);
    if (strcmp(id.text, id_of(m)) == 0)
        return WN_OK;
    return wn_fail(err, WN_E_ARG,
                   "candidate %s cannot be made here: model %s with the run's spec and prompt makes %s of its lineage; "
                   "put back what the run was made with (manifest.json says it)",
                   id_of(m), key, id.text);
}

/* ---- noise ----------------------------------------------------------------------------------------------------- */

static wn_status seek_noise(struct made *m, wn_error *err)
{
    const struct replay *r = m->r;
    struct quest quest = { .noise = m->lineage.noise, .spent = r->spent };
    m->result->was_sought = true;
    WN_TRY(experiment_seek(r->spec, r->instances, r->process, r->ledger, (uint32_t)r->candidate->trial, &quest, err));
    m->result->nfe += quest.nfe;
    m->result->noise = quest.found;
    return WN_OK;
}

static wn_status draw_noise(struct made *m, wn_error *err)
{
    const uint64_t values = solver_noise_values(&m->solver);
    noise_source_fill(&m->source, m->lineage.stream, m->result->noise, values);
    const struct identity noise = identity_noise(m->result->noise, values);
    if (strcmp(noise.text, m->lineage.noise.text) == 0)
        return WN_OK;
    return wn_fail(err, WN_E_ARG,
                   "stream %llu gives noise %s, the candidate's was %s: the run drew it on another machine",
                   (unsigned long long)m->lineage.stream, noise.text, m->lineage.noise.text);
}

static wn_status find_noise(struct made *m, wn_error *err)
{
    const uint64_t bytes = solver_noise_values(&m->solver) * sizeof *m->result->noise;
    if (!m->r->noise && !m->lineage.has_stream)
        return seek_noise(m, err);
    m->result->noise = malloc(bytes);
    if (!m->result->noise)
        return no_memory(m, err);
    if (!m->r->noise)
        return draw_noise(m, err);
    memcpy(m->result->noise, m->r->noise, bytes);
    return WN_OK;
}

/* ---- the walk -------------------------------------------------------------------------------------------------- */

static wn_status name_error(const struct made *m, const char *what, wn_error *err)
{
    const wn_error inner = *err;
    return wn_fail(err, inner.code, "%s: %s: %.900s", m->r->spec->sampler.plugin->name, what, inner.message);
}

static wn_status ask(const struct together *t, uint64_t first, uint64_t count, wn_error *err)
{
    const struct made *m = t->wanting[first];
    if (atomic_load(&m->r->process->cancelled))
        return wn_fail(err, WN_E_CANCELLED, "interrupted at point %u of %u; nothing was written", m->walk.point,
                       m->solver.steps);
    const wn_status status = velocities_ask(t->velocities, &m->ground->spec.canvas, (uint32_t)count, t->items + first,
                                            t->walks + first, NULL, err);
    return status == WN_OK || status == WN_E_CANCELLED ? status : name_error(m, "velocity", err);
}

static bool is_at_hand(const struct together *t, const struct made *m)
{
    return m->status == WN_OK && m->lineage.shrink == t->shrink;
}

static uint64_t list_wanting(struct together *t)
{
    uint64_t n = 0;
    for (uint64_t i = 0; i < t->count; i++) {
        struct made *m = &t->made[i];
        const bool want_velocity = !m->r->candidate->finished;
        if (!is_at_hand(t, m) || !solver_wants(&m->solver, &m->source, &m->walk, want_velocity, m->z, &m->at))
            continue;
        t->items[n] = (wn_velocity_item){ .x = m->walk.x, .v = m->v, .cond = t->cond, .sigma = m->at };
        t->walks[n] = &m->walk;
        t->wanting[n++] = m;
    }
    return n;
}

/* After a failed call they are tried one by one, so that only those at fault fail. */
static void advance(const struct together *t, uint64_t count)
{
    wn_error err = { 0 };
    const bool is_done = count > 1 && ask(t, 0, count, &err) == WN_OK;
    for (uint64_t i = 0; i < count; i++) {
        struct made *m = t->wanting[i];
        if (!is_done && (m->status = ask(t, i, 1, m->err)) != WN_OK)
            continue;
        solver_take(&m->solver, &m->source, &m->walk, m->v, m->z);
        m->result->nfe += m->info.evals_per_velocity;
    }
}

void replay_forget(const struct replay *r)
{
    if (r->kept && r->kept->cond)
        ((const wn_sampler *)r->spec->sampler.plugin->vtable)->cond_free(r->instances->sampler.self, r->kept->cond);
    if (r->kept)
        *r->kept = (struct replay_prompt){ 0 };
}

static wn_status encode(const struct made *m, wn_cond **cond, wn_error *err)
{
    struct replay_prompt *kept = m->r->kept;
    if (kept && kept->prompt == m->prompt && kept->shrink == m->lineage.shrink && kept->cond) {
        *cond = kept->cond;
        return WN_OK;
    }
    replay_forget(m->r);
    *cond = NULL;
    if (m->sampler->encode(m->self, m->prompt, &m->ground->spec.canvas, m->solver.sigma, cond, err) != WN_OK)
        return name_error(m, "encoding the prompt", err);
    if (kept)
        *kept = (struct replay_prompt){ m->prompt, m->lineage.shrink, *cond };
    return WN_OK;
}

/* What fails there fails for all. */
static void encode_for_all(struct together *t, const struct made *first)
{
    wn_error err = { 0 };
    const wn_status status = encode(first, &t->cond, &err);
    for (uint64_t i = 0; i < t->count && status != WN_OK; i++)
        if (is_at_hand(t, &t->made[i])) {
            t->made[i].status = status;
            *t->made[i].err = err;
        }
}

/* ---- pictures -------------------------------------------------------------------------------------------------- */

static wn_status decode(struct made *m, wn_error *err)
{
    const wn_canvas *canvas = &m->ground->spec.canvas;
    const bool has_preview = (m->info.flags & WN_SAMPLER_PREVIEW) != 0;
    const int32_t quality = m->r->candidate->finished || !has_preview ? WN_QUALITY_FULL : WN_QUALITY_PREVIEW;
    uint8_t *rgb = malloc((size_t)canvas->width_px * canvas->height_px * 3);
    const float *x0 = m->z;
    if (!rgb)
        return no_memory(m, err);
    m->result->image = (wn_image){ canvas->width_px, canvas->height_px, rgb };
    solver_x0(&m->solver, &m->walk, m->z);
    m->result->values = m->solver.values;
    return m->sampler->decode(m->self, canvas, 1, &x0, quality, &rgb, err) == WN_OK ? WN_OK
                                                                                    : name_error(m, "decoding", err);
}

/* ---- the whole ------------------------------------------------------------------------------------------------- */

static wn_status begin(struct made *m, wn_error *err)
{
    WN_TRY(make_ground(m, err));
    WN_TRY(take_moves(m, err));
    WN_TRY(check_identity(m, err));
    WN_TRY(find_noise(m, err));
    solver_begin(&m->solver, m->result->noise, m->walk.x);
    return WN_OK;
}

static void end(struct made *m)
{
    m->err->code = m->status;
    if (m->status == WN_OK) {
        m->result->latent = m->z;
        m->z = NULL;
    } else {
        replay_result_finish(m->result);
    }
    walk_finish(&m->walk);
    lineage_finish(&m->lineage);
    ground_free(m->ground);
    free(m->start);
    free(m->v);
    free(m->z);
}

/* All that lie on the canvas of the first. */
static void run_canvas(struct together *t, const struct made *first)
{
    t->shrink = first->lineage.shrink;
    encode_for_all(t, first);
    for (uint64_t n; (n = list_wanting(t)) > 0;)
        advance(t, n);
    for (uint64_t i = 0; i < t->count; i++) {
        struct made *m = &t->made[i];
        if (is_at_hand(t, m)) {
            m->status = decode(m, m->err);
            m->is_done = true;
        }
    }
    if (t->cond && !first->r->kept)
        first->sampler->cond_free(first->self, t->cond);
    t->cond = NULL;
}

static void run(struct together *t)
{
    const struct made *any = t->made;
    wn_error no_room = { 0 };
    struct velocities velocities;
    const wn_status room = velocities_open(any->sampler, any->self, (uint32_t)t->count, &velocities, &no_room);
    t->velocities = &velocities;
    for (uint64_t i = 0; i < t->count; i++) {
        struct made *m = &t->made[i];
        *m->err = no_room;
        m->status = room == WN_OK ? begin(m, m->err) : room;
    }
    for (uint64_t i = 0; i < t->count; i++)
        if (t->made[i].status == WN_OK && !t->made[i].is_done)
            run_canvas(t, &t->made[i]);
    for (uint64_t i = 0; i < t->count; i++)
        end(&t->made[i]);
    velocities_close(&velocities);
}

void replay_run_all(uint64_t count, const struct replay *r, struct replay_result *results, wn_error *errors)
{
    struct together t = { .count = count,
                          .made = calloc(count, sizeof *t.made),
                          .wanting = calloc(count, sizeof(struct made *)),
                          .walks = calloc(count, sizeof(struct walk *)),
                          .items = calloc(count, sizeof *t.items) };
    const bool has_memory = t.made && t.wanting && t.walks && t.items;
    for (uint64_t i = 0; i < count; i++) {
        results[i] = (struct replay_result){ 0 };
        errors[i] = (wn_error){ 0 };
        if (has_memory)
            t.made[i] = (struct made){ .r = &r[i],
                                       .sampler = r[i].spec->sampler.plugin->vtable,
                                       .self = r[i].instances->sampler.self,
                                       .prompt = &r[i].spec->prompts[r[i].candidate->trial],
                                       .result = &results[i],
                                       .err = &errors[i] };
        else
            wn_fail(&errors[i], WN_E_MEMORY, "no memory to make %llu candidates", (unsigned long long)count);
    }
    if (has_memory)
        run(&t);
    free(t.made);
    free(t.wanting);
    free(t.walks);
    free(t.items);
}

wn_status replay_run(const struct replay *r, struct replay_result *result, wn_error *err)
{
    replay_run_all(1, r, result, err);
    return err->code;
}

void replay_result_finish(struct replay_result *result)
{
    image_free(&result->image);
    free(result->noise);
    free(result->latent);
    *result = (struct replay_result){ 0 };
}
