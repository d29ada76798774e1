/* overrides.c - takes features away from what a device reports, so that any path can be forced on any device: the
 * option "caps" of the plugin, then WINNOW_VULKAN_CAPS. caps.h lists the words.
 */
#include "caps.h"

#include <device/graph.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LEAST_BUFFER = 16 << 20 };

static int take_number(const char *word, const char *name, uint64_t *value)
{
    const size_t n = strlen(name);
    char *end;
    if (strncmp(word, name, n) != 0 || word[n] != '=' || word[n + 1] < '0' || word[n + 1] > '9')
        return 0;
    *value = strtoull(word + n + 1, &end, 10);
    return *end == 0;
}

/* Fragments of this shape instead of the device's own, for drivers that take any (VK_NV_cooperative_matrix2). */
static int take_shape(struct caps *c, const char *word)
{
    uint32_t m, n, k;
    int end = 0;
    if (sscanf(word, "matrix=%2ux%2ux%2u%n", &m, &n, &k, &end) != 3 || word[end] || !c->has_coopmat)
        return 0;
    for (uint32_t i = 0; i < c->shape_count; i++)
        c->shapes[i] = (struct matrix_shape){ m, n, k, c->shapes[i].type };
    return 1;
}

/* Groups of 128 multiply such matrices, of a size that the device lists, in the place of product_matrix2.c's. */
static int take_tile(struct caps *c, const char *word)
{
    struct group_shape tile = { .shape.type = COMPONENT_F16, .threads = 128 };
    struct matrix_shape *s = &tile.shape;
    int end = 0;
    if (sscanf(word, "tile=%4ux%4ux%4u%n", &s->m, &s->n, &s->k, &end) != 3 || word[end] || !s->m || !s->n || !s->k ||
        !caps_has_group_shape(c, &tile))
        return 0;
    c->tile = tile.shape;
    return 1;
}

static int take_word(struct caps *c, const char *word)
{
    const struct {
        const char *name;
        int *flag;
        int value;
    } flags[] = { { "no-fp16", &c->has_fp16, 0 },
                  { "no-16bit-storage", &c->has_16bit_storage, 0 },
                  { "no-coopmat", &c->has_coopmat, 0 },
                  { "no-coopmat2", &c->has_coopmat2, 0 },
                  { "no-matrix-attention", &c->has_matrix_attention, 0 },
                  { "no-bf16", &c->has_bf16, 0 },
                  { "no-subgroup", &c->has_subgroup_arithmetic, 0 },
                  { "no-budget", &c->has_budget, 0 },
                  { "no-unified", &c->is_unified, 0 },
                  { "no-copy-queue", &c->has_copy_queue, 0 },
                  { "gpu", &c->is_software, 0 } };
    uint64_t n;
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        if (strcmp(word, flags[i].name) == 0) {
            *flags[i].flag = flags[i].value;
            return 1;
        }
    }
    if (take_shape(c, word) || take_tile(c, word))
        return 1;
    if (take_number(word, "subgroup", &n) && n >= c->subgroup_min && n <= c->subgroup_max && (n & (n - 1)) == 0)
        return c->subgroup = c->matrix_subgroup = (uint32_t)n, 1;
    if (take_number(word, "group", &n) && n >= 1 && n <= c->properties.limits.maxComputeWorkGroupInvocations)
        return c->properties.limits.maxComputeWorkGroupInvocations = (uint32_t)n, 1;
    if (take_number(word, "shared", &n) && n >= 16384 && n <= c->shared_bytes)
        return c->shared_bytes = (uint32_t)n, 1;
    if (take_number(word, "block", &n) && n >= 1 << 20 && n <= c->block_bytes)
        return c->block_bytes = n, 1;
    if (take_number(word, "buffer", &n) && n >= LEAST_BUFFER && n <= c->buffer_bytes)
        return c->buffer_bytes = n, c->block_bytes = smaller(n, c->block_bytes), 1;
    if (take_number(word, "memory", &n) && n >= 1 << 20)
        return c->memory_bytes = n, 1;
    if (take_number(word, "submit_ms", &n) && n >= 1 && n <= 10000)
        return c->submit_ms = (uint32_t)n, 1;
    return 0;
}

static wn_status take_words(struct caps *c, const char *source, const char *text, wn_error *err)
{
    char words[sizeof c->overrides], *rest = words;
    const size_t used = strlen(c->overrides), room = sizeof c->overrides - used;
    const int size = snprintf(c->overrides + used, room, "%s%s", used ? "," : "", text);
    if ((size_t)size >= room)
        return wn_fail(err, WN_E_ARG, "%s: %zu bytes are too long; there is room for %zu in all", source, strlen(text),
                       sizeof words - 1);
    strcpy(words, text);
    for (char *word; (word = strsep(&rest, ","));) {
        if (!take_word(c, word))
            return wn_fail(err, WN_E_ARG,
                           "%s: \"%s\" is unknown or out of the range of %s; known are no-fp16, no-16bit-storage, "
                           "no-coopmat, no-coopmat2, no-matrix-attention, no-bf16, no-subgroup, no-budget, no-unified, "
                           "gpu, no-copy-queue, matrix=MxNxK, tile=MxNxK, subgroup=%u..%u, group=1..%u, "
                           "shared=16384..%u, block=BYTES, buffer=BYTES, memory=BYTES, submit_ms=1..10000",
                           source, word, c->properties.deviceName, c->subgroup_min, c->subgroup_max,
                           c->properties.limits.maxComputeWorkGroupInvocations, c->shared_bytes);
    }
    return WN_OK;
}

wn_status caps_override(struct caps *c, const char *option, wn_error *err)
{
    const char *environment = getenv("WINNOW_VULKAN_CAPS");
    if (*option)
        WN_TRY(take_words(c, "/devices/vulkan/caps", option, err));
    return environment && *environment ? take_words(c, "WINNOW_VULKAN_CAPS", environment, err) : WN_OK;
}
