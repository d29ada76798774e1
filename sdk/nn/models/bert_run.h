/* bert_run.h - runs texts against images: one compiled program for each length of text, the last few kept, and texts of
 * one length together.
 */
#ifndef WINNOW_NN_MODELS_BERT_RUN_H
#define WINNOW_NN_MODELS_BERT_RUN_H

#include "program.h"

#include <stdbool.h>

enum { NN_TEXTS_PROGRAMS = 8, NN_TEXTS_BATCH = 8 };

/* Lengths vary little within a run; what is not among the last ones is compiled again, from weights already packed. */
typedef struct nn_texts {
    nn_device device;
    int64_t dtype;
    /* The graph for so many tokens: inputs "ids" I32 [tokens, 1] and "image", output "out". */
    nn_graph *(*graph)(const void *arg, uint64_t tokens);
    const void *arg;
    struct {
        uint64_t tokens;
        uint64_t used; /* when, as a count of uses; 0 = never */
        nn_program program;
    } slot[NN_TEXTS_PROGRAMS];
    uint64_t uses;
} nn_texts;

/* One text with one image. */
typedef struct nn_text_job {
    const int32_t *ids; /* [count] */
    uint32_t count;
    bool is_done;       /* false before the run */
    const float *image; /* the graph's "image" */
    float *out;         /* the graph's "out" */
} nn_text_job;

/* Does all jobs; their results depend neither on their order nor on each other. [serial] */
NN_API wn_status nn_texts_run(nn_texts *t, uint64_t count, nn_text_job *jobs, wn_error *err);
/* Frees the programs. All zero is fine. [setup] */
NN_API void nn_texts_end(nn_texts *t);

#endif
