/* recipe.h - what a picture of winnow says about its own making, in two text chunks of its PNG:
 *
 *   parameters   the prompt and one line of settings, in the form that image tools and model sites read (A1111):
 *                    a red circle
 *                    Steps: 10, Sampler: Euler, CFG scale: 3.5, Seed: 7, Size: 128x128, Model: pebble, Version: winnow
 * 0.1.0 winnow       one JSON object: spec hash, trial, prompt, candidate, lineage, seed, canvas, model: enough to make
 * it again.
 *
 * Only what is a function of spec and seed stands in it, so that a resumed run writes equal files. [any] */
#ifndef WINNOW_LEDGER_RECIPE_H
#define WINNOW_LEDGER_RECIPE_H

#include "base/buffer.h"
#include "ledger/ledger.h"
#include "spec/spec.h"

struct recipe {
    const struct spec *spec;
    const wn_prompt *prompt;
    const char *model_key; /* of the sampler's wn_sampler_info */
    const struct ledger_candidate *candidate;
};

/* Appends the picture as a PNG with its recipe. */
wn_status recipe_png(const struct recipe *r, const wn_image *image, struct buffer *out, wn_error *err);

/* The two texts alone. */
void recipe_parameters(const struct recipe *r, struct buffer *out);
void recipe_json(const struct recipe *r, struct buffer *out);

#endif
