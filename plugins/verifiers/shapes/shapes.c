/* shapes.c - the verifier: does the picture say what its caption says?
 *
 * For captions and pictures of coloured shapes a rule can tell with certainty, so this is the judge that shows whether
 * a search against a learned verifier found better pictures or only higher scores. caption.c reads the prompt, vision.c
 * finds the things in the image, judge.c counts the claims that hold.
 */
#include "caption.h"
#include "judge.h"
#include "vision.h"

#include <winnow/verifier.h>

static const wn_metric metrics[] = {
    { "share", "share of the caption's claims that hold", 0, 1, WN_METRIC_HIGHER_IS_BETTER | WN_METRIC_ACROSS_PROMPTS },
    { "all", "1 when all of the caption's claims hold, else 0", 0, 1,
      WN_METRIC_HIGHER_IS_BETTER | WN_METRIC_ACROSS_PROMPTS },
};

static wn_status score(void *self, const wn_score_request *request, wn_error *err)
{
    (void)self;
    for (uint64_t i = 0; i < request->count; i++) {
        struct caption caption;
        struct shapes_thing things[VISION_THINGS];
        struct verdict v;
        int count;
        if (!caption_parse(request->prompts[i]->text, &caption))
            continue; /* no opinion */
        WN_TRY(vision_find(&request->images[i], things, &count, err));
        v = judge(&caption, things, count);
        request->scores[2 * i] = (double)v.hold / v.claims;
        request->scores[2 * i + 1] = v.hold == v.claims;
    }
    return WN_OK;
}

static const wn_option options[] = { WN_OPTIONS_END };

static const wn_verifier verifier = {
    .struct_size = sizeof verifier,
    .metrics = metrics,
    .metric_count = 2,
    .flags = WN_VERIFIER_NEEDS_PROMPT,
    .score = score,
};

static const wn_plugin plugin = {
    .struct_size = sizeof plugin,
    .kind = WN_KIND_VERIFIER,
    .name = "shapes",
    .version = "1.0",
    .summary = "Judges pictures of coloured shapes by rule: colours, shapes, counts and relations of the caption.",
    .source = "",
    .options = options,
    .options_size = 0,
    .vtable = &verifier,
};

WN_MODULE(&plugin);
