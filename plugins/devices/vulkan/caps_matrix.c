/* caps_matrix.c - the matrix units of a device: which products its subgroups and groups can do, which of them are to be
 * left alone, and how wide a subgroup they want.
 */
#include "caps.h"

#include <string.h>

enum { VENDOR_AMD = 0x1002, VENDOR_INTEL = 0x8086, INTEL_SUBGROUP = 32, TURING_WARPS = 32 };

/* ---- what the driver lists ---------------------------------------------------------------------------------- */

static int is_ours(int32_t a, int32_t b, int32_t c, int32_t result)
{
    return a == b && (a == COMPONENT_F16 || a == COMPONENT_BF16) && c == COMPONENT_F32 && result == COMPONENT_F32;
}

static void probe_shapes(const struct instance_api *api, struct caps *c)
{
    struct cooperative_matrix_properties found[64];
    uint32_t count = 64;
    if (!c->has_coopmat || !api->GetCooperativeMatrixProperties)
        return;
    for (uint32_t i = 0; i < 64; i++)
        found[i] =
            (struct cooperative_matrix_properties){ .sType = (VkStructureType)TYPE_COOPERATIVE_MATRIX_PROPERTIES };
    const VkResult result = api->GetCooperativeMatrixProperties(c->physical, &count, found);
    if (result != VK_SUCCESS && result != VK_INCOMPLETE)
        return;
    for (uint32_t i = 0; i < count && c->shape_count < MAX_SHAPES; i++) {
        const struct cooperative_matrix_properties *p = &found[i];
        if (is_ours(p->AType, p->BType, p->CType, p->ResultType) && p->scope == SCOPE_SUBGROUP)
            c->shapes[c->shape_count++] = (struct matrix_shape){ p->MSize, p->NSize, p->KSize, p->AType };
    }
}

static void probe_group_shapes(const struct instance_api *api, struct caps *c)
{
    struct flexible_matrix_properties found[64];
    uint32_t count = 64;
    if (!c->has_coopmat2 || !api->GetFlexibleMatrixProperties)
        return;
    for (uint32_t i = 0; i < 64; i++)
        found[i] = (struct flexible_matrix_properties){ .sType = (VkStructureType)TYPE_FLEXIBLE_MATRIX_PROPERTIES };
    const VkResult result = api->GetFlexibleMatrixProperties(c->physical, &count, found);
    if (result != VK_SUCCESS && result != VK_INCOMPLETE)
        return;
    for (uint32_t i = 0; i < count && c->group_shape_count < MAX_SHAPES; i++) {
        const struct flexible_matrix_properties *p = &found[i];
        if (is_ours(p->AType, p->BType, p->CType, p->ResultType) && p->scope == SCOPE_WORKGROUP)
            c->group_shapes[c->group_shape_count++] =
                (struct group_shape){ { p->MGranularity, p->NGranularity, p->KGranularity, p->AType },
                                      p->workgroupInvocations };
    }
}

/* ---- what is left alone -------------------------------------------------------------------------------------- */

/* Intel's first discrete generation and AMD's closed driver offer cooperative matrices that are slower than plain
 * code, or emulated (llama.cpp issues 24404, 14001, 10597). RDNA 3 and later, Xe 2 and later have units for them. */
static int is_slow(const struct caps *c)
{
    if (c->properties.vendorID == VENDOR_INTEL)
        return c->subgroup_min < 16;
    return c->properties.vendorID == VENDOR_AMD && strstr(c->driver, "radv") == NULL &&
           strstr(c->properties.deviceName, "RX 7") == NULL && strstr(c->properties.deviceName, "RX 9") == NULL;
}

/* NVIDIA's compiler makes wrong attention of cooperative matrices for Turing (llama.cpp issue 19075), whose
 * multiprocessors hold 32 subgroups; later ones hold 48 or 64. Products are right. */
static int is_turing(const struct instance_api *api, const struct caps *c)
{
    VkPhysicalDeviceShaderSMBuiltinsPropertiesNV sm = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_SM_BUILTINS_PROPERTIES_NV
    };
    VkPhysicalDeviceProperties2 all = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2, .pNext = &sm };
    if (c->properties.vendorID != VENDOR_NVIDIA || !c->has_sm_builtins)
        return 0;
    api->GetPhysicalDeviceProperties2(c->physical, &all);
    return sm.shaderWarpsPerSM == TURING_WARPS;
}

/* ---- all ----------------------------------------------------------------------------------------------------- */

/* A driver lists shapes without saying for which of its subgroup sizes. Intel's are laid out for 32 lanes where nobody
 * asks for another size, so 32 are asked for; elsewhere it is the usual size. */
static uint32_t subgroup_for_matrices(const struct caps *c)
{
    const uint32_t wanted = c->properties.vendorID == VENDOR_INTEL ? INTEL_SUBGROUP : c->subgroup;
    return wanted < c->subgroup_min ? c->subgroup_min : wanted > c->subgroup_max ? c->subgroup_max : wanted;
}

void caps_probe_matrices(const struct instance_api *api, struct caps *c)
{
    probe_shapes(api, c);
    probe_group_shapes(api, c);
    c->has_coopmat = c->has_coopmat && c->shape_count && !is_slow(c);
    c->has_coopmat2 = c->has_coopmat2 && c->has_coopmat && c->group_shape_count;
    c->has_matrix_attention = !is_turing(api, c);
    c->matrix_subgroup = subgroup_for_matrices(c);
}

/* Whether kernels are written for a fragment with such a side. */
static int is_side(uint32_t n)
{
    return n == 8 || n == 16 || n == 32;
}

/* Kernels declare the type that they multiply. */
static int has_type(const struct caps *c, int32_t type)
{
    return type == COMPONENT_F16 ? c->has_fp16 : c->has_bf16;
}

const struct matrix_shape *caps_shape(const struct caps *c, int32_t type)
{
    const struct matrix_shape *best = NULL;
    for (uint32_t i = 0; c->has_coopmat && has_type(c, type) && i < c->shape_count; i++) {
        const struct matrix_shape *s = &c->shapes[i];
        if (s->type == type && is_side(s->m) && is_side(s->n) && is_side(s->k) &&
            (!best || s->m * s->n * s->k > best->m * best->n * best->k))
            best = s;
    }
    return best;
}

/* Kernels of either type declare float16. */
int caps_has_group_shape(const struct caps *c, const struct group_shape *wanted)
{
    const struct matrix_shape *w = &wanted->shape;
    if (!c->has_coopmat2 || !c->has_fp16 || !caps_shape(c, w->type) || wanted->threads > c->matrix_group_max ||
        w->m > c->matrix_side_max || w->n > c->matrix_side_max || w->k > c->matrix_side_max)
        return 0;
    for (uint32_t i = 0; i < c->group_shape_count; i++) {
        const struct matrix_shape *s = &c->group_shapes[i].shape;
        if (c->group_shapes[i].threads == wanted->threads && s->type == w->type && w->m % s->m == 0 &&
            w->n % s->n == 0 && w->k % s->k == 0)
            return 1;
    }
    return 0;
}
