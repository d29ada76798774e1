/* analytic - how near a picture is to one gray level, so that the best possible score is known: 0.
 *
 *     closeness = -sqrt(mean over pixels and channels of ((value - target) / 255)^2)
 *
 * In the pictures of the analytic sampler one latent value is a block of gray, so closeness is a fixed function of the
 * latent: -sqrt(mean_i (32 x0_i + 128 - target)^2) / 255 but for rounding. */
#include <winnow/verifier.h>

#include <math.h>
#include <time.h>

struct options {
    double target;
    int64_t delay_us;
};

static const wn_option options[] = { WN_NUMBER(struct options, target, "160", 0, 255, "gray level that scores best"),
                                     WN_INT(struct options, delay_us, "0", 0, 1e7,
                                            "microseconds that a call sleeps, to rehearse a slow verifier"),
                                     WN_OPTIONS_END };

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

static wn_status score(void *self, const wn_score_request *request, wn_error *err)
{
    const struct options *o = self;
    struct timespec left = { o->delay_us / 1000000, o->delay_us % 1000000 * 1000 };
    (void)err;
    while (o->delay_us > 0 && nanosleep(&left, &left) != 0) {
    }
    for (uint64_t i = 0; i < request->count; i++)
        request->scores[i] = closeness(&request->images[i], o->target);
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
