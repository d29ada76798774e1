/* picture.h - an image on its way to a server: made small, packed as PNG, written as text. */
#ifndef LLM_JUDGE_PICTURE_H
#define LLM_JUDGE_PICTURE_H

#include <sha256.h>

#include <winnow/plugin.h>

/* "data:image/png;base64," and the image, whose longer side has at most max_side_px (0 = as it is; Lanczos, as Pillow
 * resizes); free() it. [any] */
wn_status picture_data_uri(const wn_image *image, int64_t max_side_px, char **uri, wn_error *err);
/* Where the base64 of a data URI of above begins. */
const char *picture_base64(const char *uri);

/* SHA-256 of the size and the pixels. */
void picture_hash(const wn_image *image, char hex[65]);

#endif
