/* @NAME@.c - how bright an image is, as a verifier: put your own measure in the place of `rate`. */
#include <winnow/verifier.h>

struct options {
    double weight; /* of this type, because the row below says NUMBER; winnow fills it in */
};
static const wn_option options[] = { WN_NUMBER(struct options, weight, "1", 0, 100, "factor applied to the score"),
                                     WN_OPTIONS_END };

/* The mean of all values: 0 is black, 255 white. */
static double rate(const wn_image *image)
{
    const uint64_t n = (uint64_t)image->width_px * image->height_px * 3; // 8-bit sRGB, three for each pixel
    uint64_t sum = 0;
    for (uint64_t i = 0; i < n; i++)
        sum += image->rgb[i];
    return (double)sum / (double)n;
}

static wn_status score(void *self, const wn_score_request *request, wn_error *err)
{
    const struct options *o = self;
    (void)err; // never fails; else: return wn_fail(err, WN_E_ARG, "what: both values; remedy")
    for (uint64_t i = 0; i < request->count; i++)
        request->scores[i] = o->weight * rate(&request->images[i]);
    return WN_OK;
}

static const wn_metric metric = { "@NAME@", "mean of all values", 0, 255, WN_METRIC_HIGHER_IS_BETTER };
static const wn_verifier verifier = { sizeof verifier, .metrics = &metric, .metric_count = 1, .score = score };
static const wn_plugin plugin = { .struct_size = sizeof plugin,
                                  .kind = WN_KIND_VERIFIER,
                                  .name = "@NAME@",
                                  .version = "0.1",
                                  .summary = "how bright an image is",
                                  .options = options,
                                  .options_size = sizeof(struct options),
                                  .vtable = &verifier };
WN_MODULE(&plugin);
