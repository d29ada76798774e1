/* calls.h - env's calls as messages: what a program asks for, made, and answered. */
#ifndef WINNOW_SEARCH_WORKER_CALLS_H
#define WINNOW_SEARCH_WORKER_CALLS_H

#include <worker/message.h>

#include <winnow/search.h>

/* Of one search. Begin with env set and the rest zero. */
struct calls {
    const wn_env *env;
    wn_sample *samples; /* of the call in progress */
    double *scores;
};

struct answer {
    cJSON *message;
    void *data;
    uint64_t data_bytes;
};

/* Makes the call that a frame asks for. A refusal is an answer too: the budget that was spent then is spent now. Only
 * WN_E_CANCELLED and a lack of memory are none. */
wn_status calls_make(struct calls *r, const cJSON *message, const struct wn_frame *frame, struct answer *answer,
                     wn_error *err);
void calls_finish(struct calls *r);
void answer_free(struct answer *a);

#endif
