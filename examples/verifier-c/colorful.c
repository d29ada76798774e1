/* colorful.c - how colourful an image is, as a verifier: a complete plugin.
 *
 * The measure is M3 of Hasler and Suesstrunk, "Measuring colourfulness in natural images" (2003): the spread and the
 * mean of the opponent channels rg = R - G and yb = (R + G) / 2 - B.  0 is grey; about 110 is as colourful as it gets.
 */
#include <winnow/verifier.h>

#include <math.h>

struct options {
    double weight;
};

static const wn_option options[] = {
    WN_NUMBER(struct options, weight, "1", 0, 100, "factor applied to the score"),
    WN_OPTIONS_END,
};

static double colorfulness(const wn_image *image)
{
    const double n = (double)image->width_px * image->height_px;
    double rg = 0, yb = 0, squares = 0;
    for (const uint8_t *p = image->rgb, *end = p + 3 * (size_t)n; p < end; p += 3) {
        const double a = p[0] - p[1], b = 0.5 * (p[0] + p[1]) - p[2];
        rg += a;
        yb += b;
        squares += a * a + b * b;
    }
    const double mean2 = (rg * rg + yb * yb) / (n * n);
    return sqrt(fmax(squares / n - mean2, 0)) + 0.3 * sqrt(mean2);
}

static wn_status score(void *self, const wn_score_request *r, wn_error *err)
{
    (void)err;
    for (uint64_t i = 0; i < r->count; i++)
        r->scores[i] = ((const struct options *)self)->weight * colorfulness(&r->images[i]);
    return WN_OK;
}

static const wn_metric metrics[] = {
    { "colorfulness", "M3 of the 2003 paper", 0, 110, WN_METRIC_HIGHER_IS_BETTER | WN_METRIC_ACROSS_PROMPTS },
};

static const wn_verifier verifier = { sizeof verifier, metrics, 1, 0, 0, 0, 0, 0, score };

static const wn_plugin plugin = {
    .struct_size = sizeof plugin,
    .kind = WN_KIND_VERIFIER,
    .name = "colorful",
    .version = "1.0",
    .summary = "Colourfulness of an image.",
    .source = "Hasler and Suesstrunk 2003",
    .options = options,
    .options_size = sizeof(struct options),
    .vtable = &verifier,
};

WN_MODULE(&plugin);
