/* analytic - how near a picture is to one gray level, so that the best possible score is known: 0.
 *
 *     closeness = -sqrt(mean over pixels and channels of ((value - target) / 255)^2)
 *
 * In the pictures of the analytic sampler one latent value is a block of gray, so closeness is a fixed function of the
 * latent: -sqrt(mean_i (32 x0_i + 128 - target)^2) / 255 but for rounding.
 *
 * With a weakness w it is a proxy with a hole, for watching a search find it:
 *     closeness' = (closeness - w (255 - first) / 255) / (1 + w),  first = the mean of the first 8 x 8 pixels
 * as if bright corners were proof of quality. w = 0 is the plain metric. */
#include <winnow/verifier.h>

#include <math.h>
#include <time.h>

enum { CORNER_PX = 8 };

struct options {
    double target;
    int64_t delay_us;
    double weakness;
};

static const wn_option options[] = {
    WN_NUMBER(struct options, target, "160", 0, 255, "gray level that scores best"),
    WN_INT(struct options, delay_us, "0", 0, 1e7, "microseconds that a call sleeps, to rehearse a slow verifier"),
    WN_NUMBER(struct options, weakness, "0", 0, 100, "how much a bright first corner counts: a hole to be exploited"),
    WN_OPTIONS_END
};

static double closeness(const wn_image *image, double target)
{
    const uint64_t n = (uint64_t)image->width_px * image->height_px * 3;
    uint64_t sum = 0;
    uint64_t squares = 0;
    for (uint64_t i = 0; i < n; i++) {
        sum += image->rgb[i];
        squares += (uint64_t)image->rgb[i] * image->rgb[i];
    }
    const double mean = (double)sum / (double)n;
    return -sqrt(fmax((double)squares / (double)n - 2 * target * mean + target * target, 0)) / 255;
}

/* Mean of the first 8 x 8 pixels, one latent value of the analytic sampler. */
static double first_corner(const wn_image *image)
{
    const uint32_t width = image->width_px < CORNER_PX ? image->width_px : CORNER_PX;
    const uint32_t height = image->height_px < CORNER_PX ? image->height_px : CORNER_PX;
    uint64_t sum = 0;
    for (uint32_t y = 0; y < height; y++)
        for (uint32_t i = 0; i < width * 3; i++)
            sum += image->rgb[(size_t)y * image->width_px * 3 + i];
    return (double)sum / ((double)width * height * 3);
}

static double score_one(const struct options *o, const wn_image *image)
{
    const double hole = o->weakness > 0 ? o->weakness * (255 - first_corner(image)) / 255 : 0;
    return (closeness(image, o->target) - hole) / (1 + o->weakness);
}

static wn_status score(void *self, const wn_score_request *request, wn_error *err)
{
    const struct options *o = self;
    struct timespec left = { o->delay_us / 1000000, o->delay_us % 1000000 * 1000 };
    (void)err;
    while (o->delay_us > 0 && nanosleep(&left, &left) != 0) {
    }
    for (uint64_t i = 0; i < request->count; i++)
        request->scores[i] = score_one(o, &request->images[i]);
    return WN_OK;
}

static const wn_metric metrics[] = {
    { "closeness", "minus the distance from the target gray, in units of the full range", -1, 0,
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
    .name = "analytic",
    .version = "1.0",
    .summary = "closeness to a gray level, with a known optimum",
    .source = "",
    .options = options,
    .options_size = sizeof(struct options),
    .vtable = &verifier,
};

WN_MODULE(&plugin);
