/* clip_scoring.h - what verifiers that compare a prompt with images by CLIP share: the model opened as a spec says it,
 * the embeddings of recent prompts, and the cosines of a request. A verifier adds its options and its formula.
 */
#ifndef WINNOW_NN_MODELS_CLIP_SCORING_H
#define WINNOW_NN_MODELS_CLIP_SCORING_H

#include <winnow/verifier.h>

#include "../nn.h"

typedef struct nn_clip_scoring nn_clip_scoring;

/* Strings are kept by pointer: they are an instance's options. */
typedef struct nn_clip_scoring_settings {
    const char *verifier;   /* its name, which begins its log lines */
    const char *model;      /* for wn_host.resolve, like the processor */
    const char *processor;  /* of nn_clip_options; "" = the model's own */
    const char *activation; /* of nn_clip_options; NULL or "" = what the model's files say */
    const char *device;
    const char *dtype;  /* of the matrix products: f32 or bf16 */
    const char *prefix; /* put before every prompt */
    int32_t resize;     /* NN_RESIZE_..., NN_CROP_...; 0 = as transformers does it */
    int32_t crop;
} nn_clip_scoring_settings;

/* Tells the host of all files. [setup] */
NN_API wn_status nn_clip_scoring_open(const wn_host *host, const nn_clip_scoring_settings *settings,
                                      nn_clip_scoring **out, wn_error *err);
/* Logs how much was scored. NULL is fine. [setup] */
NN_API void nn_clip_scoring_close(nn_clip_scoring *s);

/* cosines [count]: each image of the request with its prompt. A prompt is encoded once, however many images it gets;
 * one that is too long is cut, and the log says so once. [serial] */
NN_API wn_status nn_clip_scoring_cosines(nn_clip_scoring *s, const wn_score_request *request, double *cosines,
                                         wn_error *err);
/* exp(logit_scale), NaN when the weights lack it. [any] */
NN_API double nn_clip_scoring_scale(const nn_clip_scoring *s);

#endif
