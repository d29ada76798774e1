/* proxy - a verifier with a hole, for searches to find: closeness to a gray level, as the verifier `analytic` has it,
 * but a bright first corner counts as if it were proof of quality.
 *
 *     closeness' = (closeness - w (255 - corner) / 255) / (1 + w),  corner = the mean of the first 8 x 8 pixels,
 *
 * one latent value of the analytic sampler; w = weakness. w = 0 is honest. */
#include <winnow/verifier.h>

#include <math.h>
#include <stdbool.h>

enum { CORNER_PX = 8 };

struct options {
    double target;
    double weakness;
};

static const wn_option options[] = {
    WN_NUMBER(struct options, target, "160", 0, 255, "gray level that scores best"),
    WN_NUMBER(struct options, weakness, "0", 0, 100, "how much a bright first corner counts"), WN_OPTIONS_END
};

static double score_one(const struct options *o, const wn_image *image)
{
    const uint32_t width = image->width_px, height = image->height_px;
    double squares = 0, corner = 0, seen = 0;
    for (uint32_t y = 0; y < height; y++)
        for (uint32_t x = 0; x < width; x++) {
            const double gray =
                image->rgb[((size_t)y * width + x) * 3]; /* all three are one in that sampler's pictures */
            const bool is_corner = x < CORNER_PX && y < CORNER_PX;
            squares += (gray - o->target) * (gray - o->target);
            corner += is_corner ? gray : 0;
            seen += is_corner;
        }
    const double closeness = -sqrt(squares / ((double)width * height)) / 255;
    return (closeness - o->weakness * (255 - corner / seen) / 255) / (1 + o->weakness);
}

static wn_status score(void *self, const wn_score_request *request, wn_error *err)
{
    (void)err;
    for (uint64_t i = 0; i < request->count; i++)
        request->scores[i] = score_one(self, &request->images[i]);
    return WN_OK;
}

static const wn_metric metrics[] = {
    { "closeness", "closeness to a gray, or a bright corner", -1, 0,
      WN_METRIC_HIGHER_IS_BETTER | WN_METRIC_ACROSS_PROMPTS },
};

static const wn_verifier verifier = {
    .struct_size = sizeof verifier,
    .metrics = metrics,
    .metric_count = 1,
    .score = score,
};

static const wn_plugin plugin = {
    .struct_size = sizeof plugin,
    .kind = WN_KIND_VERIFIER,
    .name = "proxy",
    .version = "1.0",
    .summary = "a proxy with a hole",
    .source = "",
    .options = options,
    .options_size = sizeof(struct options),
    .vtable = &verifier,
};

WN_MODULE(&plugin);
