/* lora_names.h - what a LoRA's tensor is by its name. */
#ifndef WINNOW_NN_MODELS_LORA_NAMES_H
#define WINNOW_NN_MODELS_LORA_NAMES_H

#include <stddef.h>

enum { LORA_DOWN = 1, LORA_UP, LORA_ALPHA };
enum { LORA_TRANSFORMER = 0, LORA_TEXT_ENCODER = 1, LORA_TARGETS };

struct lora_name {
    int role;            /* LORA_...; 0: the name is of none of the schemes */
    size_t stem;         /* bytes of the tensor's name before the role's ending */
    const char *up;      /* the ending of the partner of a LORA_DOWN */
    const char *down;    /* and of a LORA_UP */
    int target;          /* LORA_TRANSFORMER ... */
    char module[256];    /* the layer's name, without what the scheme puts around it */
    int has_underscores; /* for the dots of module */
    int is_qkv_only;     /* module is "linear1", of which only q, k and v are meant */
};

/* Takes a tensor's name apart. */
struct lora_name lora_name_of(const char *name);

/* Whether the layer that `n` means is called `module`. */
int lora_name_means(const struct lora_name *n, const char *module);

#endif
