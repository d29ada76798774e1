/* Canvases of a trial, and drafts on smaller ones: the noise of a sample, shrunk, is where another begins. Each canvas
 * has its own encoding of the prompt and its own ids; noises are named as what they were before they were shrunk, so
 * that streams, lineages and the search for a noise know them. */
#include "engine/trial.h"

#include <stdlib.h>
#include <string.h>

static void take_footing(struct trial *t, struct footing *f, const struct spec *spec, const struct solver *solver)
{
    const struct engine *e = t->engine;
    *f = (struct footing){ .solver = solver, .shrink = solver->shrink > 1 ? solver->shrink : 1 };
    f->conditioning = (struct conditioning){
        .prompt = t->prompt, .canvas = &spec->canvas, .sigma = solver->sigma, .noise = &t->noise
    };
    f->context = identity_context(spec, e->info.model_key, e->sampler->canvas_options, solver->sigma, t->prompt->text);
}

void trial_stand(struct trial *t)
{
    take_footing(t, &t->footing, t->engine->spec, &t->engine->solver);
}

void trial_leave(struct trial *t)
{
    for (struct footing *f = &t->footing, *next; f; f = next) {
        next = f->next;
        batcher_release(t->engine->batcher, &f->conditioning);
        if (f != &t->footing)
            free(f);
    }
    t->footing.next = NULL;
}

static wn_status stand_smaller(struct trial *t, uint64_t factor, struct footing **out, wn_error *err)
{
    const struct ground *ground;
    for (struct footing *f = t->footing.next; f; f = f->next)
        if (f->shrink == factor) {
            *out = f;
            return WN_OK;
        }
    WN_TRY(engine_shrink(t->engine, factor, &ground, err));
    struct footing *f = malloc(sizeof *f);
    if (!f)
        return wn_fail(err, WN_E_MEMORY, "no memory for a canvas");
    take_footing(t, f, &ground->spec, &ground->solver);
    f->next = t->footing.next;
    t->footing.next = f;
    *out = f;
    return WN_OK;
}

/* What of a sample its draft has: the noise, its name and its parent. */
static struct sample draft_of(const struct sample *s)
{
    struct sample like = { .is_live = true,
                           .has_stream = s->has_stream,
                           .stream = s->stream,
                           .noise = s->noise,
                           .parent = s->parent,
                           .origin = s->origin };
    if (s->is_scored) {
        like.parent = s->scored;
        like.origin = 0;
    }
    return like;
}

wn_status trial_shrink(void *ctx, wn_sample sample, uint64_t factor, wn_sample *out, wn_error *err)
{
    struct trial *t = ctx;
    struct footing *on = NULL;
    WN_TRY(trial_goes_on(t, err));
    struct sample *from = trial_sample(t, sample, err);
    if (!from)
        return err->code;
    if (from->walk.move_count > 0 || from->footing != &t->footing)
        return wn_fail(err, WN_E_ARG, "the search shrinks a sample that %s; only its noise can be shrunk",
                       from->walk.move_count > 0 ? "has moved" : "is on a smaller canvas already");
    WN_TRY(stand_smaller(t, factor, &on, err));
    WN_TRY(state_bring_up(t, from, false, err));
    const struct sample like = draft_of(from);
    struct sample *s = trial_new_sample(t, &like, on, out, err);
    if (s && state_create(t, s, from->walk.x, err) == WN_OK)
        return WN_OK;
    if (s)
        trial_free_sample(t, s);
    return err->code;
}

wn_status trial_shrunk_sigma(void *ctx, uint64_t factor, float *sigma, wn_error *err)
{
    struct trial *t = ctx;
    const struct ground *ground = NULL;
    if (factor != 1)
        WN_TRY(engine_shrink(t->engine, factor, &ground, err));
    const struct solver *solver = ground ? &ground->solver : &t->engine->solver;
    memcpy(sigma, solver->sigma, ((size_t)solver->steps + 1) * sizeof *sigma);
    return WN_OK;
}
