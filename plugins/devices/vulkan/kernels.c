/* kernels.c - see kernels.h. SPIR-V comes as text from glslc -mfmt=c, one file for each kernel. */
#include "kernels.h"

#include <spirv.h> /* made by CMake: for each kernel, static const uint32_t spirv_NAME[] */

static const struct kernel_code codes[] = {
#define KERNEL(id, name, is_full) { #name, spirv_##name, sizeof spirv_##name, is_full },
#include "kernels.def"
#undef KERNEL
};

const struct kernel_code *kernel_code(enum kernel kernel)
{
    return &codes[kernel];
}

uint64_t kernels_hash(void)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (int k = 0; k < KERNEL_COUNT; k++) {
        for (size_t i = 0; i < codes[k].bytes / 4; i++)
            hash = (hash ^ codes[k].words[i]) * UINT64_C(0x100000001b3);
    }
    return hash;
}
