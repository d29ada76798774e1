/* bert_run.c - the least recently used program makes room for a new length. */
#include "bert_run.h"

static wn_status program_for(nn_texts *t, uint64_t tokens, const nn_program **out, wn_error *err)
{
    static const char *const names[] = { "ids", "image", "out", NULL };
    int oldest = 0, found = -1;
    for (int i = 0; i < NN_TEXTS_PROGRAMS; i++) {
        if (t->slot[i].tokens == tokens)
            found = i;
        if (t->slot[i].used < t->slot[oldest].used)
            oldest = i;
    }
    if (found < 0) {
        found = oldest;
        t->slot[found].tokens = 0;
        nn_program_end(&t->slot[found].program);
        WN_TRY(nn_program_make(t->graph(t->arg, tokens), &t->device, t->dtype, NN_TEXTS_BATCH, names,
                               &t->slot[found].program, err));
        t->slot[found].tokens = tokens;
    }
    t->slot[found].used = ++t->uses;
    *out = &t->slot[found].program;
    return WN_OK;
}

wn_status nn_texts_run(nn_texts *t, uint64_t count, nn_text_job *jobs, wn_error *err)
{
    for (uint64_t first = 0; first < count; first++) {
        const nn_program *program;
        void *data[3 * NN_TEXTS_BATCH];
        uint64_t n = 0;
        for (uint64_t i = first; i < count && n < NN_TEXTS_BATCH && !jobs[first].is_done; i++) {
            if (jobs[i].is_done || jobs[i].count != jobs[first].count)
                continue;
            data[3 * n] = (void *)jobs[i].ids;
            data[3 * n + 1] = (void *)jobs[i].image;
            data[3 * n++ + 2] = jobs[i].out;
            jobs[i].is_done = i != first; /* the first tells the length until all are found */
        }
        if (n == 0)
            continue;
        jobs[first].is_done = true;
        WN_TRY(program_for(t, jobs[first].count, &program, err));
        WN_TRY(nn_program_run(program, n, data, err));
    }
    return WN_OK;
}

void nn_texts_end(nn_texts *t)
{
    for (int i = 0; i < NN_TEXTS_PROGRAMS; i++)
        nn_program_end(&t->slot[i].program);
}
