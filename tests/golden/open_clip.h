/* open_clip.h - a tiny CLIP folder written once more as open_clip writes it. */
#ifndef WINNOW_TESTS_GOLDEN_OPEN_CLIP_H
#define WINNOW_TESTS_GOLDEN_OPEN_CLIP_H

/* Writes folder/open_clip: the tensors of folder/model.safetensors under open_clip's names, q, k and v in one,
 * projections transposed, with an open_clip_config.json. Returns its path. Exits with a message on failure. */
const char *open_clip_folder(const char *folder, unsigned vision_width, unsigned head_width, unsigned text_width,
                             unsigned text_heads);

#endif
