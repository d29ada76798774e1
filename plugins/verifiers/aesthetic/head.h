/* head.h - the small network behind an aesthetic score: from a normalised CLIP image embedding to one number.
 *
 * Read are LAION's published heads, from their own pickles or as safetensors, and folders with a config.json:
 *
 *     v2            layers.{0,2,4,6,7}    five layers without an activation between them, which is one affine map
 *     v2 with ReLU  layers.{0,3,6,9,11}   the same layers with ReLU between them
 *     v1            weight, bias          one layer
 *     others        layers.N              with "model_type": "aesthetic_head" and "activation" in config.json
 *
 * The numbers of the layers tell the first two apart. Layers without an activation are folded into one, in float64.
 */
#ifndef WINNOW_AESTHETIC_HEAD_H
#define WINNOW_AESTHETIC_HEAD_H

#include <files.h>
#include <weights/weights.h>

enum { HEAD_LAYERS = 16 };

struct head_layer {
    uint64_t rows, cols;
    double *weight; /* [rows, cols] */
    double *bias;   /* [rows] */
};

struct head {
    struct head_layer layer[HEAD_LAYERS]; /* ReLU between them */
    uint64_t count;
    uint64_t width;             /* of the embedding */
    int is_normalised;          /* whether it takes embeddings of length 1 */
    int is_laion;               /* one of LAION's files, for OpenAI's CLIP */
    char embedding_model[4096]; /* CLIP named by config.json, absolute or from its folder; "" = none */
    nn_files files;
};

/* path: a weight file, or a folder of one and config.json. Free with head_finish, even after a failure. */
wn_status head_read(const char *path, struct head *out, wn_error *err);
void head_finish(struct head *h);

/* The score of an embedding [width], which need not be normalised. scratch: head_scratch() doubles. */
double head_score(const struct head *h, const float *embedding, double *scratch);
uint64_t head_scratch(const struct head *h);

#endif
