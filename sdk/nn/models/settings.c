/* settings.c - config.json values with ranges. Counts are bounded here, so that model code can multiply them freely. */
#include "settings.h"

#include "scope.h"

#include <string.h>
#include <sys/stat.h>

wn_status settings_open(const char *path, nn_config **out, wn_error *err)
{
    char file[4096];
    struct stat st;
    *out = NULL;
    if ((size_t)snprintf(file, sizeof file, "%s/config.json", path) >= sizeof file)
        return wn_fail(err, WN_E_ARG, "path of %zu bytes is too long: %.80s...", strlen(path), path);
    if (stat(file, &st) != 0)
        return WN_OK;
    return nn_config_open(file, out, err);
}

wn_status settings_size(const nn_config *c, const char *key, uint64_t fallback, uint64_t low, uint64_t *out,
                        wn_error *err)
{
    const int64_t high = INT32_MAX;
    int64_t value;
    WN_TRY(nn_config_int(c, key, (int64_t)fallback, &value, err));
    if (value < (int64_t)low || value > high)
        return wn_fail(err, WN_E_FORMAT, "%s: \"%s\" is %lld, expected %llu..%lld", nn_config_file(c), key,
                       (long long)value, (unsigned long long)low, (long long)high);
    *out = (uint64_t)value;
    return WN_OK;
}

wn_status settings_float(const nn_config *c, const char *key, double fallback, float *out, wn_error *err)
{
    double value;
    WN_TRY(nn_config_number(c, key, fallback, &value, err));
    *out = (float)value;
    return WN_OK;
}

wn_status settings_bool(const nn_config *c, const char *key, int fallback, int32_t *out, wn_error *err)
{
    bool value;
    WN_TRY(nn_config_bool(c, key, fallback != 0, &value, err));
    *out = value;
    return WN_OK;
}

wn_status settings_activation(const nn_config *c, const char *key, const char *fallback, int32_t *out, wn_error *err)
{
    const char *name;
    WN_TRY(nn_config_string(c, key, fallback, &name, err));
    *out = activation_by_name(name);
    if (*out == 0)
        return wn_fail(err, WN_E_UNSUPPORTED, "%s: \"%s\" is \"%s\"; known are quick_gelu, gelu, gelu_new, silu, relu",
                       nn_config_file(c), key, name);
    return WN_OK;
}
