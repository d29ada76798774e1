/* tokenizer_config.c - the two forms in which transformers has written special tokens, and its "no limit". */
#include "tokenizer_config.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

wn_status tokenizer_config_open(const char *folder, nn_files *files, nn_config **out, wn_error *err)
{
    char *path = NULL;
    wn_status status = WN_OK;
    *out = NULL;
    if (asprintf(&path, "%s/tokenizer_config.json", folder) < 0)
        return wn_fail(err, WN_E_MEMORY, "%s: no memory", folder);
    if (access(path, F_OK) == 0)
        status = nn_config_open(path, out, err);
    if (*out)
        status = nn_files_add(files, path, "", err);
    free(path);
    return status;
}

wn_status tokenizer_config_token(const nn_config *c, const char *key, const char *fallback, const char **out,
                                 wn_error *err)
{
    const nn_config *object;
    wn_error not_an_object;
    *out = fallback;
    if (!c)
        return WN_OK;
    if (nn_config_object(c, key, &object, &not_an_object) == WN_OK && object)
        return nn_config_string(object, "content", fallback, out, err);
    return nn_config_string(c, key, fallback, out, err);
}

wn_status tokenizer_config_max_length(const nn_config *c, uint32_t fallback, uint32_t *out, wn_error *err)
{
    double length = fallback;
    if (c)
        WN_TRY(nn_config_number(c, "model_max_length", fallback, &length, err));
    if (length < 2 || length != floor(length))
        return wn_fail(err, WN_E_FORMAT, "%s: /model_max_length is %g, want a whole number of at least 2",
                       nn_config_file(c), length);
    *out = length > UINT32_MAX ? fallback : (uint32_t)length;
    return WN_OK;
}
