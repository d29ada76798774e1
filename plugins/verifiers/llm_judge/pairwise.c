/* pairwise.c - an image's score is how much it is preferred to others of its prompt, on average.
 *
 * Where a prompt has n images and n - 1 <= opponents, all pairs are asked about. Else the images stand in a ring, in
 * the order of the request, and each meets the opponents / 2 next to it on either side: n * (opponents / 2) pairs,
 * every image in as many, all of them linked. Each pair is asked about in both orders, since models lean towards one
 * place, and the two are averaged; a pair with one order unanswered is left out.
 */
#include "judge.h"

#include <stdlib.h>
#include <string.h>

struct pair {
    uint32_t a, b; /* images of the request */
};

struct table {
    struct pair *pairs;
    uint64_t count;
    uint64_t capacity;
};

/* ---- who meets whom ---- */

static bool add_pair(struct table *t, uint32_t a, uint32_t b)
{
    if (t->count == t->capacity) {
        const uint64_t capacity = t->capacity ? 2 * t->capacity : 64;
        struct pair *grown = realloc(t->pairs, capacity * sizeof *grown);
        if (!grown)
            return false;
        t->pairs = grown;
        t->capacity = capacity;
    }
    t->pairs[t->count++] = (struct pair){ a, b };
    return true;
}

/* The pairs of one prompt, whose images are ring[0..n). */
static bool pair_ring(struct table *t, const uint32_t *ring, uint32_t n, uint64_t opponents)
{
    bool is_fine = true;
    if (opponents + 1 >= n) {
        for (uint32_t i = 0; i < n; i++)
            for (uint32_t k = i + 1; k < n; k++)
                is_fine &= add_pair(t, ring[i], ring[k]);
        return is_fine;
    }
    for (uint32_t step = 1; step <= opponents / 2; step++)
        for (uint32_t i = 0; i < n; i++)
            is_fine &= add_pair(t, ring[i], ring[((uint64_t)i + step) % n]);
    return is_fine;
}

/* Prompts are told apart by their pointers. */
static bool pair_all(struct table *t, const wn_score_request *request, uint64_t opponents)
{
    uint32_t *ring = calloc(request->count, sizeof *ring);
    bool *is_placed = calloc(request->count, sizeof *is_placed);
    bool is_fine = ring && is_placed;
    for (uint64_t i = 0; is_fine && i < request->count; i++) {
        uint32_t n = 0;
        for (uint64_t k = i; k < request->count && !is_placed[i]; k++)
            if (request->prompts[k] == request->prompts[i])
                ring[n++] = (uint32_t)k;
        for (uint32_t k = 0; k < n; k++)
            is_placed[ring[k]] = true;
        is_fine = pair_ring(t, ring, n, opponents);
    }
    free(ring);
    free(is_placed);
    return is_fine;
}

/* ---- the questions ---- */

/* Of a pair: its votes with a first, then those with b first. */
static void fill(const struct judge *j, const wn_score_request *request, const struct table *t,
                 struct question *questions)
{
    const uint64_t votes = (uint64_t)j->options->votes;
    for (uint64_t i = 0; i < 2 * votes * t->count; i++) {
        const struct pair *p = &t->pairs[i / (2 * votes)];
        const bool is_swapped = i / votes % 2 == 1;
        struct question *q = &questions[i];
        q->prompt = request->prompts[p->a];
        q->picture[is_swapped] = p->a;
        q->picture[!is_swapped] = p->b;
        q->picture_count = 2;
        q->vote = (uint32_t)(i % votes);
    }
}

/* ---- the scores ---- */

/* The mean of the answered votes; false without any. */
static bool mean_of(const struct question *questions, uint64_t votes, double mean[VERDICT_ASPECTS])
{
    uint64_t n = 0;
    memset(mean, 0, VERDICT_ASPECTS * sizeof *mean);
    for (uint64_t v = 0; v < votes; v++)
        n += questions[v].is_answered;
    for (uint64_t v = 0; v < votes; v++)
        for (int a = 0; a < VERDICT_ASPECTS && questions[v].is_answered; a++)
            mean[a] += questions[v].verdict.value[a] / (double)n;
    return n > 0;
}

/* sum[image] and met[image] take what the pair says of its two. */
static void add_outcome(struct judge *j, const struct pair *p, const struct question *questions,
                        double (*sum)[VERDICT_ASPECTS], uint32_t *met)
{
    const uint64_t votes = (uint64_t)j->options->votes;
    double one[VERDICT_ASPECTS], other[VERDICT_ASPECTS];
    if (!mean_of(questions, votes, one) || !mean_of(questions + votes, votes, other))
        return;
    for (int a = 0; a < VERDICT_ASPECTS; a++) {
        const double preference = (one[a] + 100 - other[a]) / 2;
        sum[p->a][a] += preference;
        sum[p->b][a] += 100 - preference;
        j->first_sum += (one[a] + other[a]) / 2 - 50;
        j->first_count++;
    }
    met[p->a]++;
    met[p->b]++;
}

static wn_status put_rows(struct judge *j, const wn_score_request *request, const struct table *t,
                          const struct question *questions, wn_error *err)
{
    double(*sum)[VERDICT_ASPECTS] = calloc(request->count, sizeof *sum);
    uint32_t *met = calloc(request->count, sizeof *met);
    const bool has_memory = sum && met;
    for (uint64_t i = 0; has_memory && i < t->count; i++)
        add_outcome(j, &t->pairs[i], questions + i * 2 * (uint64_t)j->options->votes, sum, met);
    for (uint64_t i = 0; has_memory && i < request->count; i++) {
        for (int a = 0; a < VERDICT_ASPECTS && met[i]; a++)
            sum[i][a] /= met[i];
        if (met[i])
            judge_put_row(request->scores + i * JUDGE_METRICS, sum[i]);
    }
    free(sum);
    free(met);
    return has_memory ? WN_OK
                      : wn_fail(err, WN_E_MEMORY, "no memory for %llu scores", (unsigned long long)request->count);
}

static wn_status compare(struct judge *j, const wn_score_request *request, const struct table *t, wn_error *err)
{
    const uint64_t count = t->count * 2 * (uint64_t)j->options->votes;
    struct picture *pictures;
    WN_TRY(make_pictures(j, request, &pictures, err));
    struct question *questions = calloc(count + 1, sizeof *questions); /* nobody meets nobody where all are alone */
    wn_status status = WN_OK;
    if (!questions)
        status = wn_fail(err, WN_E_MEMORY, "no memory for %llu questions", (unsigned long long)count);
    if (status == WN_OK) {
        fill(j, request, t, questions);
        status = ask_all(j, pictures, questions, count, err);
    }
    if (status == WN_OK)
        status = put_rows(j, request, t, questions, err);
    free(questions);
    free_pictures(pictures, request->count);
    return status;
}

wn_status score_pairwise(struct judge *j, const wn_score_request *request, wn_error *err)
{
    struct table t = { NULL, 0, 0 };
    wn_status status =
        pair_all(&t, request, (uint64_t)j->options->opponents)
            ? compare(j, request, &t, err)
            : wn_fail(err, WN_E_MEMORY, "no memory for the pairs of %llu images", (unsigned long long)request->count);
    free(t.pairs);
    return status;
}
