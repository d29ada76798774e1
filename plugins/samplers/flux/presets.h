/* presets.h - sizes of models that need no files. */
#ifndef WINNOW_FLUX_PRESETS_H
#define WINNOW_FLUX_PRESETS_H

#include <models/clip.h>
#include <models/flux.h>
#include <models/t5.h>
#include <models/vae.h>

struct flux_preset {
    const char *name;
    nn_flux flux;
    nn_vae vae;
    nn_clip_text clip;
    nn_t5 t5;
    uint64_t text_length;
};

extern const char *const preset_names[]; /* ends with NULL */

wn_status preset_find(const char *name, const struct flux_preset **out, wn_error *err);

#endif
