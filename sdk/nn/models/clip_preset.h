/* clip_preset.h - what a CLIP checkpoint without a Hugging Face config.json does not say: heads, activation,
 * preparation of images. Internal.
 *
 * Sizes are read off the tensors. The rest comes from open_clip_config.json beside the weights where there is one, else
 * from what is known of published files (by their SHA-256) and of the published architectures (by their width). Nothing
 * is guessed: quick_gelu and gelu checkpoints look alike and score differently, so where nobody says which, the option
 * must.
 */
#ifndef WINNOW_NN_MODELS_CLIP_PRESET_H
#define WINNOW_NN_MODELS_CLIP_PRESET_H

#include "../files.h"
#include "../image/preprocess.h"
#include "clip.h"

/* weights: under Hugging Face's names; is_openai: whether the file is one of OpenAI's archives. activation: the
 * option's, NULL or "" when not given; it must not contradict what is known of the file. Files read are added to
 * `files`. Sizes of a text tower are left 0 when the weights have none. */
wn_status clip_preset_read(const char *folder, const nn_weights *weights, int is_openai, const char *activation,
                           nn_clip_text *text, nn_clip_vision *vision, nn_files *files, wn_error *err);

/* How open_clip_config.json prepares images, or how OpenAI does it: *is_given is 0 when the file does not say. */
wn_status clip_preset_images(const char *folder, uint64_t image_px, nn_preprocess *out, int *is_given, wn_error *err);

#endif
