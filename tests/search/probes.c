/* probes.c - plugins for tests: a sampler and a verifier that fail on demand, a verifier that compares, a search that
 * uses all of env. */
#include <winnow/sampler.h>
#include <winnow/search.h>
#include <winnow/verifier.h>

#include <math.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- a sampler that fails for prompts that contain a word ------------------------------------------------------- */

struct fail_options {
    const char *encode;
    const char *velocity;
    const char *decode;
    const char *nan;
    int64_t memory_over;
    int32_t is_moody;
    int32_t is_strict;
    int64_t lost_at;
    int64_t fails_at;
};

static atomic_int device_calls; /* of velocity, in all instances */

static const wn_option fail_table[] = {
    WN_STRING(struct fail_options, encode, "\"\"", "encoding fails for prompts that contain this word"),
    WN_STRING(struct fail_options, velocity, "\"\"", "velocity fails for them"),
    WN_STRING(struct fail_options, decode, "\"\"", "decode fails for pictures of them"),
    WN_STRING(struct fail_options, nan, "\"\"", "velocity is NaN for them"),
    WN_INT(struct fail_options, memory_over, "0", 0, 1e6, "velocity runs out of memory over this count; 0 = never"),
    WN_INT(struct fail_options, lost_at, "0", 0, 1e6, "the device fails at this call of velocity; 0 = never"),
    WN_INT(struct fail_options, fails_at, "0", 0, 1e6, "this call of velocity fails; 0 = none"),
    WN_BOOL(struct fail_options, is_moody, "false", "decode fails for latents whose first value is positive"),
    WN_BOOL(struct fail_options, is_strict, "false",
            "velocity fails for what was encoded for another canvas, and for sigmas of another; previews are black"),
    WN_OPTIONS_END
};

struct wn_cond {
    int fails_velocity, gives_nan, fails_decode;
    uint32_t width_px, height_px;
};

static int names(const char *prompt, const char *word)
{
    return word[0] && strstr(prompt, word) != NULL;
}

static wn_status fail_describe(void *self, wn_sampler_info *info, wn_error *err)
{
    (void)self, (void)err;
    *info = (wn_sampler_info){
        .struct_size = info->struct_size,
        .parametrisation = WN_PARAMETRISATION_FLOW,
        .latent_channels = 1,
        .flags = WN_SAMPLER_PREVIEW,
        .latent_stride_px = 8,
        .size_multiple_px = 8,
        .min_size_px = 8,
        .max_size_px = 64,
        .evals_per_velocity = 1,
        .max_batch = 64,
        .model_key = "fail",
    };
    return WN_OK;
}

static wn_status fail_schedule(void *self, const wn_canvas *canvas, float *sigma, wn_error *err)
{
    const struct fail_options *o = self;
    (void)err;
    for (uint32_t i = 0; i <= canvas->steps; i++) {
        sigma[i] = 1 - (float)i / (float)canvas->steps;
        if (o->is_strict) /* each canvas has its own */
            sigma[i] = powf(sigma[i], 32 / (float)canvas->width_px);
    }
    return WN_OK;
}

static bool has_sigma(void *self, const wn_canvas *canvas, float sigma)
{
    float own[65];
    wn_error err;
    bool is_there = false;
    fail_schedule(self, canvas, own, &err);
    for (uint32_t i = 0; i < canvas->steps; i++)
        is_there |= own[i] == sigma;
    return is_there;
}

/* As a device fails, for what fails otherwise is tried again alone. */
static wn_status check_item(void *self, const wn_canvas *canvas, const wn_velocity_item *item, wn_error *err)
{
    const wn_cond *c = item->cond;
    if (!((const struct fail_options *)self)->is_strict)
        return WN_OK;
    if (c->width_px != canvas->width_px || c->height_px != canvas->height_px)
        return wn_fail(err, WN_E_DEVICE, "a prompt encoded for %u px on a canvas of %u px", c->width_px,
                       canvas->width_px);
    return has_sigma(self, canvas, item->sigma)
               ? WN_OK
               : wn_fail(err, WN_E_DEVICE, "sigma %g on a canvas of %u px", (double)item->sigma, canvas->width_px);
}

static wn_status fail_encode(void *self, const wn_prompt *prompt, const wn_canvas *canvas, const float *sigma,
                             wn_cond **cond, wn_error *err)
{
    const struct fail_options *o = self;
    if (o->is_strict && !has_sigma(self, canvas, sigma[1]))
        return wn_fail(err, WN_E_INTERNAL, "sigma %g is told of a canvas of %u px", (double)sigma[1], canvas->width_px);
    if (names(prompt->text, o->encode))
        return wn_fail(err, WN_E_INTERNAL, "encode was told to fail");
    *cond = malloc(sizeof **cond);
    if (!*cond)
        return wn_fail(err, WN_E_MEMORY, "no memory");
    **cond = (wn_cond){ names(prompt->text, o->velocity), names(prompt->text, o->nan), names(prompt->text, o->decode),
                        canvas->width_px, canvas->height_px };
    return WN_OK;
}

static void fail_cond_free(void *self, wn_cond *cond)
{
    (void)self;
    free(cond);
}

/* Pictures of prompts that decode is to refuse carry a mark: their first value is far away. */
static wn_status fail_velocity(void *self, const wn_canvas *canvas, uint64_t count, const wn_velocity_item *items,
                               wn_error *err)
{
    const struct fail_options *o = self;
    const uint32_t values = canvas->width_px / 8 * (canvas->height_px / 8);
    if (o->lost_at > 0 && ++device_calls == (int)o->lost_at)
        return wn_fail(err, WN_E_DEVICE, "the device was lost");
    if (o->fails_at > 0 && ++device_calls == (int)o->fails_at)
        return wn_fail(err, WN_E_INTERNAL, "this call was told to fail");
    if (o->memory_over > 0 && count > (uint64_t)o->memory_over)
        return wn_fail(err, WN_E_MEMORY, "%llu items are more than %lld", (unsigned long long)count,
                       (long long)o->memory_over);
    for (uint64_t i = 0; i < count; i++) {
        WN_TRY(check_item(self, canvas, &items[i], err));
        if (items[i].cond->fails_velocity)
            return wn_fail(err, WN_E_INTERNAL, "velocity was told to fail");
        for (uint32_t k = 0; k < values; k++)
            items[i].v[k] = items[i].cond->gives_nan ? NAN : 0.5f * items[i].x[k];
        if (items[i].cond->fails_decode)
            items[i].v[0] = -1000;
    }
    return WN_OK;
}

static wn_status fail_decode(void *self, const wn_canvas *canvas, uint64_t count, const float *const *x0,
                             int32_t quality, uint8_t *const *rgb, wn_error *err)
{
    const struct fail_options *o = self;
    const float gain = o->is_strict && quality == WN_QUALITY_PREVIEW ? -INFINITY : 0;
    const uint32_t columns = canvas->width_px / 8;
    for (uint64_t i = 0; i < count; i++) {
        if (x0[i][0] > 500 || (o->is_moody && x0[i][0] > 0))
            return wn_fail(err, WN_E_INTERNAL, "decode was told to fail");
        for (uint32_t y = 0; y < canvas->height_px; y++)
            for (uint32_t x = 0; x < canvas->width_px; x++)
                memset(rgb[i] + (y * canvas->width_px + x) * 3,
                       (uint8_t)fminf(fmaxf(gain + 128 + 60 * x0[i][y / 8 * columns + x / 8], 0), 255), 3);
    }
    return WN_OK;
}

static const wn_sampler fail_sampler = {
    .struct_size = sizeof fail_sampler,
    .describe = fail_describe,
    .schedule = fail_schedule,
    .encode = fail_encode,
    .cond_free = fail_cond_free,
    .velocity = fail_velocity,
    .decode = fail_decode,
};

static const wn_plugin fail_plugin = {
    .struct_size = sizeof fail_plugin,
    .kind = WN_KIND_SAMPLER,
    .name = "probe_sampler",
    .version = "1",
    .summary = "fails on demand",
    .source = "",
    .options = fail_table,
    .options_size = sizeof(struct fail_options),
    .vtable = &fail_sampler,
};

/* ---- verifiers --------------------------------------------------------------------------------------------------- */

struct sulk_options {
    const char *mode;
};

static const wn_option sulk_table[] = { WN_ENUM(struct sulk_options, mode, "\"error\"",
                                                "error|nan|dark|picky|cancelled",
                                                "what it does: fail, have no opinion, or only on dark ones; "
                                                "fail on a batch with a dark one; say that it was cancelled"),
                                        WN_OPTIONS_END };

static double brightness(const wn_image *image)
{
    double sum = 0;
    for (uint32_t i = 0; i < image->width_px * image->height_px * 3; i++)
        sum += image->rgb[i];
    return sum / (image->width_px * image->height_px * 3.0);
}

static wn_status sulk_score(void *self, const wn_score_request *request, wn_error *err)
{
    const struct sulk_options *o = self;
    if (strcmp(o->mode, "error") == 0)
        return wn_fail(err, WN_E_IO, "the verifier was told to fail");
    if (strcmp(o->mode, "cancelled") == 0)
        return wn_fail(err, WN_E_CANCELLED, "the verifier was told to say so");
    for (uint64_t i = 0; i < request->count; i++) {
        const double light = brightness(&request->images[i]);
        if (strcmp(o->mode, "picky") == 0 && light < 128)
            return wn_fail(err, WN_E_IO, "the verifier fails on dark ones");
        if (strcmp(o->mode, "nan") != 0 && light >= 128)
            request->scores[i] = light;
    }
    return WN_OK;
}

static const wn_metric sulk_metrics[] = { { "light", "brightness", 0, 255, WN_METRIC_HIGHER_IS_BETTER } };
static const wn_verifier sulk_verifier = {
    .struct_size = sizeof sulk_verifier, .metrics = sulk_metrics, .metric_count = 1, .max_batch = 3, .score = sulk_score
};

static const wn_plugin sulk_plugin = {
    .struct_size = sizeof sulk_plugin,
    .kind = WN_KIND_VERIFIER,
    .name = "probe_sulk",
    .version = "1",
    .summary = "fails or has no opinion",
    .source = "",
    .options = sulk_table,
    .options_size = sizeof(struct sulk_options),
    .vtable = &sulk_verifier,
};

static wn_status rank_score(void *self, const wn_score_request *request, wn_error *err)
{
    (void)self, (void)err;
    for (uint64_t i = 0; i < request->count; i++) {
        double below = 0;
        for (uint64_t k = 0; k < request->count; k++)
            below += brightness(&request->images[k]) < brightness(&request->images[i]);
        request->scores[2 * i] = below;
        request->scores[2 * i + 1] = (double)request->count;
    }
    return WN_OK;
}

static const wn_option no_options[] = { WN_OPTIONS_END };
static const wn_metric rank_metrics[] = {
    { "rank", "how many of the set are darker", 0, 1e6, WN_METRIC_HIGHER_IS_BETTER },
    { "size", "of the set", 0, 1e6, 0 },
};
static const wn_verifier rank_verifier = { .struct_size = sizeof rank_verifier,
                                           .metrics = rank_metrics,
                                           .metric_count = 2,
                                           .flags = WN_VERIFIER_COMPARATIVE,
                                           .score = rank_score };

static const wn_plugin rank_plugin = {
    .struct_size = sizeof rank_plugin,
    .kind = WN_KIND_VERIFIER,
    .name = "probe_rank",
    .version = "1",
    .summary = "ranks a set by brightness",
    .source = "",
    .options = no_options,
    .options_size = 8,
    .vtable = &rank_verifier,
};

/* ---- a verifier that may not be entered twice, and one that asks its inputs -------------------------------------- */

static atomic_int visitors;

static wn_status shy_score(void *self, const wn_score_request *request, wn_error *err)
{
    const struct timespec while_inside = { 0, 300000 };
    (void)self;
    if (atomic_fetch_add(&visitors, 1) > 0)
        return wn_fail(err, WN_E_INTERNAL, "two calls at once");
    nanosleep(&while_inside, NULL);
    for (uint64_t i = 0; i < request->count; i++)
        request->scores[i] = brightness(&request->images[i]);
    atomic_fetch_sub(&visitors, 1);
    return WN_OK;
}

static const wn_verifier shy_verifier = {
    .struct_size = sizeof shy_verifier, .metrics = sulk_metrics, .metric_count = 1, .score = shy_score
};

static const wn_plugin shy_plugin = {
    .struct_size = sizeof shy_plugin,
    .kind = WN_KIND_VERIFIER,
    .name = "probe_shy",
    .version = "1",
    .summary = "fails when two threads are in it",
    .source = "",
    .options = no_options,
    .options_size = 8,
    .vtable = &shy_verifier,
};

static wn_status wrap_score(void *self, const wn_score_request *request, wn_error *err)
{
    const wn_verifier_ref *input = self;
    return input->verifier->score(input->self, request, err);
}

static wn_status wrap_create(const wn_host *host, const void *values, void **self, wn_error *err)
{
    (void)values, (void)err;
    *self = (void *)(uintptr_t)host->input(host->ctx, 0);
    return WN_OK;
}

static wn_status wrap_describe(void *self, wn_verifier_info *info, wn_error *err)
{
    const wn_verifier_ref *input = self;
    (void)err;
    info->metrics = input->verifier->metrics;
    info->metric_count = input->verifier->metric_count;
    info->flags = input->verifier->flags;
    return WN_OK;
}

static const wn_verifier wrap_verifier = { .struct_size = sizeof wrap_verifier,
                                           .min_inputs = 1,
                                           .max_inputs = 1,
                                           .score = wrap_score,
                                           .describe = wrap_describe };

static const wn_plugin wrap_plugin = {
    .struct_size = sizeof wrap_plugin,
    .kind = WN_KIND_VERIFIER,
    .name = "probe_wrap",
    .version = "1",
    .summary = "says what its input says",
    .source = "",
    .options = no_options,
    .options_size = 8,
    .create = wrap_create,
    .vtable = &wrap_verifier,
};

/* ---- a verifier that looks back ---------------------------------------------------------------------------------- */

static wn_status glimpse_score(void *self, const wn_score_request *request, wn_error *err)
{
    (void)self;
    if (!request->previews)
        return wn_fail(err, WN_E_INTERNAL, "no previews");
    for (uint64_t i = 0; i < request->count; i++)
        if (request->previews[i].rgb)
            request->scores[i] = brightness(&request->previews[i]);
    return WN_OK;
}

static const wn_verifier glimpse_verifier = { .struct_size = sizeof glimpse_verifier,
                                              .metrics = sulk_metrics,
                                              .metric_count = 1,
                                              .flags = WN_VERIFIER_NEEDS_PREVIEW,
                                              .preview_sigma = 0.4,
                                              .score = glimpse_score };

static const wn_plugin glimpse_plugin = {
    .struct_size = sizeof glimpse_plugin,
    .kind = WN_KIND_VERIFIER,
    .name = "probe_glimpse",
    .version = "1",
    .summary = "brightness of the preview",
    .source = "",
    .options = no_options,
    .options_size = 8,
    .vtable = &glimpse_verifier,
};

/* ---- a search that uses all of env --------------------------------------------------------------------------------
 */

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

static const wn_plugin walk_plugin = {
    .struct_size = sizeof walk_plugin,
    .kind = WN_KIND_SEARCH,
    .name = "probe_walk",
    .version = "1",
    .summary = "uses all of env",
    .source = "",
    .options = walk_table,
    .options_size = sizeof(struct walk_options),
    .vtable = &walk_search,
};

static const wn_plugin *const plugins[] = { &fail_plugin, &sulk_plugin,    &rank_plugin, &shy_plugin,
                                            &wrap_plugin, &glimpse_plugin, &walk_plugin };
WN_EXPORT extern const wn_module wn_module_v0;
const wn_module wn_module_v0 = { sizeof(wn_module), WN_ABI_MAJOR, WN_ABI_MINOR, plugins, 7 };
