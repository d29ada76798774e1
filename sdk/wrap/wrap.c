/* wrap.c - see wrap.h.
 *
 * An input does not know who asks, so what it may rely on has to hold here too: a score matrix full of NaN, no more
 * items than its max_batch, previews only where it looks at them. */
#include "wrap.h"

#include <math.h>

uint64_t wn_wrap_count(const wn_host *host)
{
    uint32_t count = 0;
    while (host->input(host->ctx, count))
        count++;
    return count;
}

static wn_status join_preview(const wn_verifier_ref *input, wn_verifier_info *info, wn_error *err)
{
    const double sigma = input->verifier->preview_sigma;
    if (!(input->verifier->flags & WN_VERIFIER_NEEDS_PREVIEW))
        return WN_OK;
    if ((info->flags & WN_VERIFIER_NEEDS_PREVIEW) && info->preview_sigma != sigma)
        return wn_fail(err, WN_E_ARG,
                       "input %s looks at previews at sigma %g, another input at sigma %g; there is one preview of a "
                       "candidate: wrap them one by one",
                       input->name, sigma, info->preview_sigma);
    info->preview_sigma = sigma;
    return WN_OK;
}

wn_status wn_wrap_describe(const wn_host *host, wn_verifier_info *info, wn_error *err)
{
    const wn_verifier_ref *input;
    for (uint32_t i = 0; (input = host->input(host->ctx, i)) != NULL; i++) {
        const wn_verifier *v = input->verifier;
        const int compares = (v->flags & WN_VERIFIER_COMPARATIVE) != 0;
        WN_TRY(join_preview(input, info, err));
        info->flags |= v->flags;
        if (compares && v->max_batch > 0 && (info->max_batch == 0 || v->max_batch < info->max_batch))
            info->max_batch = v->max_batch;
    }
    return WN_OK;
}

void wn_wrap_mirror(const wn_verifier_ref *input, wn_verifier_info *info)
{
    const wn_verifier *v = input->verifier;
    info->metrics = v->metrics;
    info->metric_count = v->metric_count;
    info->flags = v->flags;
    info->max_batch = v->max_batch;
    info->preview_sigma = v->preview_sigma;
}

static wn_status ask_some(const wn_verifier_ref *input, const wn_score_request *request, uint64_t first, uint64_t count,
                          double *scores, wn_error *err)
{
    const wn_verifier *v = input->verifier;
    const int looks_back = (v->flags & WN_VERIFIER_NEEDS_PREVIEW) && request->previews;
    const wn_score_request part = {
        .struct_size = sizeof part,
        .count = count,
        .prompts = request->prompts + first,
        .images = request->images + first,
        .previews = looks_back ? request->previews + first : NULL,
        .scores = scores + first * v->metric_count,
    };
    for (uint64_t i = 0; i < count * v->metric_count; i++)
        part.scores[i] = NAN;
    wn_error why = { 0 };
    const wn_status status = v->score(input->self, &part, &why);
    return status == WN_OK ? WN_OK : wn_fail(err, status, "input %s: %.900s", input->name, why.message);
}

wn_status wn_wrap_ask(const wn_verifier_ref *input, const wn_score_request *request, double *scores, wn_error *err)
{
    const wn_verifier *v = input->verifier;
    const int is_whole = (v->flags & WN_VERIFIER_COMPARATIVE) || v->max_batch == 0;
    const uint64_t most = is_whole ? request->count : v->max_batch;
    for (uint64_t first = 0; first < request->count; first += most) {
        const uint64_t left = request->count - first;
        WN_TRY(ask_some(input, request, first, left < most ? left : most, scores, err));
    }
    return WN_OK;
}
