/* lora_names.c - the schemes of naming, in three tables: endings, beginnings, and XLabs' processors. */
#include "lora_names.h"

#include <stdio.h>
#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof *(table))

static const struct {
    const char *down, *up;
} endings[] = {
    { ".lora_A.weight", ".lora_B.weight" },     { ".lora_A.default.weight", ".lora_B.default.weight" },
    { ".lora_down.weight", ".lora_up.weight" }, { ".lora.down.weight", ".lora.up.weight" },
    { ".down.weight", ".up.weight" }, /* XLabs */
};

static const struct {
    const char *text;
    int has_underscores;
    int target;
} beginnings[] = {
    { "base_model.model.transformer.", 0, LORA_TRANSFORMER },
    { "base_model.model.", 0, LORA_TRANSFORMER },
    { "model.diffusion_model.", 0, LORA_TRANSFORMER },
    { "diffusion_model.", 0, LORA_TRANSFORMER },
    { "transformer.", 0, LORA_TRANSFORMER },
    { "lora_unet_", 1, LORA_TRANSFORMER },
    { "lora_transformer_", 1, LORA_TRANSFORMER },
    { "lora_te1_", 1, LORA_TEXT_ENCODER },
    { "text_encoder.", 0, LORA_TEXT_ENCODER },
};

static const struct {
    const char *from, *to;
    int is_qkv_only;
} processors[] = {
    { "processor.qkv_lora1", "img_attn.qkv", 0 },   { "processor.qkv_lora2", "txt_attn.qkv", 0 },
    { "processor.proj_lora1", "img_attn.proj", 0 }, { "processor.proj_lora2", "txt_attn.proj", 0 },
    { "processor.qkv_lora", "linear1", 1 },         { "processor.proj_lora", "linear2", 0 },
};

/* Bytes of name before `ending`, or 0. */
static size_t before(const char *name, const char *ending)
{
    const size_t n = strlen(name), e = strlen(ending);
    return n > e && strcmp(name + n - e, ending) == 0 ? n - e : 0;
}

static void take_ending(const char *name, struct lora_name *out)
{
    for (size_t i = 0; i < COUNT(endings) && !out->role; i++) {
        out->down = endings[i].down;
        out->up = endings[i].up;
        if ((out->stem = before(name, endings[i].down)))
            out->role = LORA_DOWN;
        else if ((out->stem = before(name, endings[i].up)))
            out->role = LORA_UP;
    }
    if (!out->role && (out->stem = before(name, ".alpha")))
        out->role = LORA_ALPHA;
}

static void take_module(const char *name, struct lora_name *out)
{
    size_t begin = 0;
    for (size_t i = 0; i < COUNT(beginnings) && !begin; i++)
        if (strncmp(name, beginnings[i].text, strlen(beginnings[i].text)) == 0) {
            begin = strlen(beginnings[i].text);
            out->has_underscores = beginnings[i].has_underscores;
            out->target = beginnings[i].target;
        }
    if (begin > out->stem || out->stem - begin >= sizeof out->module)
        out->role = 0;
    else
        snprintf(out->module, sizeof out->module, "%.*s", (int)(out->stem - begin), name + begin);
}

/* "double_blocks.3.processor.qkv_lora1" -> "double_blocks.3.img_attn.qkv" */
static void take_processor(struct lora_name *out)
{
    for (size_t i = 0; i < COUNT(processors); i++) {
        const size_t stem = before(out->module, processors[i].from);
        if (stem == 0)
            continue;
        snprintf(out->module + stem, sizeof out->module - stem, "%s", processors[i].to);
        out->is_qkv_only = processors[i].is_qkv_only;
        return;
    }
}

struct lora_name lora_name_of(const char *name)
{
    struct lora_name n = { 0 };
    take_ending(name, &n);
    if (n.role)
        take_module(name, &n);
    if (n.role && !n.has_underscores)
        take_processor(&n);
    return n;
}

int lora_name_means(const struct lora_name *n, const char *module)
{
    const char *text = n->module;
    while (*text && (*text == *module || (n->has_underscores && *text == '_' && *module == '.')))
        text++, module++;
    return *text == 0 && *module == 0;
}
