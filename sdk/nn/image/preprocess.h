/* preprocess.h - what a preprocessor_config.json says is done to an image before a vision tower sees it.
 *
 * Order, as in transformers' CLIPImageProcessor: resize (short side, or both sides), centre crop, rescale, normalise.
 * [any] throughout.
 */
#ifndef WINNOW_NN_PREPROCESS_H
#define WINNOW_NN_PREPROCESS_H

#include "resize.h"

/* Where the centre crop of a rectangle begins when the margin is odd. */
enum {
    NN_CROP_FLOOR = 1,    /* (h - crop) // 2: transformers */
    NN_CROP_HALF_EVEN = 2 /* round((h - crop) / 2.0), halves to even: torchvision */
};

/* Who resizes. */
enum {
    NN_RESIZE_PIL = 1,       /* 8-bit pixels, with the bits of Pillow: OpenAI's and transformers' code */
    NN_RESIZE_TORCH_AA = 2,  /* floats, antialiased: torchvision from 0.17 on, given a tensor; not the nearest filter */
    NN_RESIZE_TORCH_NOAA = 3 /* floats, without: torchvision before that */
};

typedef struct nn_preprocess {
    int32_t resize;           /* NN_RESIZE_... */
    int32_t filter;           /* NN_FILTER_...; torch has bilinear and bicubic */
    uint32_t short_px;        /* resize the short side to this, keep the aspect; 0 = use resize_width/height */
    uint32_t resize_width_px; /* 0 = no resize */
    uint32_t resize_height_px;
    uint32_t crop_width_px; /* 0 = no crop */
    uint32_t crop_height_px;
    int32_t crop; /* NN_CROP_... */
    float scale;  /* 1/255 */
    float mean[3];
    float std[3];
} nn_preprocess;

/* CLIP's: bicubic, short side and centre crop `size_px`, CLIP's mean and standard deviation. */
NN_API nn_preprocess nn_preprocess_clip(uint32_t size_px);

/* Reads folder/preprocessor_config.json; keys that are absent have the defaults of CLIPImageProcessor. The files do not
 * say who resizes: NN_RESIZE_PIL. */
NN_API wn_status nn_preprocess_open(const char *folder, nn_preprocess *out, wn_error *err);

/* Size of the result for an image of width_px x height_px. */
NN_API wn_status nn_preprocess_size(const nn_preprocess *p, uint32_t width_px, uint32_t height_px,
                                    uint32_t *out_width_px, uint32_t *out_height_px, wn_error *err);

/* dst [out_height*out_width][3] float32, channels last; the size is nn_preprocess_size's. */
NN_API wn_status nn_preprocess_run(const nn_preprocess *p, const wn_image *image, float *dst, wn_error *err);

#endif
