/* json.h - reads a small JSON file whole, for the toolkit's own use: cJSON with its leniencies taken away. */
#ifndef WINNOW_NN_JSON_H
#define WINNOW_NN_JSON_H

#include "nn.h"

struct cJSON;

/* The file must be one JSON value (with nothing after it), and no object may have a key twice. cJSON_Delete it. */
wn_status nn_json_read(const char *path, struct cJSON **out, wn_error *err);

/* The same of a text, which has a 0 behind its bytes; path is what messages call it. */
wn_status nn_json_parse(const char *path, const char *text, size_t bytes, struct cJSON **out, wn_error *err);

/* A file of at most 64 MiB as one array with a 0 behind it; free() it. */
wn_status nn_file_read(const char *path, char **text, size_t *bytes, wn_error *err);

#endif
