/* kernel.c - see kernel.h. */
#include "kernel.h"

#include <string.h>

static const struct {
    const char *name;
    int64_t kind;
    double scale;
} kernels[] = { { "cps", WN_KERNEL_CPS, 0.5 },
                { "constant", WN_KERNEL_CONSTANT, 1 },
                { "grpo", WN_KERNEL_GRPO, 0.7 },
                { "rbf", WN_KERNEL_RBF, 3 },
                { "rbf_vp", WN_KERNEL_RBF_VP, 3 } };

wn_kernel wn_kernel_of(const char *kernel, double scale)
{
    uint64_t i = 0;
    while (i + 1 < sizeof kernels / sizeof kernels[0] && strcmp(kernels[i].name, kernel) != 0)
        i++;
    return (wn_kernel){ kernels[i].kind, scale > 0 ? scale : kernels[i].scale };
}

wn_status wn_kernel_check(const char *kernel, double scale, wn_error *err)
{
    if (wn_kernel_of(kernel, scale).kind == WN_KERNEL_CPS && scale > 1)
        return wn_fail(err, WN_E_ARG, "scale %g of kernel cps is not within 0 and 1", scale);
    return WN_OK;
}
