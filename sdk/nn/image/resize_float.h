/* resize_float.h - torch's interpolation of float images: what torchvision does when an image was made a tensor before
 * it is resized. Unlike Pillow's it rounds nothing between the passes and may leave the range it was given. [any]
 */
#ifndef WINNOW_NN_RESIZE_FLOAT_H
#define WINNOW_NN_RESIZE_FLOAT_H

#include "resize.h"

#include <stdbool.h>

/* src [height][width][3] -> dst [dst_height][dst_width][3]; they may not overlap. filter: NN_FILTER_BILINEAR or
 * NN_FILTER_BICUBIC. is_antialiased: as torch.nn.functional.interpolate(antialias=True), Pillow's weights (cubic a =
 * -0.5, widened when the image shrinks); else its default, the 2 or 4 nearest pixels (cubic a = -0.75), the edge
 * repeated. Fails when a side is 0 or above NN_IMAGE_MAX_PX, or memory runs out. */
NN_API wn_status nn_resize_f32(const float *src, uint32_t width_px, uint32_t height_px, int32_t filter,
                               bool is_antialiased, uint32_t dst_width_px, uint32_t dst_height_px, float *dst,
                               wn_error *err);

#endif
