/* caps.h - what a physical device can do, and what it is let do.
 *
 * Every optional feature is asked for once, here; kernels are chosen from this struct alone. WINNOW_VULKAN_CAPS takes
 * features away, so that any path can be forced on any device: a list of
 *     no-fp16  no-16bit-storage  no-coopmat  no-bf16  no-subgroup  no-budget  no-unified  gpu
 *     no-copy-queue  matrix=MxNxK  subgroup=N  shared=BYTES  block=BYTES  memory=BYTES  submit_ms=N
 * separated by commas. `gpu` treats a software device like a GPU; `matrix` is for drivers that multiply matrices of any
 * shape. What is in force stands in wn_device_info.paths, and so in a run's manifest.
 */
#ifndef WINNOW_VULKAN_CAPS_H
#define WINNOW_VULKAN_CAPS_H

#include <winnow/device.h>

#include "api.h"

/* A subgroup's matrix product D[m,n] = A[m,k] B[k,n] + C[m,n], float32 C and D. */
struct matrix_shape {
    uint32_t m, n, k;
    int32_t type; /* COMPONENT_F16 or COMPONENT_BF16, of A and B */
};

enum { MAX_SHAPES = 16 };

struct caps {
    VkPhysicalDevice physical;
    VkPhysicalDeviceProperties properties;
    char driver[128];
    uint8_t uuid[VK_UUID_SIZE];        /* of the device */
    uint8_t driver_uuid[VK_UUID_SIZE]; /* of the driver */
    uint32_t queue_family;
    uint32_t copy_family, copy_index; /* of a second queue, that copies beside the kernels */
    int has_copy_queue;
    uint32_t timestamp_bits;
    uint64_t memory_bytes; /* of the largest device-local heap */
    uint64_t block_bytes;  /* largest single allocation, at most 1 GiB */
    uint32_t shared_bytes;
    uint32_t subgroup, subgroup_min, subgroup_max;
    uint32_t submit_ms; /* what one submission should take at most */
    int can_set_subgroup;
    int has_subgroup_arithmetic;
    int has_fp16; /* arithmetic */
    int has_16bit_storage;
    int has_bf16; /* in cooperative matrices */
    int has_coopmat;
    int has_memory_model;
    int has_budget;
    int has_portability_subset;
    int is_software; /* a processor: no barriers, no shared memory */
    int is_unified;  /* device memory can be mapped and is not slower for it */
    struct matrix_shape shapes[MAX_SHAPES];
    uint32_t shape_count;
    char overrides[256];
};

/* WN_E_UNSUPPORTED with what is lacking when winnow cannot use the device; out is filled as far as names go. */
wn_status caps_probe(const struct instance_api *api, VkPhysicalDevice physical, struct caps *out, wn_error *err);
/* "coopmat f16 16x16x16, subgroup 32" */
void caps_describe(const struct caps *c, char *text, size_t size);
/* The shape of this type whose tile is largest, its sides 8, 16 or 32; NULL when there is none. */
const struct matrix_shape *caps_shape(const struct caps *c, int32_t type);
/* Makes the VkDevice with what caps has, and no more. */
wn_status caps_create_device(const struct instance_api *api, const struct caps *c, VkDevice *device, wn_error *err);

#endif
