/* diversity.c - how different are the candidates among which the guide chose, and does the search draw them together?
 *
 * A pool's first and last half are as many, so their numbers compare. Looking at pictures costs more than all other
 * numbers of a report together, so of a large run some prompts, evenly spaced, and some of their candidates are seen.
 */
#include "base/arena.h"
#include "base/files.h"
#include "base/png.h"
#include "report/checks.h"
#include "report/look.h"
#include "report/rows.h"
#include "report/vendi.h"

#include <math.h>
#include <stdlib.h>

enum { MOST_PROMPTS = 64, MOST_OF_PROMPT = 64, LEAST_PICTURES = 128, MOST_PIXELS = 1 << 28, FILE_MAX = 256 << 20 };
enum { WHOLE, EARLY, LATE, PARTS };

struct work {
    const struct data *d;
    struct checks *k;
    struct look looks[MOST_OF_PROMPT];
    double kernel[MOST_OF_PROMPT * MOST_OF_PROMPT];
    struct rows rows;       /* distance and vendi of whole, early, late */
    double seen, seen_half; /* pictures that count */
    wn_error *err;
};

/* False where the picture is not there, or is none: then the candidate is not looked at. */
static bool see(const struct data *d, const struct data_candidate *c, struct look *look, uint64_t *pixels)
{
    struct buffer file = BUFFER_INIT(FILE_MAX);
    char path[FILE_PATH_SIZE];
    wn_image image = { 0, 0, NULL };
    uint8_t *rgb = NULL;
    wn_error err;
    const bool is_seen = path_join_inside(path, d->directory, c->image, &err) == WN_OK &&
                         buffer_read_file(&file, path, &err) == WN_OK &&
                         png_decode(path, file.data, file.size, &image.width_px, &image.height_px, &rgb, &err) == WN_OK;

    image.rgb = rgb;
    if (is_seen)
        look_at(&image, look);
    *pixels = (uint64_t)image.width_px * image.height_px;
    free(rgb);
    buffer_free(&file);
    return is_seen;
}

static bool has_picture(const struct data_candidate *c)
{
    return c->finished && c->image[0];
}

static uint64_t pictures_of(const struct data_trial *t)
{
    uint64_t n = 0;

    for (uint64_t i = 0; i < t->candidate_count; i++)
        n += has_picture(&t->candidates[i]);
    return n;
}

/* The looks of at most `most` pictures, evenly spaced, in the order in which they came. */
static uint64_t see_pool(struct work *w, const struct data_trial *t, uint64_t most)
{
    const uint64_t all = pictures_of(t), wanted = all < most ? all : most;
    uint64_t place = 0, n = 0, pixels;

    w->k->is_sampled |= wanted < all;
    for (uint64_t i = 0; i < t->candidate_count && n < wanted; i++) {
        if (!has_picture(&t->candidates[i]))
            continue;
        if (place++ * wanted / all >= n && see(w->d, &t->candidates[i], &w->looks[n], &pixels))
            n++;
    }
    return n;
}

/* distance and vendi of the looks [first, first + n); NaN for fewer than two. */
static void measure(struct work *w, uint64_t first, uint64_t n, double *distance, double *vendi)
{
    double sum = 0;

    for (uint64_t i = 0; i < n; i++)
        for (uint64_t k = 0; k < n; k++) {
            sum += look_distance(&w->looks[first + i], &w->looks[first + k]);
            w->kernel[i * n + k] = look_likeness(&w->looks[first + i], &w->looks[first + k]);
        }
    *distance = n > 1 ? sum / ((double)n * (double)(n - 1)) : NAN;
    *vendi = n > 1 ? vendi_score(n, w->kernel) : NAN;
}

/* Halves need two each; a prompt with fewer than four pictures does not count. */
static void add_prompt(struct work *w, uint64_t trial, uint64_t most)
{
    const uint64_t n = see_pool(w, &w->d->trials[trial], most);
    double *row = rows_next(&w->rows);
    const uint64_t before = w->rows.count;

    measure(w, 0, n, &row[2 * WHOLE], &row[2 * WHOLE + 1]);
    measure(w, 0, n / 2, &row[2 * EARLY], &row[2 * EARLY + 1]);
    measure(w, n - n / 2, n / 2, &row[2 * LATE], &row[2 * LATE + 1]);
    rows_keep(&w->rows, trial);
    w->seen += w->rows.count > before ? (double)n : 0;
    w->seen_half += w->rows.count > before ? (double)(n / 2) : 0;
}

/* How many pictures may be looked at, by the size of the first. */
static uint64_t allowance(const struct data *d)
{
    struct look look;
    uint64_t pixels = 0;

    for (uint64_t i = 0; i < d->trial_count; i++)
        for (uint64_t k = 0; k < d->trials[i].candidate_count; k++)
            if (has_picture(&d->trials[i].candidates[k])) {
                if (!see(d, &d->trials[i].candidates[k], &look, &pixels) || pixels == 0)
                    return LEAST_PICTURES;
                return MOST_PIXELS / pixels > LEAST_PICTURES ? MOST_PIXELS / pixels : LEAST_PICTURES;
            }
    return 0;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static void look_at_prompts(struct work *w)
{
    const struct data *d = w->d;
    const uint64_t pictures = allowance(d), longest = rows_longest_pool(d);
    const uint64_t of_prompt = least(MOST_OF_PROMPT, longest);
    const uint64_t prompts = of_prompt ? least(least(MOST_PROMPTS, pictures / of_prompt), d->trial_count) : 0;

    w->k->is_sampled = prompts < d->trial_count;
    for (uint64_t i = 0; i < prompts; i++) {
        const uint64_t trial = i * d->trial_count / prompts;
        if (rows_is_done(&d->trials[trial]))
            add_prompt(w, trial, of_prompt);
    }
}

static struct diversity part_of(const struct work *w, const struct stats_interval *y, int part)
{
    const double seen = part == WHOLE ? w->seen : w->seen_half, prompts = (double)w->rows.count;

    return (struct diversity){ w->rows.count, prompts > 0 ? seen / prompts : 0, y[2 * part], y[2 * part + 1] };
}

static wn_status compute(struct work *w)
{
    struct stats_interval y[2 * PARTS];

    look_at_prompts(w);
    WN_TRY(stats_means(w->rows.count, 2 * PARTS, w->rows.values, y, w->err));
    w->k->whole = part_of(w, y, WHOLE);
    w->k->early = part_of(w, y, EARLY);
    w->k->late = part_of(w, y, LATE);
    return WN_OK;
}

wn_status diversity_compute(const struct data *d, struct checks *k, wn_error *err)
{
    struct work *w = calloc(1, sizeof *w);
    wn_status status;

    if (!w)
        return wn_fail(err, WN_E_MEMORY, "no memory to look at pictures");
    w->d = d;
    w->k = k;
    w->err = err;
    status = rows_create(&w->rows, d, 2 * PARTS, err);
    if (status == WN_OK)
        status = compute(w);
    rows_free(&w->rows);
    free(w);
    return status;
}
