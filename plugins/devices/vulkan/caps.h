/* caps.h - what a physical device can do, and what it is let do.
 *
 * Every optional feature is asked for once, here; kernels are chosen from this struct alone. The option "caps" of a spec's
 * "devices" and WINNOW_VULKAN_CAPS take features away, so that any path can be forced on any device: a list of
 *     no-fp16  no-16bit-storage  no-coopmat  no-coopmat2  no-matrix-attention  no-bf16  no-subgroup  no-budget
 *     no-unified  gpu  no-copy-queue  matrix=MxNxK  tile=MxNxK  subgroup=N  group=N  shared=BYTES  block=BYTES
 *     buffer=BYTES  memory=BYTES  submit_ms=N
 * separated by commas. `gpu` treats a software device like a GPU, whose kernels do not mind how often its driver
 * lets loops turn (check_turns): it is for tests of small shapes; `matrix` is for drivers that multiply matrices of any
 * shape, `tile` is what whole groups multiply at once. What is in force stands in wn_device_info.paths, and so in a
 * run's manifest.
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

/* A whole group's: sides are multiples of these, of groups with so many invocations. */
struct group_shape {
    struct matrix_shape shape;
    uint32_t threads;
};

enum { MAX_SHAPES = 16, VENDOR_NVIDIA = 0x10de };

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
    uint64_t block_bytes;  /* what is allocated at once where more than one thing fits in, at most 1 GiB */
    uint64_t buffer_bytes; /* largest buffer and allocation that the driver makes */
    uint32_t shared_bytes;
    uint32_t subgroup, subgroup_min, subgroup_max;
    uint32_t matrix_subgroup;       /* of kernels on matrix units */
    uint32_t submit_ms;             /* what one submission should take at most */
    int has_size_control_extension; /* of a driver of Vulkan 1.2; later ones have it anyway */
    int has_sm_builtins;
    int can_set_subgroup;
    int has_subgroup_arithmetic;
    int has_fp16; /* arithmetic */
    int has_16bit_storage;
    int has_bf16; /* in cooperative matrices */
    int has_coopmat;
    int has_coopmat2;         /* VK_NV_cooperative_matrix2, as product_coopmat2.comp needs it */
    int has_matrix_attention; /* attention on matrix units comes out right */
    int has_memory_model;
    int has_maintenance4;
    int has_budget;
    int has_portability_subset;
    int is_software; /* a processor: no barriers, no shared memory */
    int is_unified;  /* device memory can be mapped and is not slower for it */
    struct matrix_shape shapes[MAX_SHAPES];
    uint32_t shape_count;
    struct group_shape group_shapes[MAX_SHAPES];
    uint32_t group_shape_count, matrix_group_max, matrix_side_max;
    struct matrix_shape tile; /* in the place of all others; m is 0: none */
    char overrides[256]; /* in force */
};

/* WN_E_UNSUPPORTED with what is lacking when winnow cannot use the device, WN_E_MEMORY when the host has none left; out
 * is filled as far as names go. overrides: words as above, of the spec; "" = none. */
wn_status caps_probe(const struct instance_api *api, VkPhysicalDevice physical, const char *overrides,
                     struct caps *out, wn_error *err);
/* overrides.c: those of the option and of the environment; needs all other fields. WN_E_ARG for what is no override. */
wn_status caps_override(struct caps *c, const char *option, wn_error *err);
/* caps_matrix.c: what the driver lists of matrix units; needs all other fields. */
void caps_probe_matrices(const struct instance_api *api, struct caps *c);
/* "coopmat f16 16x16x16, subgroup 32" */
void caps_describe(const struct caps *c, char *text, size_t size);
/* The shape of this type whose tile is largest, its sides 8, 16 or 32; NULL when there is none. */
const struct matrix_shape *caps_shape(const struct caps *c, int32_t type);
/* Whether groups of so many invocations multiply such matrices. */
int caps_has_group_shape(const struct caps *c, const struct group_shape *wanted);
/* Makes the VkDevice with what caps has, and no more. */
wn_status caps_create_device(const struct instance_api *api, const struct caps *c, VkDevice *device, wn_error *err);

#endif
