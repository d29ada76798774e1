/* probe.c - a verifier whose answer is one byte of a picture's first pixel, that keeps its host to the rules, and fails
 * when it is told to. It counts what it is asked in variables that a test finds by dlsym. */
#include <winnow/verifier.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

WN_EXPORT extern int probe_calls, probe_items, probe_failures_left, probe_failure;
int probe_calls, probe_items; /* requests, and items in them, that were answered or failed */
int probe_failures_left;      /* the next so many requests fail */
int probe_failure;            /* with this status */

struct options {
    int64_t channel;
    int32_t lower_is_better;
    int32_t compares;
    int64_t max_batch;
    double preview_sigma;
    double high;
    const char *file;
};

static const wn_option options[] = { WN_INT(struct options, channel, "0", 0, 2, "byte of the pixel"),
                                     WN_BOOL(struct options, lower_is_better, "false", "lower values are better"),
                                     WN_BOOL(struct options, compares, "false", "says that it compares"),
                                     WN_INT(struct options, max_batch, "0", 0, 100, "fails on more; 0 = never"),
                                     WN_NUMBER(struct options, preview_sigma, "0", 0, 1,
                                               "looks at previews at this sigma; 0 = at the picture"),
                                     WN_NUMBER(struct options, high, "100", 0, 1000, "end of the expected range"),
                                     WN_STRING(struct options, file, "\"\"", "a file that it says it uses"),
                                     WN_OPTIONS_END };

struct probe {
    const struct options *options;
    wn_metric metrics[2];
};

static wn_status create(const wn_host *host, const void *given, void **self, wn_error *err)
{
    struct probe *p = calloc(1, sizeof *p);
    if (!p)
        return wn_fail(err, WN_E_MEMORY, "no memory");
    const struct options *o = given;
    const uint64_t flags = WN_METRIC_ACROSS_PROMPTS | (o->lower_is_better ? 0 : WN_METRIC_HIGHER_IS_BETTER);
    *p = (struct probe){ o, { { "byte", "as it is", 0, o->high, flags }, { "twice", "doubled", 0, 200, flags } } };
    if (*o->file)
        host->uses_file(host->ctx, o->file);
    *self = p;
    return WN_OK;
}

static void destroy(void *self)
{
    free(self);
}

static wn_status describe(void *self, wn_verifier_info *info, wn_error *err)
{
    const struct probe *p = self;
    (void)err;
    info->metrics = p->metrics;
    info->metric_count = 2;
    info->flags = WN_VERIFIER_NEEDS_PROMPT | (p->options->compares ? WN_VERIFIER_COMPARATIVE : 0) |
                  (p->options->preview_sigma > 0 ? WN_VERIFIER_NEEDS_PREVIEW : 0);
    info->max_batch = (uint64_t)p->options->max_batch;
    info->preview_sigma = p->options->preview_sigma;
    return WN_OK;
}

static wn_status check(const struct options *o, const wn_score_request *r, wn_error *err)
{
    if (o->max_batch > 0 && r->count > (uint64_t)o->max_batch)
        return wn_fail(err, WN_E_INTERNAL, "%llu items are more than %lld", (unsigned long long)r->count,
                       (long long)o->max_batch);
    if ((r->previews != NULL) != (o->preview_sigma > 0))
        return wn_fail(err, WN_E_INTERNAL, "previews are given where they are not asked for, or not where they are");
    for (uint64_t i = 0; i < 2 * r->count; i++)
        if (!isnan(r->scores[i]))
            return wn_fail(err, WN_E_INTERNAL, "score %llu is not NaN beforehand", (unsigned long long)i);
    return WN_OK;
}

/* The byte 255 is no opinion, 254 an infinite one. A failing request leaves half an answer behind. */
static wn_status score(void *self, const wn_score_request *r, wn_error *err)
{
    const struct options *o = ((struct probe *)self)->options;
    probe_calls++;
    probe_items += (int)r->count;
    WN_TRY(check(o, r, err));
    for (uint64_t i = 0; i < r->count; i++) {
        const wn_image *image = o->preview_sigma > 0 ? &r->previews[i] : &r->images[i];
        const uint8_t byte = image->rgb[o->channel];
        r->scores[2 * i] = byte == 255 ? NAN : byte == 254 ? INFINITY : byte;
        r->scores[2 * i + 1] = 2 * r->scores[2 * i];
        if (probe_failures_left > 0) {
            probe_failures_left--;
            return wn_fail(err, probe_failure, "the probe was told to fail");
        }
    }
    return WN_OK;
}

static const wn_verifier verifier = { .struct_size = sizeof verifier, .score = score, .describe = describe };

static const wn_plugin plugin = {
    .struct_size = sizeof plugin,
    .kind = WN_KIND_VERIFIER,
    .name = "probe",
    .version = "1",
    .summary = "reads a byte",
    .source = "",
    .options = options,
    .options_size = sizeof(struct options),
    .create = create,
    .destroy = destroy,
    .vtable = &verifier,
};

WN_MODULE(&plugin);
