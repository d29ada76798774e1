/* A search of the old days: one noise after the other, and a mirrored one of each; all are offered. */
#include <winnow/search.h>

#include <stdlib.h>

struct options {
    int64_t pairs;
};

static const wn_option options[] = {
    WN_INT(struct options, pairs, "2", 1, 1000, "noises, each tried as it is and mirrored"), WN_OPTIONS_END
};

static void plan(const void *values, uint64_t steps, uint64_t evals_per_velocity, wn_search_plan *p)
{
    p->candidates = 2 * (uint64_t)((const struct options *)values)->pairs;
    p->verifier_calls = p->candidates;
    p->nfe = p->candidates * steps * evals_per_velocity;
}

static wn_status try(const wn_env *env, const float *noise, wn_sample parent, wn_sample *sample, wn_error *err)
{
    double score;
    WN_TRY(env->spawn(env->ctx, noise, parent, sample, err));
    WN_TRY(env->advance(env->ctx, 1, sample, env->steps, err));
    WN_TRY(env->score(env->ctx, 1, sample, &score, err));
    return env->offer(env->ctx, *sample, err);
}

static wn_status try_pairs(const struct options *o, const wn_env *env, float *noise, wn_error *err)
{
    for (uint64_t i = 0; i < (uint64_t)o->pairs; i++) {
        wn_sample first, second;
        WN_TRY(env->noise(env->ctx, i, noise, err));
        WN_TRY(try(env, noise, 0, &first, err));
        for (uint64_t k = 0; k < env->latent_values; k++)
            noise[k] = -noise[k];
        WN_TRY(try(env, noise, first, &second, err));
        env->drop(env->ctx, first);
        env->drop(env->ctx, second);
    }
    return WN_OK;
}

static wn_status run(void *self, const wn_env *env, wn_error *err)
{
    float *noise = malloc(env->latent_values * sizeof *noise);
    if (!noise)
        return wn_fail(err, WN_E_MEMORY, "no memory for %llu values", (unsigned long long)env->latent_values);
    const wn_status status = try_pairs(*(const struct options **)self, env, noise, err);
    free(noise);
    return status;
}

static wn_status create(const wn_host *host, const void *values, void **self, wn_error *err)
{
    const void **state = malloc(sizeof *state);
    (void)host;
    if (!state)
        return wn_fail(err, WN_E_MEMORY, "no memory");
    *state = values;
    *self = state;
    return WN_OK;
}

static const wn_search search = { .struct_size = sizeof search, .plan = plan, .run = run };
static const wn_plugin plugin = { .struct_size = sizeof plugin,
                                  .kind = WN_KIND_SEARCH,
                                  .name = "old",
                                  .version = "1.0",
                                  .summary = "noises and their mirror images",
                                  .source = "",
                                  .options = options,
                                  .options_size = sizeof(struct options),
                                  .create = create,
                                  .destroy = free,
                                  .vtable = &search };
WN_MODULE(&plugin);
