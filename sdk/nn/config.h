/* config.h - reads the JSON settings that stand beside a checkpoint (config.json, preprocessor_config.json, ...).
 *
 * Every getter takes a fallback for a key that is absent or null, as the libraries that wrote the files do; a value of
 * another type is an error that names file, pointer and what was found. The whole file must be one JSON value, keys are
 * case-sensitive and an object with the same key twice is refused. [any] throughout; a config is read-only.
 *
 *     nn_config *c;
 *     WN_TRY(nn_config_open("model/config.json", &c, err));
 *     status = nn_config_int(c, "num_layers", 19, &layers, err);
 */
#ifndef WINNOW_NN_CONFIG_H
#define WINNOW_NN_CONFIG_H

#include "nn.h"

#include <stdbool.h>

typedef struct nn_config nn_config; /* one object of a JSON file */

NN_API wn_status nn_config_open(const char *path, nn_config **out, wn_error *err);
/* The same of a text: a prompt's record, a line of a table. name is what messages call it. */
NN_API wn_status nn_config_parse(const char *name, const char *text, nn_config **out, wn_error *err);
NN_API void nn_config_close(nn_config *root); /* closes its nested objects too; NULL is fine */

NN_API const char *nn_config_file(const nn_config *c);
NN_API bool nn_config_has(const nn_config *c, const char *key); /* there, and not null */
/* WN_E_MISSING naming file and key unless nn_config_has. */
NN_API wn_status nn_config_require(const nn_config *c, const char *key, wn_error *err);

/* Integers have no fraction and lie within +-2^53. */
NN_API wn_status nn_config_int(const nn_config *c, const char *key, int64_t fallback, int64_t *out, wn_error *err);
NN_API wn_status nn_config_number(const nn_config *c, const char *key, double fallback, double *out, wn_error *err);
NN_API wn_status nn_config_bool(const nn_config *c, const char *key, bool fallback, bool *out, wn_error *err);
/* The string lives until the root is closed. fallback may be NULL. */
NN_API wn_status nn_config_string(const nn_config *c, const char *key, const char *fallback, const char **out,
                                  wn_error *err);
/* A list of at most `capacity` numbers. When the key is absent, out and *count keep what they hold. */
NN_API wn_status nn_config_ints(const nn_config *c, const char *key, int64_t *out, uint32_t capacity, uint32_t *count,
                                wn_error *err);
NN_API wn_status nn_config_numbers(const nn_config *c, const char *key, double *out, uint32_t capacity, uint32_t *count,
                                   wn_error *err);
/* A nested object, owned by the root; *out = NULL when the key is absent. */
NN_API wn_status nn_config_object(const nn_config *c, const char *key, const nn_config **out, wn_error *err);
/* Item i of a list as a string: *out = NULL past its end or when the key is absent (model_index.json's pairs). */
NN_API wn_status nn_config_string_at(const nn_config *c, const char *key, uint32_t i, const char **out, wn_error *err);

#endif
