/* A search that uses all of env. */
#include "probes.h"

#include <winnow/search.h>

#include <stdlib.h>
#include <string.h>

struct walk_options {
    int64_t rounds;
    int64_t width;
    const char *misbehave;
};

static const wn_option walk_table[] = {
    WN_INT(struct walk_options, rounds, "3", 1, 1000, "rounds"),
    WN_INT(struct walk_options, width, "4", 1, 16, "samples in a round"),
    WN_ENUM(struct walk_options, misbehave, "\"no\"", "no|dropped|advance|score|cancelled",
            "uses a sample that it dropped, names one twice, or says that it was cancelled"),
    WN_OPTIONS_END
};

enum { WALK_MAX = 16, WALK_STREAMS = 1000 };

static wn_status walk_on(const wn_env *env, uint64_t width, wn_sample *s, uint64_t *stream, wn_error *err)
{
    double preview[WALK_MAX];
    const uint64_t middle = env->steps / 2;
    WN_TRY(env->advance(env->ctx, width, s, middle, err));
    WN_TRY(env->score(env->ctx, width, s, preview, err));
    for (uint64_t i = 0; i < width; i++) {
        const uint64_t random = env->random_u64(env->ctx, 5, (*stream)++);
        const uint64_t choice = random % 4;
        const wn_kernel kernel = { WN_KERNEL_CPS + (int64_t)(random / 4 % WN_KERNEL_RBF_VP), 0.5 };
        wn_sample copy;
        if (choice == 0)
            WN_TRY(env->kick(env->ctx, s[i], middle + 1, kernel, WN_STREAM_AUX + *stream, err));
        if (choice == 1)
            WN_TRY(env->renoise(env->ctx, s[i], 1, WN_STREAM_AUX + *stream, err));
        if (choice == 2) { /* the best preview's double takes this one's place */
            const uint64_t best = preview[0] > preview[width - 1] ? 0 : width - 1;
            WN_TRY(env->clone(env->ctx, s[best], &copy, err));
            env->drop(env->ctx, s[i]);
            s[i] = copy;
            WN_TRY(env->renoise(env->ctx, s[i], 1, *stream, err));
            WN_TRY(env->kick(env->ctx, s[i], env->steps - 1, (wn_kernel){ WN_KERNEL_CPS, 1 }, *stream, err));
        }
    }
    return env->advance(env->ctx, width, s, env->steps, err);
}

static wn_status walk_round(const wn_env *env, uint64_t width, uint64_t round, uint64_t *stream, float *noise,
                            wn_error *err)
{
    wn_sample s[WALK_MAX];
    double scores[WALK_MAX];
    for (uint64_t i = 0; i < width; i++) {
        WN_TRY(env->noise(env->ctx, round * width + i, noise, err));
        WN_TRY(env->spawn(env->ctx, noise, 0, &s[i], err));
    }
    if (round % 2) { /* a look on the way changes nothing */
        WN_TRY(env->advance(env->ctx, 1, s, 1, err));
        WN_TRY(env->peek(env->ctx, s[0], NULL, noise, err));
    }
    WN_TRY(walk_on(env, width, s, stream, err));
    WN_TRY(env->score(env->ctx, width, s, scores, err));
    WN_TRY(env->score(env->ctx, width, s, scores, err));
    for (uint64_t i = 0; i < width; i++) {
        WN_TRY(env->offer(env->ctx, s[i], err));
        env->drop(env->ctx, s[i]);
    }
    return WN_OK;
}

static wn_status misbehave(const char *how, const wn_env *env, const float *noise, wn_error *err)
{
    wn_sample twice[2];
    double scores[2];
    if (strcmp(how, "no") == 0)
        return WN_OK;
    if (strcmp(how, "cancelled") == 0)
        return wn_fail(err, WN_E_CANCELLED, "the search was told to say so");
    WN_TRY(env->spawn(env->ctx, noise, 0, &twice[0], err));
    twice[1] = twice[0];
    if (strcmp(how, "dropped") == 0)
        env->drop(env->ctx, twice[0]);
    if (strcmp(how, "score") == 0)
        return env->score(env->ctx, 2, twice, scores, err);
    return env->advance(env->ctx, 2, twice, 1, err);
}

static wn_status walk_run(void *self, const wn_env *env, wn_error *err)
{
    const struct walk_options *o = self;
    uint64_t stream = WALK_STREAMS;
    float *noise = malloc(env->latent_values * sizeof *noise);
    if (!noise)
        return wn_fail(err, WN_E_MEMORY, "no memory");
    wn_status status = WN_OK;
    for (int64_t i = 0; i < o->rounds && status == WN_OK; i++)
        status = walk_round(env, (uint64_t)o->width, (uint64_t)i, &stream, noise, err);
    if (status == WN_OK)
        status = misbehave(o->misbehave, env, noise, err);
    free(noise);
    return status;
}

static void walk_plan(const void *options, uint64_t steps, uint64_t evals_per_velocity, wn_search_plan *plan)
{
    const struct walk_options *o = options;
    plan->candidates = (uint64_t)(o->rounds * o->width);
    plan->verifier_calls = 3 * plan->candidates;
    plan->nfe = 3 * plan->candidates * steps * evals_per_velocity;
}

static const wn_search walk_search = {
    .struct_size = sizeof walk_search, .flags = WN_SEARCH_NEEDS_PREVIEW, .plan = walk_plan, .run = walk_run
};

const wn_plugin probe_walk = {
    .struct_size = sizeof(wn_plugin),
    .kind = WN_KIND_SEARCH,
    .name = "probe_walk",
    .version = "1",
    .summary = "uses all of env",
    .source = "",
    .options = walk_table,
    .options_size = sizeof(struct walk_options),
    .vtable = &walk_search,
};
