/* ensemble.c - several verifiers as one, because what a single one likes too much the others need not.
 *
 * The paper's ensemble is the unweighted average of ranks (Ma et al. 2025, section 3): ranks need no common scale. A
 * rank, a Borda count, a z-score and a front have a meaning within a set of candidates of one prompt only, so requests
 * are taken apart by prompt, and such an ensemble is comparative. Beside the whole, each member's own value is given.
 */
#include "members.h"

#include <wrap/wrap.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct options {
    const char *method;
    const char *weights;
};

static const wn_option options[] = {
    WN_ENUM(struct options, method, "\"rank\"", "rank|borda|weighted|zscore|min|product|pareto",
            "How the inputs' first metrics become one number."),
    WN_JSON(struct options, weights, "null",
            "Numbers from 0 on, as a list in the order of the inputs or an object by their names; null = all 1."),
    WN_OPTIONS_END
};

enum { MAX_INPUTS = 32 };

static const wn_metric metrics[] = {
    { "ensemble", "all inputs' first metrics in one, by the chosen method; then each input's first metric", 0, 1,
      WN_METRIC_HIGHER_IS_BETTER },
};

struct ensemble {
    const wn_host *host;
    const struct method *method;
    struct members members;
};

/* ---- life -------------------------------------------------------------------------------------------------------- */

static void destroy(void *self)
{
    struct ensemble *e = self;
    if (!e)
        return;
    members_close(&e->members);
    free(e);
}

static wn_status create(const wn_host *host, const void *given, void **self, wn_error *err)
{
    const struct options *o = given;
    struct ensemble *e = calloc(1, sizeof *e);
    if (!e)
        return wn_fail(err, WN_E_MEMORY, "no memory");
    e->host = host;
    e->method = combine_method(o->method);
    const wn_status status = members_open(host, e->method, o->weights, &e->members, err);
    if (status != WN_OK)
        destroy(e);
    else
        *self = e;
    return status;
}

static wn_status describe(void *self, wn_verifier_info *info, wn_error *err)
{
    const struct ensemble *e = self;
    info->metrics = e->members.metrics;
    info->metric_count = 1 + e->members.count;
    info->flags = e->method->compares ? WN_VERIFIER_COMPARATIVE : 0;
    return wn_wrap_describe(e->host, info, err);
}

/* ---- scoring ----------------------------------------------------------------------------------------------------- */

struct work {
    double *scores; /* [count][metrics of the input with most] */
    double *values; /* [members][count] */
    double *spare;  /* [2 * count] */
    double *result; /* [count] */
    uint64_t *item; /* [count]: which of the request's are of the prompt at hand */
    char *is_done;  /* [count] */
};

static wn_status work_open(const struct ensemble *e, uint64_t count, struct work *w, wn_error *err)
{
    uint64_t most = 1;
    for (uint64_t m = 0; m < e->members.count; m++)
        if (e->members.member[m].input->verifier->metric_count > most)
            most = e->members.member[m].input->verifier->metric_count;
    w->scores = calloc(count, most * sizeof *w->scores);
    w->values = calloc(count, e->members.count * sizeof *w->values);
    w->spare = calloc(count, 2 * sizeof *w->spare);
    w->result = calloc(count, sizeof *w->result);
    w->item = calloc(count, sizeof *w->item);
    w->is_done = calloc(count, sizeof *w->is_done);
    if (w->scores && w->values && w->spare && w->result && w->item && w->is_done)
        return WN_OK;
    return wn_fail(err, WN_E_MEMORY, "no memory for %llu candidates", (unsigned long long)count);
}

static void work_close(struct work *w)
{
    free(w->scores);
    free(w->values);
    free(w->spare);
    free(w->result);
    free(w->item);
    free(w->is_done);
}

/* Each member's first metric into the column behind the whole. */
static wn_status ask(const struct ensemble *e, const wn_score_request *r, struct work *w, wn_error *err)
{
    const uint64_t stride = 1 + e->members.count;
    for (uint64_t m = 0; m < e->members.count; m++) {
        const wn_verifier_ref *input = e->members.member[m].input;
        WN_TRY(wn_wrap_ask(input, r, w->scores, err));
        for (uint64_t i = 0; i < r->count; i++)
            r->scores[i * stride + 1 + m] = w->scores[i * input->verifier->metric_count];
    }
    return WN_OK;
}

/* The items, from first on, that have its prompt. */
static uint64_t gather(const wn_score_request *r, uint64_t first, struct work *w)
{
    uint64_t count = 0;
    for (uint64_t i = first; i < r->count; i++)
        if (!w->is_done[i] &&
            (r->prompts[i] == r->prompts[first] || strcmp(r->prompts[i]->text, r->prompts[first]->text) == 0)) {
            w->item[count++] = i;
            w->is_done[i] = 1;
        }
    return count;
}

static void combine_items(const struct ensemble *e, const wn_score_request *r, uint64_t count, struct work *w)
{
    const uint64_t members = e->members.count, stride = 1 + members;
    const struct opinions o = { members, count, e->members.opinion, w->values, w->spare };
    for (uint64_t m = 0; m < members; m++)
        for (uint64_t i = 0; i < count; i++)
            w->values[m * count + i] = r->scores[w->item[i] * stride + 1 + m];
    combine(e->method, &o, w->result);
    for (uint64_t i = 0; i < count; i++)
        r->scores[w->item[i] * stride] = w->result[i];
}

static wn_status score(void *self, const wn_score_request *r, wn_error *err)
{
    const struct ensemble *e = self;
    struct work w = { 0 };
    wn_status status = work_open(e, r->count, &w, err);
    if (status == WN_OK)
        status = ask(e, r, &w, err);
    for (uint64_t i = 0; i < r->count && status == WN_OK; i++)
        if (!w.is_done[i])
            combine_items(e, r, gather(r, i, &w), &w);
    work_close(&w);
    return status;
}

static const wn_verifier verifier = {
    .struct_size = sizeof verifier,
    .metrics = metrics,
    .metric_count = 1,
    .min_inputs = 1,
    .max_inputs = MAX_INPUTS,
    .score = score,
    .describe = describe,
};

static const wn_plugin plugin = {
    .struct_size = sizeof plugin,
    .kind = WN_KIND_VERIFIER,
    .name = "ensemble",
    .version = "1.0",
    .summary = "Several verifiers as one: by rank, points, sum, z-score, worst, product or Pareto front.",
    .source = "Ma et al. 2025, arXiv 2501.09732, verifier ensemble",
    .options = options,
    .options_size = sizeof(struct options),
    .create = create,
    .destroy = destroy,
    .vtable = &verifier,
};

WN_MODULE(&plugin);
