/* tokenizer_config.h - what tokenizer_config.json says of special tokens and lengths. Internal to the toolkit. */
#ifndef WINNOW_NN_TOKENIZER_CONFIG_H
#define WINNOW_NN_TOKENIZER_CONFIG_H

#include "../config.h"
#include "../files.h"

/* *out = NULL when the folder has no such file; else it is noted in files. */
wn_status tokenizer_config_open(const char *folder, nn_files *files, nn_config **out, wn_error *err);

/* A token is given as a string or as an object with "content". c may be NULL. */
wn_status tokenizer_config_token(const nn_config *c, const char *key, const char *fallback, const char **out,
                                 wn_error *err);

/* model_max_length; files without a limit have 1e30 there, which means the fallback. c may be NULL. */
wn_status tokenizer_config_max_length(const nn_config *c, uint32_t fallback, uint32_t *out, wn_error *err);

#endif
