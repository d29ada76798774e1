/* settings.h - what the models read from config.json, in their own types. */
#ifndef WINNOW_NN_MODELS_SETTINGS_H
#define WINNOW_NN_MODELS_SETTINGS_H

#include "../config.h"

/* <path>/config.json when path is a folder that holds one, else *out = NULL. */
wn_status settings_open(const char *path, nn_config **out, wn_error *err);

/* An integer of at least `low` and at most 2^31; sizes cannot be 0 by accident. */
wn_status settings_size(const nn_config *c, const char *key, uint64_t fallback, uint64_t low, uint64_t *out,
                        wn_error *err);
wn_status settings_float(const nn_config *c, const char *key, double fallback, float *out, wn_error *err);
wn_status settings_bool(const nn_config *c, const char *key, int fallback, int32_t *out, wn_error *err);
/* WN_ACT_... of a name; an unknown one is an error. */
wn_status settings_activation(const nn_config *c, const char *key, const char *fallback, int32_t *out, wn_error *err);

#endif
