/* presets.c - sizes of models without their files: FLUX.1 as published, and small ones of the same shape for tests and
 * slow devices. Layouts are those of the original single files. */
#include "presets.h"

#include <string.h>

/* D is heads * head; the rotary widths are the head's. */
#define TRANSFORMER(guided, n_heads, head, doubles, singles, text, pooled, ...)                                        \
    {                                                                                                                  \
        .layout = NN_FLUX_BFL, .has_guidance = guided, .in_channels = 64, .out_channels = 64, .heads = n_heads,        \
        .head_width = head, .double_blocks = doubles, .single_blocks = singles, .text_width = text,                    \
        .pooled_width = pooled, .axes = {                                                                              \
            __VA_ARGS__                                                                                                \
        }                                                                                                              \
    }
#define VAE(residual_blocks, norm_groups, ...)                                                                         \
    {                                                                                                                  \
        .is_bfl = 1, .has_attention = 1, .levels = 4, .channels = { __VA_ARGS__ }, .blocks = residual_blocks,          \
        .groups = norm_groups, .latent_channels = 16, .sample_px = 1024, .scaling = 0.3611f, .shift = 0.1159f          \
    }
#define CLIP(d, n_layers, n_heads, words, tokens)                                                                      \
    {                                                                                                                  \
        .shape = { .width = d,                                                                                         \
                   .layers = n_layers,                                                                                 \
                   .heads = n_heads,                                                                                   \
                   .mlp = 4 * (d),                                                                                     \
                   .activation = WN_ACT_QUICK_GELU,                                                                    \
                   .eps = 1e-5f,                                                                                       \
                   .prefix = "text_model." },                                                                          \
        .vocabulary = words, .positions = tokens, .eos = 2                                                             \
    }
#define T5(d, head, n_heads, hidden, n_layers, words)                                                                  \
    {                                                                                                                  \
        .width = d, .head_width = head, .heads = n_heads, .mlp = hidden, .layers = n_layers, .vocabulary = words,      \
        .buckets = 32, .max_distance = 128, .activation = WN_ACT_GELU_TANH, .is_gated = 1, .eps = 1e-6f                \
    }
#define FLUX_ENCODERS .clip = CLIP(768, 12, 12, 49408, 77), .t5 = T5(4096, 64, 64, 10240, 24, 32128)

static const struct flux_preset presets[] = {
    { .name = "flux-dev",
      .flux = TRANSFORMER(1, 24, 128, 19, 38, 4096, 768, 16, 56, 56),
      .vae = VAE(2, 32, 128, 256, 512, 512),
      FLUX_ENCODERS,
      .text_length = 512 },
    { .name = "flux-schnell",
      .flux = TRANSFORMER(0, 24, 128, 19, 38, 4096, 768, 16, 56, 56),
      .vae = VAE(2, 32, 128, 256, 512, 512),
      FLUX_ENCODERS,
      .text_length = 256 },
    { .name = "small",
      .flux = TRANSFORMER(1, 4, 128, 2, 4, 256, 256, 16, 56, 56),
      .vae = VAE(1, 32, 32, 64, 128, 128),
      .clip = CLIP(256, 4, 4, 1024, 77),
      .t5 = T5(256, 64, 4, 1024, 4, 1024),
      .text_length = 128 },
    { .name = "pebble",
      .flux = TRANSFORMER(0, 6, 32, 3, 6, 128, 128, 8, 12, 12),
      .vae = VAE(1, 16, 32, 48, 64, 96),
      .clip = CLIP(128, 2, 4, 648, 32),
      .t5 = T5(128, 32, 4, 256, 2, 145),
      .text_length = 32 },
};

enum { PRESETS = sizeof presets / sizeof *presets };

const char *const preset_names[] = { "flux-dev", "flux-schnell", "small", "pebble", NULL };

wn_status preset_find(const char *name, const struct flux_preset **out, wn_error *err)
{
    for (int i = 0; i < PRESETS; i++)
        if (strcmp(presets[i].name, name) == 0) {
            *out = &presets[i];
            return WN_OK;
        }
    return wn_fail(err, WN_E_ARG, "no size \"%s\" of flux; there are flux-dev, flux-schnell, small, pebble", name);
}
