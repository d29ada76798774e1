/* scale.c - finding a weight's scale. */
#include "scale.h"

#include <string.h>

static int is_scalar(const nn_tensor *t)
{
    for (uint32_t i = 0; i < t->rank; i++)
        if (t->shape[i] != 1)
            return 0;
    return 1;
}

wn_status weight_scale(const nn_weights *from, const nn_tensor *t, float *scale, wn_error *err)
{
    static const char *const names[] = { "scale_weight", "weight_scale" };
    char name[512];
    const size_t length = strlen(t->name), stem = length > 7 ? length - 7 : 0;
    *scale = 1.0f;
    if ((t->dtype != WN_F8_E4M3 && t->dtype != WN_F8_E5M2) || strcmp(t->name + stem, ".weight") != 0)
        return WN_OK;
    for (int i = 0; i < 2; i++) {
        snprintf(name, sizeof name, "%.*s.%s", (int)(stem < 400 ? stem : 400), t->name, names[i]);
        const nn_tensor *found = nn_weights_find(from, name);
        if (found && !is_scalar(found))
            return wn_fail(err, WN_E_UNSUPPORTED, "%s: tensor \"%s\" is not one scale for the whole weight", t->file,
                           name);
        if (found)
            nn_tensor_to_f32(found, 0, scale, 1);
    }
    return WN_OK;
}
