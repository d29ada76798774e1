/* pointwise.c - an image's score is the mean of its votes. */
#include "judge.h"

#include <stdlib.h>

static void fill(const struct judge *j, const wn_score_request *request, struct question *questions)
{
    const uint64_t votes = (uint64_t)j->options->votes;
    for (uint64_t i = 0; i < request->count * votes; i++) {
        questions[i].prompt = request->prompts[i / votes];
        questions[i].picture[0] = (uint32_t)(i / votes);
        questions[i].picture_count = 1;
        questions[i].vote = (uint32_t)(i % votes);
    }
}

/* Votes that failed are left out; without any the row stays NaN. */
static void put_mean(const struct question *questions, uint64_t votes, double *row)
{
    double mean[VERDICT_ASPECTS] = { 0 };
    uint64_t n = 0;
    for (uint64_t v = 0; v < votes; v++)
        n += questions[v].is_answered;
    if (n == 0)
        return;
    for (uint64_t v = 0; v < votes; v++)
        for (int a = 0; a < VERDICT_ASPECTS && questions[v].is_answered; a++)
            mean[a] += questions[v].verdict.value[a] / (double)n;
    judge_put_row(row, mean);
}

wn_status score_pointwise(struct judge *j, const wn_score_request *request, wn_error *err)
{
    const uint64_t votes = (uint64_t)j->options->votes, count = request->count * votes;
    struct picture *pictures;
    WN_TRY(make_pictures(j, request, &pictures, err));
    struct question *questions = calloc(count, sizeof *questions);
    wn_status status = WN_OK;
    if (!questions)
        status = wn_fail(err, WN_E_MEMORY, "no memory for %llu questions", (unsigned long long)count);
    if (status == WN_OK) {
        fill(j, request, questions);
        status = ask_all(j, pictures, questions, count, err);
    }
    for (uint64_t i = 0; status == WN_OK && i < request->count; i++)
        put_mean(questions + i * votes, votes, request->scores + i * JUDGE_METRICS);
    free(questions);
    free_pictures(pictures, request->count);
    return status;
}
