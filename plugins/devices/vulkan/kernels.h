/* kernels.h - the compiled shaders, in the order of kernels.def. */
#ifndef WINNOW_VULKAN_KERNELS_H
#define WINNOW_VULKAN_KERNELS_H

#include <stddef.h>
#include <stdint.h>

enum kernel {
#define KERNEL(id, name, is_full) id,
#include "kernels.def"
#undef KERNEL
    KERNEL_COUNT
};

struct kernel_code {
    const char *name;
    const uint32_t *words;
    size_t bytes;
    int full_subgroups; /* 0: need not be; 1: of the usual size; 2: of that for matrix units */
};

const struct kernel_code *kernel_code(enum kernel kernel);
/* Of all kernels' code: what a pipeline cache belongs to. */
uint64_t kernels_hash(void);

#endif
