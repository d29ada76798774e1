/* clip.h - CLIP's two towers (Radford et al. 2021, "Learning Transferable Visual Models From Natural Language
 * Supervision") from Hugging Face folders: CLIPModel, CLIPTextModel and the text tower inside Comfy files.
 *
 * Easy to get wrong:
 *  - the first norm of the vision tower is spelled `pre_layrnorm` in the files;
 *  - absent config fields have the library's defaults (ViT-B/32 sizes, quick_gelu), not those of a bigger model;
 *  - text is causal and padding is not masked: the pooled row cannot see what follows it;
 *  - eos_token_id 2 in a config is a legacy value and means "pool at the largest id";
 *  - FLUX pools after the final norm, without the projection; CLIPScore projects, without a bias;
 *  - quick_gelu and gelu checkpoints differ only by a word in the config.
 */
#ifndef WINNOW_NN_MODELS_CLIP_H
#define WINNOW_NN_MODELS_CLIP_H

#include "../graph.h"
#include "../weights/weights.h"

/* What both towers have. */
typedef struct nn_clip_shape {
    uint64_t width;
    uint64_t layers;
    uint64_t heads;
    uint64_t mlp;
    int32_t activation;
    float eps;
    char prefix[64]; /* of the tower's tensors: "text_model.", "" ... */
} nn_clip_shape;

typedef struct nn_clip_text {
    nn_clip_shape shape;
    uint64_t vocabulary;
    uint64_t positions;  /* longest text, in tokens */
    int64_t eos;         /* pool at its first place; 2 = at the largest id */
    uint64_t projection; /* width of the common space; 0 = the folder has no projection */
} nn_clip_text;

typedef struct nn_clip_vision {
    nn_clip_shape shape;
    uint64_t image_px;
    uint64_t patch_px;
    uint64_t projection;
} nn_clip_vision;

/* Reads config.json beside the weights (a folder); without one (a single file) the sizes are read off the weights and
 * the rest is CLIP-L's. `path` is what nn_weights_open was given. [any] */
NN_API wn_status nn_clip_text_read(const char *path, const nn_weights *w, nn_clip_text *out, wn_error *err);
/* Needs a CLIPModel or CLIPVisionModelWithProjection folder. [any] */
NN_API wn_status nn_clip_vision_read(const char *path, const nn_weights *w, nn_clip_vision *out, wn_error *err);

/* What the weights alone say: all sizes but the heads, which are 0; the activation is 0, too. OpenAI's rule for the end
 * of a text. Missing tensors leave sizes 0. [any] */
NN_API void nn_clip_text_sizes(const nn_weights *w, nn_clip_text *out);
NN_API wn_status nn_clip_vision_sizes(const nn_weights *w, nn_clip_vision *out, wn_error *err);

/* ids I32 [tokens, 1], index I32 [1, 1] -> "pooled" [1, width]: row `index` after the final norm, and, where there is
 * a projection and project is set, "embedding" [1, projection], not normalised. */
NN_API nn_graph *nn_clip_text_graph(const nn_clip_text *c, const nn_weights *w, uint64_t tokens, int project);
/* The row that is pooled: the first eos, or the largest id under the legacy rule. */
NN_API uint64_t nn_clip_pool_index(const nn_clip_text *c, const int32_t *ids, uint64_t count);

/* pixels [image_px * image_px, 3], normalised -> "embedding" [1, projection], not normalised. */
NN_API nn_graph *nn_clip_vision_graph(const nn_clip_vision *c, const nn_weights *w);

#endif
