/* human - a person says which of two pictures is better; a set's scores follow from its pairs.
 *
 * It is a verifier and no search, so that any search can be guided by a person, and a person can judge any; the engine
 * records what was said of a set like every other comparative guide's word. What is on the screen is the command's
 * business: the host's extension "winnow.choice/1" asks, and records each answer.
 *
 *     knockout   the set in the order of the request, winners against winners: n - 1 questions, which find the best. A
 *                score is the share of the rounds that the picture came through.
 *     all        every pair: n (n - 1) / 2 questions. A score is the share of its pairs that a picture won, equals
 * half.
 *
 * In a knockout, of equals the first goes on. Pictures that are equal to the last bit are not asked about. */
#include <winnow/choice.h>
#include <winnow/verifier.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct options {
    const char *question;
    const char *method;
};

static const wn_option options[] = {
    WN_STRING(struct options, question, "\"which picture fits the prompt better?\"", "what the person is asked"),
    WN_ENUM(struct options, method, "\"knockout\"", "knockout|all",
            "which pairs of a set: knockout finds its best with n - 1 questions, all ranks it with n (n - 1) / 2"),
    WN_OPTIONS_END
};

static const wn_metric metrics[] = {
    { "preferred", "share of the rounds, or of its pairs, that a picture won in its set", 0, 1,
      WN_METRIC_HIGHER_IS_BETTER },
};

struct human {
    const wn_host *host;
    const struct options *o;
    const wn_choice *choice;
};

/* The pictures of one prompt in a request. */
struct field {
    struct human *human;
    const wn_score_request *request;
    uint64_t *place;       /* [count]: in the request */
    double *points;        /* [count] */
    uint64_t count, asked; /* questions so far, those that needed no asking too */
    uint64_t questions;    /* in all */
};

/* ---- one question ------------------------------------------------------------------------------------------------ */

static bool is_same(const wn_image *a, const wn_image *b)
{
    return a->width_px == b->width_px && a->height_px == b->height_px &&
           memcmp(a->rgb, b->rgb, (uint64_t)a->width_px * a->height_px * 3) == 0;
}

static wn_status ask(struct field *f, uint64_t a, uint64_t b, int32_t *answer, wn_error *err)
{
    struct human *h = f->human;
    const wn_image *first = &f->request->images[f->place[a]], *second = &f->request->images[f->place[b]];
    const wn_question question = {
        .struct_size = sizeof question,
        .prompt = f->request->prompts[f->place[a]],
        .text = h->o->question,
        .first = first,
        .second = second,
        .number = ++f->asked,
        .count = f->questions,
    };
    *answer = WN_CHOICE_EQUAL;
    return is_same(first, second) ? WN_OK : h->choice->ask(h->host->ctx, &question, answer, err);
}

/* ---- which questions --------------------------------------------------------------------------------------------- */

/* left [count]: those still in, in order; the odd one comes through for nothing. */
static wn_status play_round(struct field *f, uint64_t *left, uint64_t *count, wn_error *err)
{
    uint64_t through = 0;
    for (uint64_t i = 0; i < *count; i += 2) {
        int32_t answer = WN_CHOICE_FIRST;
        if (i + 1 < *count)
            WN_TRY(ask(f, left[i], left[i + 1], &answer, err));
        const uint64_t winner = answer == WN_CHOICE_SECOND ? left[i + 1] : left[i];
        f->points[winner] += 1;
        left[through++] = winner;
    }
    *count = through;
    return WN_OK;
}

static wn_status play_knockout(struct field *f, wn_error *err)
{
    uint64_t count = f->count, rounds = 0;
    uint64_t *left = calloc(f->count, sizeof *left);
    if (!left)
        return wn_fail(err, WN_E_MEMORY, "no memory for %llu pictures", (unsigned long long)f->count);
    for (uint64_t i = 0; i < count; i++)
        left[i] = i;
    wn_status status = WN_OK;
    f->questions = f->count - 1;
    for (; status == WN_OK && count > 1; rounds++)
        status = play_round(f, left, &count, err);
    for (uint64_t i = 0; i < f->count; i++)
        f->points[i] = rounds > 0 ? f->points[i] / (double)rounds : 1;
    free(left);
    return status;
}

static wn_status play_all(struct field *f, wn_error *err)
{
    const double pairs = f->count > 1 ? (double)(f->count - 1) : 1;
    f->questions = f->count * (f->count - 1) / 2;
    for (uint64_t i = 0; i < f->count; i++)
        for (uint64_t k = i + 1; k < f->count; k++) {
            int32_t answer;
            WN_TRY(ask(f, i, k, &answer, err));
            const double won = answer == WN_CHOICE_EQUAL ? 0.5 : answer == WN_CHOICE_FIRST;
            f->points[i] += won / pairs;
            f->points[k] += (1 - won) / pairs;
        }
    return WN_OK;
}

/* ---- a request --------------------------------------------------------------------------------------------------- */

static wn_status score_field(struct field *f, wn_error *err)
{
    const bool is_knockout = strcmp(f->human->o->method, "knockout") == 0;
    WN_TRY(is_knockout ? play_knockout(f, err) : play_all(f, err));
    for (uint64_t i = 0; i < f->count; i++)
        f->request->scores[f->place[i]] = f->points[i];
    return WN_OK;
}

/* Prompts are told apart by their pointers. The field begins with the request's picture `first`. */
static void gather(struct field *f, uint64_t first, bool *is_placed)
{
    f->count = f->asked = 0;
    for (uint64_t i = first; i < f->request->count; i++) {
        if (is_placed[i] || f->request->prompts[i] != f->request->prompts[first])
            continue;
        is_placed[i] = true;
        f->points[f->count] = 0;
        f->place[f->count++] = i;
    }
}

static wn_status score(void *self, const wn_score_request *request, wn_error *err)
{
    struct field f = { .human = self, .request = request };
    bool *is_placed = calloc(request->count, sizeof *is_placed);
    f.place = calloc(request->count, sizeof *f.place);
    f.points = calloc(request->count, sizeof *f.points);
    wn_status status = is_placed && f.place && f.points ? WN_OK : wn_fail(err, WN_E_MEMORY, "no memory for a set");
    for (uint64_t i = 0; status == WN_OK && i < request->count; i++) {
        if (is_placed[i])
            continue;
        gather(&f, i, is_placed);
        status = score_field(&f, err);
    }
    free(is_placed);
    free(f.place);
    free(f.points);
    return status;
}

static wn_status create(const wn_host *host, const void *values, void **self, wn_error *err)
{
    const wn_choice *choice =
        WN_HAS(wn_host, host, extension) && host->extension ? host->extension(host->ctx, WN_CHOICE_1) : NULL;
    if (!choice)
        return wn_fail(err, WN_E_UNSUPPORTED,
                       "there is nobody to ask: a person chooses at a terminal, which only `winnow "
                       "run` has, and not in a batch job, behind a pipe or isolated; run it at a terminal, or take "
                       "another verifier");
    struct human *h = calloc(1, sizeof *h);
    if (!h)
        return wn_fail(err, WN_E_MEMORY, "no memory");
    *h = (struct human){ .host = host, .o = values, .choice = choice };
    *self = h;
    return WN_OK;
}

static void destroy(void *self)
{
    free(self);
}

static const wn_verifier verifier = {
    .struct_size = sizeof verifier,
    .metrics = metrics,
    .metric_count = 1,
    .flags = WN_VERIFIER_NEEDS_PROMPT | WN_VERIFIER_COMPARATIVE,
    .score = score,
};

static const wn_plugin plugin = {
    .struct_size = sizeof plugin,
    .kind = WN_KIND_VERIFIER,
    .name = "human",
    .version = "1.0",
    .summary = "a person at the terminal chooses between two pictures at a time",
    .source = "",
    .options = options,
    .options_size = sizeof(struct options),
    .create = create,
    .destroy = destroy,
    .vtable = &verifier,
};

WN_MODULE(&plugin);
