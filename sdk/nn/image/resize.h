/* resize.h - resizes 8-bit RGB images to the same bits as Pillow, and cuts and normalises them for vision towers.
 *
 * Published verifiers were trained and are scored on Pillow's resize; another bicubic moves scores in the third digit.
 * [any] throughout.
 */
#ifndef WINNOW_NN_RESIZE_H
#define WINNOW_NN_RESIZE_H

#include "../nn.h"

/* Pillow's Image.Resampling values plus one: 0 stays invalid. */
enum {
    NN_FILTER_NEAREST = 1,
    NN_FILTER_LANCZOS = 2,
    NN_FILTER_BILINEAR = 3,
    NN_FILTER_BICUBIC = 4,
    NN_FILTER_BOX = 5,
    NN_FILTER_HAMMING = 6
};

/* Or it to a filter for the bits of Pillow before 13, which always resized along x first. Square images and images
 * whose height shrinks by at most twice the pixels of the width come out the same. */
#define NN_RESIZE_X_FIRST 16

#define NN_IMAGE_MAX_PX 65536 /* of a side */

/* Resizes src to dst_width x dst_height, with the bits of Pillow 13; dst [dst_height][dst_width][3]. dst may not
 * overlap src. Fails when a side is 0 or above NN_IMAGE_MAX_PX, or memory runs out. */
NN_API wn_status nn_resize_rgb8(const wn_image *src, int32_t filter, uint32_t dst_width_px, uint32_t dst_height_px,
                                uint8_t *dst, wn_error *err);

/* Copies the width x height rectangle whose top left corner is (left, top), which may lie partly outside the image:
 * what is outside becomes black. */
NN_API void nn_crop_rgb8(const wn_image *src, int64_t left, int64_t top, uint32_t width_px, uint32_t height_px,
                         uint8_t *dst);

/* dst[i][c] = (rgb[i][c] * scale - mean[c]) / std[c] in float32, as transformers and torchvision compute it;
 * dst [pixels][3], or [3][pixels] for the planar form. */
NN_API void nn_normalize_rgb8(const uint8_t *rgb, uint64_t pixels, float scale, const float mean[3], const float std[3],
                              float *dst);
NN_API void nn_normalize_planar_rgb8(const uint8_t *rgb, uint64_t pixels, float scale, const float mean[3],
                                     const float std[3], float *dst);

#endif
