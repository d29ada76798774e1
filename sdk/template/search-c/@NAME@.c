/* @NAME@.c - climbs from a noise to a better one near it, as a search: put your own idea in the place of `climb`. */
#include <winnow/search.h>

#include <math.h>
#include <stdlib.h>

struct options {
    int64_t tries; /* of these types, because the rows below say INT and NUMBER; winnow fills them in */
    double cosine;
};
static const wn_option options[] = {
    WN_INT(struct options, tries, "8", 1, 1e6, "noises that are tried, the first one among them"),
    WN_NUMBER(struct options, cosine, "0.8", 0, 1, "how near to the best one so far the next one is"), WN_OPTIONS_END
};

/* From a stream's noise to an image, and what the guide says of it. */
static wn_status try_stream(const wn_env *env, uint64_t stream, float *noise, double *score, wn_error *err)
{
    wn_sample sample; // those that are left when run returns are dropped by winnow
    WN_TRY(env->noise(env->ctx, stream, noise, err));
    WN_TRY(env->spawn(env->ctx, noise, 0, &sample, err));
    WN_TRY(env->advance(env->ctx, 1, &sample, env->steps, err)); // WN_E_BUDGET when it cannot be paid: a normal end
    WN_TRY(env->score(env->ctx, 1, &sample, score, err));        // NaN = no opinion
    WN_TRY(env->offer(env->ctx, sample, err));
    env->drop(env->ctx, sample);
    return WN_OK;
}

static wn_status climb(const struct options *o, const wn_env *env, float *noise, wn_error *err)
{
    uint64_t best = 0, next = 0; // streams: 0, 1, ... are fresh noises, and blend makes those near one
    double most = -INFINITY, score;
    for (int64_t i = 0; i < o->tries; i++) {
        if (i > 0)
            WN_TRY(env->blend(env->ctx, best, WN_STREAM_AUX + (uint64_t)i, o->cosine, &next, err));
        WN_TRY(try_stream(env, next, noise, &score, err));
        best = score > most ? next : best;
        most = fmax(score, most);
    }
    return WN_OK;
}

/* A function of options and env alone: no clock, no randomness of its own. So a run that was killed goes on. */
static wn_status run(void *self, const wn_env *env, wn_error *err)
{
    float *noise = malloc(env->latent_values * sizeof *noise);
    const wn_status status = noise ? climb(self, env, noise, err) : wn_fail(err, WN_E_MEMORY, "no memory for a noise");
    free(noise);
    return status;
}

/* What it takes for one prompt, said before anything runs. */
static void plan(const void *values, uint64_t steps, uint64_t evals_per_velocity, wn_search_plan *p)
{
    const struct options *o = values;
    p->candidates = p->verifier_calls = (uint64_t)o->tries;
    p->nfe = p->candidates * steps * evals_per_velocity;
}

static const wn_search search = { .struct_size = sizeof search, .plan = plan, .run = run };
static const wn_plugin plugin = { .struct_size = sizeof plugin,
                                  .kind = WN_KIND_SEARCH,
                                  .name = "@NAME@",
                                  .version = "0.1",
                                  .summary = "climbs from a noise to a better one near it",
                                  .options = options,
                                  .options_size = sizeof(struct options),
                                  .vtable = &search };
WN_MODULE(&plugin);
