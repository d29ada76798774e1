/* bad.c - a verifier and a search, each build of which breaks one rule: -DBAD_... picks it. Without any it is well behaved. */
#include <winnow/search.h>
#include <winnow/verifier.h>

#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct options {
    double weight;
};

static const wn_option options[] = { WN_NUMBER(struct options, weight, "1", 0, 10, "a factor"), WN_OPTIONS_END };
static const wn_metric metrics[] = {
#ifdef BAD_METRICS
    { "light", "", 1, 0, WN_METRIC_HIGHER_IS_BETTER },
#else
    { "light", "mean brightness", 0, 255, WN_METRIC_HIGHER_IS_BETTER },
#endif
};

struct bad {
    const wn_host *host;
    const struct options *options;
    char *memory;
    unsigned calls;
};

#ifdef BAD_SYMBOL
WN_EXPORT int bad_helper(int x);
int bad_helper(int x)
{
    return x + 1;
}
#endif

WN_UNUSED static int counter;

static wn_status create(const wn_host *host, const void *values, void **self, wn_error *err)
{
    struct bad *b = calloc(1, sizeof *b);
#ifndef BAD_MEMORY
    if (!b)
        return wn_fail(err, WN_E_MEMORY, "out of memory");
#endif
    *b = (struct bad){ .host = host, .options = values, .memory = malloc(16) };
#ifdef BAD_MESSAGE
    (void)err;
    if (!b->memory) {
        free(b);
        return WN_E_MEMORY;
    }
#else
    if (!b->memory) {
        free(b);
        return wn_fail(err, WN_E_MEMORY, "out of memory");
    }
#endif
#ifdef BAD_FILES
    if (dup(0) < 0)
        b->calls = 0;
#endif
    *self = b;
    return WN_OK;
}

static void destroy(void *self)
{
    struct bad *b = self;
    if (!b)
        return;
    free(b->memory);
    free(b);
}

static double light(const wn_image *image)
{
    const uint64_t n = (uint64_t)image->width_px * image->height_px * 3;
    double sum = 0;
    for (uint64_t i = 0; i < n; i++)
        sum += image->rgb[i];
    return sum / (double)n;
}

WN_UNUSED static void add_one(void *arg, uint64_t i)
{
    double *sum = arg;
    *sum = *sum * 1.5 + (double)i;
}

static wn_status score(void *self, const wn_score_request *r, wn_error *err)
{
    struct bad *b = self;
    (void)err;
    for (uint64_t i = 0; i < r->count; i++) {
        r->scores[i] = b->options->weight * light(&r->images[i]);
#ifdef BAD_BATCH
        r->scores[i] += (double)r->count;
#endif
#ifdef BAD_ORDER
        r->scores[i] += r->count > 1 ? (double)i : 0;
#endif
#ifdef BAD_LEAK
        char *volatile lost = malloc(100);
        lost[0] = 1;
#endif
#ifdef BAD_STATE
        r->scores[i] += b->calls++;
#endif
#ifdef BAD_PARALLEL
        b->host->parallel_for(b->host->ctx, 8, add_one, &r->scores[i]);
#endif
#ifdef BAD_INFINITY
        r->scores[i] = r->images[i].width_px == 1 ? HUGE_VAL : r->scores[i];
#endif
    }
#ifdef BAD_BOUNDS
    r->scores[r->count] = 0;
#endif
#ifdef BAD_OUTPUT
    if (write(1, "\nscored\n", 8) < 0)
        return WN_E_IO;
#endif
#ifdef BAD_LOCALE
    setlocale(LC_ALL, strcmp(setlocale(LC_ALL, NULL), "C") == 0 ? "C.UTF-8" : "C");
#endif
#ifdef BAD_GLOBAL
    counter++;
#endif
#ifdef BAD_CANCEL
    if (b->host->cancelled(b->host->ctx))
        return wn_fail(err, WN_E_IO, "interrupted");
#endif
    return WN_OK;
}

static const wn_verifier verifier = {
    .struct_size = sizeof verifier, .metrics = metrics, .metric_count = 1, .score = score
};

/* ---- the search --------------------------------------------------------------------------------------------- */

static wn_status try_one(struct bad *b, const wn_env *env, float *noise, uint64_t i, wn_error *err)
{
    wn_sample s;
    double value;
    (void)b;
    WN_TRY(env->noise(env->ctx, i, noise, err));
    WN_TRY(env->spawn(env->ctx, noise, 0, &s, err));
#ifdef BAD_OFFER
    WN_TRY(env->offer(env->ctx, s, err));
#endif
    WN_TRY(env->advance(env->ctx, 1, &s, env->steps, err));
#ifdef BAD_ERROR
    if (env->score(env->ctx, 1, &s, &value, err) != WN_OK)
        return wn_fail(err, WN_E_INTERNAL, "the score did not come");
#else
    WN_TRY(env->score(env->ctx, 1, &s, &value, err));
#endif
    WN_TRY(env->offer(env->ctx, s, err));
    env->drop(env->ctx, s);
#ifdef BAD_DROPPED
    return env->advance(env->ctx, 1, &s, env->steps, err);
#else
    return WN_OK;
#endif
}

static wn_status run(void *self, const wn_env *env, wn_error *err)
{
    struct bad *b = self;
    wn_status status = WN_OK;
    float *noise = malloc(env->latent_values * sizeof *noise);
    if (!noise)
        return wn_fail(err, WN_E_MEMORY, "out of memory");
    uint64_t first = 0;
#ifdef BAD_TRACE
    first = b->calls++;
#endif
    for (uint64_t i = 0; i < 4 && status == WN_OK; i++)
        status = try_one(b, env, noise, first + i, err);
    free(noise);
#ifdef BAD_BUDGET
    if (status == WN_E_BUDGET)
        return wn_fail(err, WN_E_INTERNAL, "no budget");
#endif
    return status;
}

static void plan(const void *values, uint64_t steps, uint64_t evals_per_velocity, wn_search_plan *p)
{
    (void)values;
#ifndef BAD_PLAN
    p->candidates = p->verifier_calls = 4;
#endif
    p->nfe = 4 * steps * evals_per_velocity;
}

static const wn_search search = { .struct_size = sizeof search, .plan = plan, .run = run };

static const wn_plugin plugin = {
    .struct_size = sizeof plugin,
#ifdef SEARCH
    .kind = WN_KIND_SEARCH,
    .vtable = &search,
#else
    .kind = WN_KIND_VERIFIER,
    .vtable = &verifier,
#endif
    .name = "bad",
    .version = "1",
    .summary = "breaks a rule",
    .source = "",
    .options = options,
    .options_size = sizeof(struct options),
    .create = create,
    .destroy = destroy,
};

WN_UNUSED static const void *const unused[] = { &search, &verifier };
WN_MODULE(&plugin);
