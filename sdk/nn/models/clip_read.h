/* clip_read.h - a CLIP model's files, in whichever layout, read into one form. Internal to clip_model.c. */
#ifndef WINNOW_NN_MODELS_CLIP_READ_H
#define WINNOW_NN_MODELS_CLIP_READ_H

#include "../text/clip_bpe.h"
#include "clip.h"
#include "clip_model.h"

struct clip_parts {
    nn_weights *weights; /* under Hugging Face's names */
    nn_clip_text text;   /* projection 0 when there is no text tower, or one without a projection */
    nn_clip_vision vision;
    nn_preprocess preprocess;
    double logit_scale; /* its exponential; NaN when the weights lack it */
    nn_files files;     /* all that was read */
};

/* path: a folder or a weight file. Free with clip_parts_finish, even after a failure. */
wn_status clip_read(const char *path, const nn_clip_options *options, struct clip_parts *out, wn_error *err);
void clip_parts_finish(struct clip_parts *p);

/* The tokenizer beside the weights or, where options name one, that. tokens: the size of the model's vocabulary. */
wn_status clip_read_tokenizer(const char *path, const nn_clip_options *options, uint64_t tokens, nn_clip_bpe **out,
                              wn_error *err);

int clip_is_folder(const char *path);

#endif
