/* drift_score.c - what the verifiers of a side say of its pictures; see drift_maker.h. */
#include "cli/drift_maker.h"

#include "base/image_file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const wn_verifier *verifier_of(const struct maker *m, uint32_t asked)
{
    return &m->instances->verifiers[m->asked[asked]].verifier;
}

static wn_status add_metrics(struct maker *m, uint32_t v, wn_error *err)
{
    struct drift *d = m->drift;
    const struct spec_use *use = &m->plan->side[m->side]->verifiers[v];
    const wn_verifier *verifier = &m->instances->verifiers[v].verifier;
    if (verifier->flags & WN_VERIFIER_NEEDS_PREVIEW) {
        d->silent[d->silent_count++] = arena_printf(
            m->plan->arena, "%s, which looks at previews of the sampling; they are not made again", use->name);
        return d->silent[d->silent_count - 1] ? WN_OK : wn_fail(err, WN_E_MEMORY, "no memory for a name");
    }
    m->asked[m->asked_count] = v;
    m->column[m->asked_count++] = (uint32_t)d->metric_count;
    for (uint64_t i = 0; i < verifier->metric_count; i++) {
        struct data_metric *metric = &d->metrics[d->metric_count++];
        metric->verifier = use->name;
        metric->name = arena_string(m->plan->arena, verifier->metrics[i].name);
        metric->title = arena_printf(m->plan->arena, "%s.%s", use->name, verifier->metrics[i].name);
        metric->role = v == m->plan->spec->guide ? DATA_GUIDE : DATA_JUDGE;
        metric->higher_is_better = (verifier->metrics[i].flags & WN_METRIC_HIGHER_IS_BETTER) != 0;
        if (!metric->name || !metric->title)
            return wn_fail(err, WN_E_MEMORY, "no memory for the names of metrics");
    }
    return WN_OK;
}

static bool is_judge(const struct spec *s, uint32_t v)
{
    for (uint32_t i = 0; i < s->judge_count; i++)
        if (s->judges[i] == v)
            return true;
    return false;
}

wn_status drift_list_metrics(struct maker *m, wn_error *err)
{
    const struct spec *spec = m->plan->side[0];
    struct drift *d = m->drift;
    uint64_t most = 0;
    for (uint32_t v = 0; v < spec->verifier_count; v++)
        most += m->instances->verifiers[v].verifier.metric_count;
    d->metrics = arena_array(m->plan->arena, most + 1, sizeof *d->metrics);
    d->silent = arena_array(m->plan->arena, spec->verifier_count + 1, sizeof *d->silent);
    m->asked = arena_array(m->plan->arena, spec->verifier_count + 1, sizeof *m->asked);
    m->column = arena_array(m->plan->arena, spec->verifier_count + 1, sizeof *m->column);
    if (!d->metrics || !d->silent || !m->asked || !m->column)
        return wn_fail(err, WN_E_MEMORY, "no memory for the metrics of %u verifiers", spec->verifier_count);
    WN_TRY(add_metrics(m, spec->guide, err));
    for (uint32_t v = 0; v < spec->verifier_count; v++)
        if (v != spec->guide && is_judge(spec, v))
            WN_TRY(add_metrics(m, v, err));
    for (uint64_t i = 0; i < d->pair_count; i++)
        for (int side = 0; side < 2; side++) {
            d->pairs[i].scores[side] = arena_array(m->plan->arena, d->metric_count + 1, sizeof(double));
            if (!d->pairs[i].scores[side])
                return wn_fail(err, WN_E_MEMORY, "no memory for scores of %llu pairs",
                               (unsigned long long)d->pair_count);
        }
    return WN_OK;
}

static void take_scores(struct maker *m, uint32_t asked, uint64_t count, const uint64_t *pairs, const double *scores)
{
    const uint64_t metrics = verifier_of(m, asked)->metric_count;
    for (uint64_t i = 0; i < count; i++)
        memcpy(m->drift->pairs[pairs[i]].scores[m->side] + m->column[asked], scores + i * metrics,
               metrics * sizeof *scores);
}

static wn_status ask(struct maker *m, uint32_t asked, uint64_t count, const uint64_t *pairs, wn_error *err)
{
    const wn_verifier *verifier = verifier_of(m, asked);
    const wn_prompt **prompts = calloc(count, sizeof(wn_prompt *));
    double *scores = calloc(count * verifier->metric_count, sizeof *scores);
    wn_status status = prompts && scores
                           ? WN_OK
                           : wn_fail(err, WN_E_MEMORY, "no memory to score %llu pictures", (unsigned long long)count);
    for (uint64_t i = 0; i < count && status == WN_OK; i++)
        prompts[i] = &m->plan->side[m->side]->prompts[drift_pair_at(m, pairs[i])->candidate.trial];
    for (uint64_t i = 0; i < count * verifier->metric_count && status == WN_OK; i++)
        scores[i] = (double)NAN;
    const wn_score_request request = {
        .struct_size = sizeof request, .count = count, .prompts = prompts, .images = m->images, .scores = scores
    };
    if (status == WN_OK)
        status = verifier->score(m->instances->verifiers[m->asked[asked]].self, &request, err);
    if (status == WN_OK)
        take_scores(m, asked, count, pairs, scores);
    free(prompts);
    free(scores);
    return status;
}

wn_status drift_score(struct maker *m, uint64_t count, const uint64_t *pairs, wn_error *err)
{
    wn_image *const images = m->images;
    wn_status status = WN_OK;
    for (uint32_t v = 0; v < m->asked_count && status == WN_OK; v++) {
        const wn_verifier *verifier = verifier_of(m, v);
        const uint64_t most =
            verifier->max_batch && !(verifier->flags & WN_VERIFIER_COMPARATIVE) ? verifier->max_batch : count;
        for (uint64_t first = 0; first < count && status == WN_OK; first += most) {
            m->images = images + first;
            status = ask(m, v, count - first < most ? count - first : most, pairs + first, err);
        }
    }
    m->images = images;
    for (uint64_t i = 0; i < count; i++)
        image_free(&images[i]);
    return status;
}

bool drift_compares_sets(const struct maker *m)
{
    for (uint32_t v = 0; v < m->asked_count; v++)
        if (verifier_of(m, v)->flags & WN_VERIFIER_COMPARATIVE)
            return true;
    return false;
}
