/* verifier.c - scores are a matter of the picture and the prompt, not of who else is asked about. */
#include "kit.h"

#include <winnow/verifier.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SET = 5, METRICS_MAX = 64, GUARD = 4, SIDE = 64 };
static const double guard = 12345.678;

struct asked {
    wn_verifier verifier; /* as the instance describes it */
    wn_prompt prompt[SET];
    const wn_prompt *prompts[SET];
    wn_image images[SET];
    wn_image previews[SET];
    double scores[SET * METRICS_MAX + GUARD];
};

/* ---- pictures and prompts ----------------------------------------------------------------------------------- */

static uint8_t *make_pixels(uint64_t seed, uint32_t width, uint32_t height)
{
    const uint64_t bytes = (uint64_t)width * height * 3;
    uint8_t *rgb = malloc(bytes);
    uint64_t state = seed;
    for (uint64_t i = 0; rgb && i < bytes; i++)
        rgb[i] = seed == 0 ? 128 : (uint8_t)(kit_random(&state) >> 8); /* 0: one flat colour */
    return rgb;
}

static wn_image make_image(uint64_t seed, uint32_t width, uint32_t height)
{
    return (wn_image){ width, height, make_pixels(seed, width, height) };
}

static void free_images(struct asked *a)
{
    for (int i = 0; i < SET; i++) {
        free((void *)(uintptr_t)a->images[i].rgb);
        free((void *)(uintptr_t)a->previews[i].rgb);
    }
    free(a);
}

static bool describe(struct kit *k, void *self, wn_verifier *v)
{
    *v = *(const wn_verifier *)k->subject->plugin->vtable;
    wn_verifier_info info = { .struct_size = sizeof info,
                              .metrics = v->metrics,
                              .metric_count = v->metric_count,
                              .flags = v->flags,
                              .max_batch = v->max_batch,
                              .preview_sigma = v->preview_sigma };
    wn_error err = { 0 };
    const wn_status status = v->describe ? v->describe(self, &info, &err) : WN_OK;
    kit_check_error(k, "describe", status, &err);
    v->metrics = info.metrics;
    v->metric_count = info.metric_count;
    v->flags = info.flags;
    v->max_batch = info.max_batch;
    return status == WN_OK;
}

/* A set of different pictures under two prompts; NULL, with a finding, when it cannot be made. */
static struct asked *make_set(struct kit *k, void *self)
{
    static const char *const texts[] = { "a red circle", "two blue squares and a green triangle" };
    struct asked *a = calloc(1, sizeof *a);
    bool is_fine = a && describe(k, self, &a->verifier);
    if (is_fine && (a->verifier.metric_count < 1 || a->verifier.metric_count > METRICS_MAX)) {
        kit_fail(k, "it has %llu metrics; 1 to %d are possible", (unsigned long long)a->verifier.metric_count,
                 METRICS_MAX);
        is_fine = false;
    }
    if (!is_fine) {
        free(a);
        return NULL;
    }
    for (int i = 0; i < SET; i++) {
        const int p = a->verifier.flags & WN_VERIFIER_COMPARATIVE ? 0 : i / 2 % 2;
        a->prompt[p] = (wn_prompt){ texts[p], p ? "two" : "one", "",
                                    p ? "{\"prompt\":\"two blue squares and a green triangle\"}"
                                      : "{\"prompt\":\"a red circle\"}" };
        a->prompts[i] = &a->prompt[p];
        a->images[i] = make_image((uint64_t)i + 1, SIDE, SIDE);
        a->previews[i] = make_image((uint64_t)i + 11, SIDE, SIDE);
        if (!a->images[i].rgb || !a->previews[i].rgb) { /* the memory that fails was the kit's own */
            free_images(a);
            return NULL;
        }
    }
    return a;
}

/* Scores `count` of the set, pictures picked by `pick` (NULL: the first ones), into out [count][metrics]. */
static wn_status score(struct kit *k, void *self, struct asked *a, uint32_t count, const int *pick, double *out,
                       wn_error *err)
{
    const uint64_t m = a->verifier.metric_count;
    const wn_prompt *prompts[SET];
    wn_image images[SET], previews[SET];
    for (uint32_t i = 0; i < count; i++) {
        const int from = pick ? pick[i] : (int)i;
        prompts[i] = a->prompts[from], images[i] = a->images[from], previews[i] = a->previews[from];
    }
    for (uint64_t i = 0; i < count * m; i++)
        a->scores[i] = NAN;
    for (uint64_t i = 0; i < GUARD; i++)
        a->scores[count * m + i] = guard;
    const wn_score_request request = { .struct_size = sizeof request,
                                       .count = count,
                                       .prompts = prompts,
                                       .images = images,
                                       .previews = a->verifier.flags & WN_VERIFIER_NEEDS_PREVIEW ? previews : NULL,
                                       .scores = a->scores };
    const wn_status status = a->verifier.score(self, &request, err);
    kit_check_error(k, "score", status, err);
    for (uint64_t i = 0; i < GUARD; i++)
        if (a->scores[count * m + i] != guard)
            kit_fail(k, "score writes behind scores[%u][%llu]", count, (unsigned long long)m);
    for (uint64_t i = 0; i < count * m && status == WN_OK; i++)
        if (isinf(a->scores[i]))
            kit_fail(k, "the score %s is infinite; NaN says \"no opinion\"", a->verifier.metrics[i % m].name);
    memcpy(out, a->scores, count * m * sizeof *out);
    return status;
}

static uint32_t set_size(const struct asked *a)
{
    return a->verifier.max_batch > 0 && a->verifier.max_batch < SET ? (uint32_t)a->verifier.max_batch : SET;
}

static bool same(double a, double b)
{
    return memcmp(&a, &b, sizeof a) == 0 || (isnan(a) && isnan(b));
}

static void compare(struct kit *k, const struct asked *a, const double *got, const double *want, uint32_t count,
                    const char *how)
{
    const uint64_t m = a->verifier.metric_count;
    for (uint64_t i = 0; i < count * m; i++)
        if (!same(got[i], want[i]))
            kit_fail(k, "%s of picture %llu is %.17g %s, else %.17g", a->verifier.metrics[i % m].name,
                     (unsigned long long)(i / m), got[i], how, want[i]);
}

static bool score_or_fail(struct kit *k, void *self, struct asked *a, uint32_t count, const int *pick, double *out)
{
    wn_error err = { 0 };
    const wn_status status = score(k, self, a, count, pick, out, &err);
    if (status != WN_OK)
        kit_fail(k, "score: status %d: %.900s", status, err.message);
    return status == WN_OK;
}

/* ---- the checks --------------------------------------------------------------------------------------------- */

static void check_metrics(struct kit *k, void *self)
{
    wn_verifier v;
    if (!describe(k, self, &v))
        return;
    if (v.metric_count < 1 || v.metric_count > METRICS_MAX || !v.metrics)
        kit_fail(k, "it has %llu metrics; 1 to %d are possible", (unsigned long long)v.metric_count, METRICS_MAX);
    for (uint64_t i = 0; !k->why[0] && i < v.metric_count; i++)
        if (!v.metrics[i].name || !*v.metrics[i].name || !v.metrics[i].help || !*v.metrics[i].help)
            kit_fail(k, "metric %llu lacks a name or a help", (unsigned long long)i);
        else if (!(v.metrics[i].low < v.metrics[i].high))
            kit_fail(k, "metric %s has the range %g..%g", v.metrics[i].name, v.metrics[i].low, v.metrics[i].high);
}

static void with_set(struct kit *k, void *self, void (*check)(struct kit *k, void *self, struct asked *a, double *want))
{
    static double want[SET * METRICS_MAX];
    struct asked *a = make_set(k, self);
    if (a && score_or_fail(k, self, a, set_size(a), NULL, want))
        check(k, self, a, want);
    if (a)
        free_images(a);
}

static void singles(struct kit *k, void *self, struct asked *a, double *want)
{
    double got[METRICS_MAX];
    if (a->verifier.flags & WN_VERIFIER_COMPARATIVE) {
        kit_skip(k, "it compares: a score depends on the set");
        return;
    }
    for (int i = 0; i < (int)set_size(a); i++)
        if (score_or_fail(k, self, a, 1, &i, got))
            compare(k, a, got, want + (uint64_t)i * a->verifier.metric_count, 1, "alone");
}

static void permuted(struct kit *k, void *self, struct asked *a, double *want)
{
    static double got[SET * METRICS_MAX];
    int pick[SET];
    const uint32_t n = set_size(a);
    const uint64_t m = a->verifier.metric_count;
    for (uint32_t i = 0; i < n; i++)
        pick[i] = (int)(n - 1 - i);
    if (score_or_fail(k, self, a, n, pick, got))
        for (uint32_t i = 0; i < n; i++)
            compare(k, a, got + i * m, want + (n - 1 - i) * m, 1, "in another order");
}

static void repeated(struct kit *k, void *self, struct asked *a, double *want)
{
    static double got[SET * METRICS_MAX];
    void *other;
    k->runs_backwards = true;
    if (score_or_fail(k, self, a, set_size(a), NULL, got))
        compare(k, a, got, want, set_size(a), "with its parallel work in another order");
    k->runs_backwards = false;
    if (k->why[0] || !kit_make(k, &other))
        return;
    wn_verifier ignored;
    if (describe(k, other, &ignored) && score_or_fail(k, other, a, set_size(a), NULL, got))
        compare(k, a, got, want, set_size(a), "from a second instance");
    kit_end(k, other);
}

static void twins(struct kit *k, void *self, struct asked *a, double *want)
{
    static double got[SET * METRICS_MAX];
    const int pick[] = { 0, 0 };
    (void)want;
    if (set_size(a) < 2)
        kit_skip(k, "it takes one picture at a time");
    else if (score_or_fail(k, self, a, 2, pick, got))
        compare(k, a, got + a->verifier.metric_count, got, 1, "beside its double");
}

static void check_singles(struct kit *k, void *self)
{
    with_set(k, self, singles);
}

static void check_order(struct kit *k, void *self)
{
    with_set(k, self, permuted);
}

static void check_repeats(struct kit *k, void *self)
{
    with_set(k, self, repeated);
}

static void check_twins(struct kit *k, void *self)
{
    with_set(k, self, twins);
}

/* A refusal is fine; a crash or a wild write is not. */
static void check_sizes(struct kit *k, void *self)
{
    static const uint32_t sizes[][2] = { { 1, 1 }, { 7, 3 }, { 1, 257 }, { 257, 129 }, { 512, 512 } };
    double out[METRICS_MAX];
    wn_error err = { 0 };
    struct asked *a = make_set(k, self);
    for (size_t i = 0; a && i < sizeof sizes / sizeof *sizes; i++) {
        free((void *)(uintptr_t)a->images[0].rgb);
        free((void *)(uintptr_t)a->previews[0].rgb);
        a->images[0] = make_image(i % 2 ? 7 : 0, sizes[i][0], sizes[i][1]);
        a->previews[0] = make_image(9, sizes[i][0], sizes[i][1]);
        score(k, self, a, 1, NULL, out, &err);
    }
    if (a)
        free_images(a);
}

static void check_texts(struct kit *k, void *self)
{
    enum { LONG = 20000 };
    char *much = malloc(LONG + 1);
    const char *const texts[] = {
        "",  " ", "a", "\xe7\xba\xa2\xe8\x89\xb2\xe5\x9c\x86 \xf0\x9f\x94\xb4 \xc3\xa9", "\"quoted\" \\ <b>%s%n</b>",
        much
    };
    double out[METRICS_MAX];
    wn_error err = { 0 };
    struct asked *a = much ? make_set(k, self) : NULL;
    for (int i = 0; much && i < LONG; i++)
        much[i] = " abcdefghijklmnopqrstuvwxyz"[i % 27];
    if (much)
        much[LONG] = '\0';
    for (size_t i = 0; a && i < sizeof texts / sizeof *texts; i++) {
        a->prompt[0].text = texts[i];
        a->prompt[0].json = "{}";
        score(k, self, a, 1, NULL, out, &err);
    }
    if (a)
        free_images(a);
    free(much);
}

static void check_cancel(struct kit *k, void *self)
{
    double out[SET * METRICS_MAX];
    wn_error err = { 0 };
    struct asked *a = make_set(k, self);
    k->is_cancelled = true;
    const wn_status status = a ? score(k, self, a, set_size(a), NULL, out, &err) : WN_OK;
    if (status != WN_OK && status != WN_E_CANCELLED)
        kit_fail(k, "interrupted, it fails with status %d (%.600s); WN_E_CANCELLED is what happened", status,
                 err.message);
    if (a)
        free_images(a);
}

static wn_status exercise(struct kit *k, void *self, wn_error *err)
{
    double out[SET * METRICS_MAX];
    struct asked *a = make_set(k, self);
    if (!a)
        return wn_fail(err, WN_E_MEMORY, "no set");
    const wn_status status = score(k, self, a, set_size(a), NULL, out, err);
    free_images(a);
    return status;
}

const struct kind_checks *kit_verifier_checks(void)
{
    static const struct check checks[] = {
        { "metrics have names, helps and ranges", check_metrics, false },
        { "a picture scores alone as among others", check_singles, false },
        { "the order of the set does not matter", check_order, false },
        { "equal pictures score equally", check_twins, false },
        { "scores can be had again, by other threads and instances", check_repeats, false },
        { "pictures of every size", check_sizes, false },
        { "prompts of every kind", check_texts, false },
        { "an interrupt is no error", check_cancel, false },
        { NULL, NULL, false },
    };
    static const struct kind_checks own = { checks, exercise };
    return &own;
}
