/* threshold.c - a bound on one verifier's value: as a yes or no, as a price on a score, or as the gate to it.
 *
 *     pass      1 where the tested value lies in [at_least, at_most], else 0
 *     penalty   score - weight * violation, the violation being how far the tested value lies outside
 *     gate      the score where the tested value passes, else `otherwise`
 *
 * The first input gives the score, the last is tested; with one input both are the same. Where lower scores are better
 * the price is added. Without an opinion of the tested input there is none here.
 */
#include <wrap/wrap.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct options {
    const char *mode;
    const char *metric;
    const char *at_least;
    const char *at_most;
    double weight;
    const char *otherwise;
};

static const wn_option options[] = {
    WN_ENUM(struct options, mode, "\"gate\"", "pass|penalty|gate", "What becomes of the bounds."),
    WN_STRING(struct options, metric, "\"\"", "Metric of the last input that is tested; empty = its first."),
    WN_JSON(struct options, at_least, "null", "Smallest value that passes; null = any."),
    WN_JSON(struct options, at_most, "null", "Largest value that passes; null = any."),
    WN_NUMBER(struct options, weight, "1", 0, 1e9, "Mode penalty: price of one unit outside the bounds."),
    WN_JSON(struct options, otherwise, "null", "Mode gate: score of what does not pass; null = no opinion."),
    WN_OPTIONS_END
};

enum { RESULT = 0, TESTED, SCORE, METRICS };

struct threshold {
    const wn_host *host;
    const wn_verifier_ref *scored;
    const wn_verifier_ref *tested; /* the same when there is one input */
    uint64_t metric;               /* of tested */
    double at_least;
    double at_most;
    double otherwise;
    double price; /* of one unit outside; negative where it makes the score lower */
    double (*judge)(const struct threshold *t, double score, double tested);
    wn_metric metrics[METRICS];
};

/* ---- modes; tested is not NaN ------------------------------------------------------------------------------------ */

static int passes(const struct threshold *t, double tested)
{
    return tested >= t->at_least && tested <= t->at_most;
}

static double judge_pass(const struct threshold *t, double score, double tested)
{
    (void)score;
    return passes(t, tested) ? 1 : 0;
}

static double judge_penalty(const struct threshold *t, double score, double tested)
{
    return score + t->price * fmax(fmax(t->at_least - tested, tested - t->at_most), 0);
}

static double judge_gate(const struct threshold *t, double score, double tested)
{
    return passes(t, tested) ? score : t->otherwise;
}

/* ---- options ----------------------------------------------------------------------------------------------------- */

/* An option that is a number or null. */
static wn_status read_number(const char *name, const char *text, double absent, double *value, wn_error *err)
{
    char *end = NULL;
    *value = absent;
    if (strcmp(text, "null") == 0)
        return WN_OK;
    *value = strtod(text, &end);
    if (end == text || *end || !isfinite(*value))
        return wn_fail(err, WN_E_ARG, "%s: %.80s is not a finite number; give one, or null", name, text);
    return WN_OK;
}

static wn_status read_bounds(struct threshold *t, const struct options *o, wn_error *err)
{
    WN_TRY(read_number("at_least", o->at_least, -INFINITY, &t->at_least, err));
    WN_TRY(read_number("at_most", o->at_most, INFINITY, &t->at_most, err));
    WN_TRY(read_number("otherwise", o->otherwise, NAN, &t->otherwise, err));
    if (isinf(t->at_least) && isinf(t->at_most))
        return wn_fail(err, WN_E_ARG, "neither at_least nor at_most is given, so everything would pass; give one");
    if (t->at_least > t->at_most)
        return wn_fail(err, WN_E_ARG, "at_least %g is more than at_most %g, so nothing would pass; exchange them",
                       t->at_least, t->at_most);
    return WN_OK;
}

static wn_status find_metric(struct threshold *t, const char *name, wn_error *err)
{
    char known[400] = "";
    const wn_verifier *v = t->tested->verifier;
    if (!*name)
        return WN_OK;
    for (t->metric = 0; t->metric < v->metric_count; t->metric++) {
        const size_t used = strlen(known);
        if (strcmp(v->metrics[t->metric].name, name) == 0)
            return WN_OK;
        snprintf(known + used, sizeof known - used, "%s%s", used ? ", " : "", v->metrics[t->metric].name);
    }
    return wn_fail(err, WN_E_ARG, "metric: input %s has no \"%.80s\"; it has %s", t->tested->name, name, known);
}

/* The bounds are in another unit than the score when two inputs are given, so no range but the score's can be named. */
static void choose_mode(struct threshold *t, const struct options *o)
{
    const wn_metric *score = &t->scored->verifier->metrics[0];
    const wn_metric *tested = &t->tested->verifier->metrics[t->metric];
    wn_metric result = { "gated", "the score where the tested value passes", score->low, score->high, score->flags };
    t->judge = judge_gate;
    if (strcmp(o->mode, "pass") == 0) {
        result = (wn_metric){ "pass", "1 where the tested value passes, else 0", 0, 1,
                              WN_METRIC_HIGHER_IS_BETTER | WN_METRIC_ACROSS_PROMPTS };
        t->judge = judge_pass;
    } else if (strcmp(o->mode, "penalty") == 0) {
        result.name = "penalised";
        result.help = "the score, and the price of what lies outside the bounds";
        t->judge = judge_penalty;
    }
    t->price = score->flags & WN_METRIC_HIGHER_IS_BETTER ? -o->weight : o->weight;
    t->metrics[RESULT] = result;
    t->metrics[TESTED] = (wn_metric){ "tested", tested->help, tested->low, tested->high, tested->flags };
    t->metrics[SCORE] = (wn_metric){ "score", score->help, score->low, score->high, score->flags };
}

/* ---- life -------------------------------------------------------------------------------------------------------- */

static void destroy(void *self)
{
    free(self);
}

static wn_status open(struct threshold *t, const struct options *o, wn_error *err)
{
    const wn_verifier_ref *second = t->host->input(t->host->ctx, 1);
    t->scored = t->host->input(t->host->ctx, 0);
    t->tested = second ? second : t->scored;
    if (second && strcmp(o->mode, "pass") == 0)
        return wn_fail(err, WN_E_ARG, "mode pass tests one input, but there are %s and %s; remove one", t->scored->name,
                       second->name);
    WN_TRY(read_bounds(t, o, err));
    WN_TRY(find_metric(t, o->metric, err));
    choose_mode(t, o);
    return WN_OK;
}

static wn_status create(const wn_host *host, const void *given, void **self, wn_error *err)
{
    struct threshold *t = calloc(1, sizeof *t);
    if (!t)
        return wn_fail(err, WN_E_MEMORY, "no memory");
    t->host = host;
    const wn_status status = open(t, given, err);
    if (status != WN_OK)
        destroy(t);
    else
        *self = t;
    return status;
}

static wn_status describe(void *self, wn_verifier_info *info, wn_error *err)
{
    const struct threshold *t = self;
    info->metrics = t->metrics;
    info->metric_count = METRICS;
    return wn_wrap_describe(t->host, info, err);
}

/* ---- scoring ----------------------------------------------------------------------------------------------------- */

/* The input's first metric, and one more of its metrics, into columns of the result. */
static wn_status ask(const wn_verifier_ref *input, const wn_score_request *r, uint64_t metric, uint64_t column,
                     wn_error *err)
{
    const uint64_t stride = input->verifier->metric_count;
    double *scores = calloc(r->count, stride * sizeof *scores);
    if (!scores)
        return wn_fail(err, WN_E_MEMORY, "no memory for %llu scores", (unsigned long long)r->count);
    const wn_status status = wn_wrap_ask(input, r, scores, err);
    for (uint64_t i = 0; i < r->count && status == WN_OK; i++) {
        r->scores[i * METRICS + SCORE] = scores[i * stride];
        r->scores[i * METRICS + column] = scores[i * stride + metric];
    }
    free(scores);
    return status;
}

static wn_status score(void *self, const wn_score_request *r, wn_error *err)
{
    const struct threshold *t = self;
    WN_TRY(ask(t->tested, r, t->metric, TESTED, err));
    if (t->scored != t->tested)
        WN_TRY(ask(t->scored, r, 0, SCORE, err));
    for (uint64_t i = 0; i < r->count; i++) {
        double *row = r->scores + i * METRICS;
        row[RESULT] = isnan(row[TESTED]) ? NAN : t->judge(t, row[SCORE], row[TESTED]);
    }
    return WN_OK;
}

static const wn_verifier verifier = {
    .struct_size = sizeof verifier,
    .min_inputs = 1,
    .max_inputs = 2,
    .score = score,
    .describe = describe,
};

static const wn_plugin plugin = {
    .struct_size = sizeof plugin,
    .kind = WN_KIND_VERIFIER,
    .name = "threshold",
    .version = "1.0",
    .summary = "Bounds on a verifier's value: as a yes or no, as a price on a score, or as the gate to it.",
    .source = "",
    .options = options,
    .options_size = sizeof(struct options),
    .create = create,
    .destroy = destroy,
    .vtable = &verifier,
};

WN_MODULE(&plugin);
