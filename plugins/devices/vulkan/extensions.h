/* extensions.h - the Vulkan declarations that Debian 12's headers (1.3.239) are older than: cooperative matrices and
 * bfloat16. Numbers are the registry's (vk.xml of VK_KHR_cooperative_matrix, VK_NV_cooperative_matrix2,
 * VK_KHR_shader_bfloat16). Own names, so that newer headers do not collide.
 */
#ifndef WINNOW_VULKAN_EXTENSIONS_H
#define WINNOW_VULKAN_EXTENSIONS_H

#include <vulkan/vulkan.h>

#define EXT_COOPERATIVE_MATRIX  "VK_KHR_cooperative_matrix"
#define EXT_COOPERATIVE_MATRIX2 "VK_NV_cooperative_matrix2"
#define EXT_BFLOAT16            "VK_KHR_shader_bfloat16"

enum {
    TYPE_COOPERATIVE_MATRIX_FEATURES = 1000506000,
    TYPE_COOPERATIVE_MATRIX_PROPERTIES = 1000506001,
    TYPE_COOPERATIVE_MATRIX2_FEATURES = 1000593000,
    TYPE_FLEXIBLE_MATRIX_PROPERTIES = 1000593001,
    TYPE_COOPERATIVE_MATRIX2_PROPERTIES = 1000593002,
    TYPE_BFLOAT16_FEATURES = 1000141000
};

/* VkComponentTypeKHR */
enum { COMPONENT_F16 = 0, COMPONENT_F32 = 1, COMPONENT_BF16 = 1000141000 };

enum { SCOPE_WORKGROUP = 2, SCOPE_SUBGROUP = 3 };

struct cooperative_matrix_features {
    VkStructureType sType;
    void *pNext;
    VkBool32 cooperativeMatrix;
    VkBool32 cooperativeMatrixRobustBufferAccess;
};

struct cooperative_matrix_properties {
    VkStructureType sType;
    void *pNext;
    uint32_t MSize, NSize, KSize;
    int32_t AType, BType, CType, ResultType;
    VkBool32 saturatingAccumulation;
    int32_t scope;
};

struct cooperative_matrix2_features {
    VkStructureType sType;
    void *pNext;
    VkBool32 cooperativeMatrixWorkgroupScope;
    VkBool32 cooperativeMatrixFlexibleDimensions;
    VkBool32 cooperativeMatrixReductions;
    VkBool32 cooperativeMatrixConversions;
    VkBool32 cooperativeMatrixPerElementOperations;
    VkBool32 cooperativeMatrixTensorAddressing;
    VkBool32 cooperativeMatrixBlockLoads;
};

struct cooperative_matrix2_properties {
    VkStructureType sType;
    void *pNext;
    uint32_t cooperativeMatrixWorkgroupScopeMaxWorkgroupSize;
    uint32_t cooperativeMatrixFlexibleDimensionsMaxDimension;
    uint32_t cooperativeMatrixWorkgroupScopeReservedSharedMemory;
};

struct flexible_matrix_properties {
    VkStructureType sType;
    void *pNext;
    uint32_t MGranularity, NGranularity, KGranularity;
    int32_t AType, BType, CType, ResultType;
    VkBool32 saturatingAccumulation;
    int32_t scope;
    uint32_t workgroupInvocations;
};

struct bfloat16_features {
    VkStructureType sType;
    void *pNext;
    VkBool32 shaderBFloat16Type;
    VkBool32 shaderBFloat16DotProduct;
    VkBool32 shaderBFloat16CooperativeMatrix;
};

typedef VkResult(VKAPI_PTR *PFN_wn_vkGetCooperativeMatrixProperties)(VkPhysicalDevice device, uint32_t *count,
                                                                     struct cooperative_matrix_properties *properties);
typedef VkResult(VKAPI_PTR *PFN_wn_vkGetFlexibleMatrixProperties)(VkPhysicalDevice device, uint32_t *count,
                                                                  struct flexible_matrix_properties *properties);

#endif
