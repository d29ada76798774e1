/* t5_names.c - T5's encoder under llama.cpp's names, as GGUF files of it have them, brought to those of the original.
 */
#include "t5.h"

#include "scope.h"

#include <stdlib.h>
#include <string.h>

enum { NAME = 128 };

static const struct {
    const char *from, *to;
} outside[] = { { "token_embd.weight", "shared.weight" },
                { "enc.output_norm.weight", "encoder.final_layer_norm.weight" } },
  inside[] = {
      { "attn_norm", "layer.0.layer_norm" },       { "attn_q", "layer.0.SelfAttention.q" },
      { "attn_k", "layer.0.SelfAttention.k" },     { "attn_v", "layer.0.SelfAttention.v" },
      { "attn_o", "layer.0.SelfAttention.o" },     { "attn_rel_b", "layer.0.SelfAttention.relative_attention_bias" },
      { "ffn_norm", "layer.1.layer_norm" },        { "ffn_gate", "layer.1.DenseReluDense.wi_0" },
      { "ffn_up", "layer.1.DenseReluDense.wi_1" }, { "ffn_down", "layer.1.DenseReluDense.wo" }
  };

/* "enc.blk.3.attn_q.weight" -> "encoder.block.3.layer.0.SelfAttention.q.weight"; other names stay. */
static void rename_tensor(const char *name, char to[NAME])
{
    static const char blocks[] = "enc.blk.";
    snprintf(to, NAME, "%s", name);
    for (size_t i = 0; i < sizeof outside / sizeof *outside; i++)
        if (strcmp(name, outside[i].from) == 0)
            snprintf(to, NAME, "%s", outside[i].to);
    if (strncmp(name, blocks, sizeof blocks - 1) != 0)
        return;
    const char *number = name + sizeof blocks - 1, *dot = strchr(number, '.');
    const char *end = dot ? strchr(dot + 1, '.') : NULL;
    for (size_t i = 0; end && i < sizeof inside / sizeof *inside; i++)
        if (strlen(inside[i].from) == (size_t)(end - dot - 1) &&
            strncmp(dot + 1, inside[i].from, (size_t)(end - dot - 1)) == 0)
            snprintf(to, NAME, "encoder.block.%.*s.%s%s", (int)(dot - number), number, inside[i].to, end);
}

wn_status nn_t5_rename(nn_weights **w, wn_error *err)
{
    const uint64_t count = nn_weights_count(*w);
    nn_weights *view = NULL;
    if (!nn_weights_find(*w, "token_embd.weight") || !nn_weights_find(*w, "enc.output_norm.weight"))
        return WN_OK;
    nn_tensor *tensors = calloc(count, sizeof *tensors);
    char(*names)[NAME] = calloc(count, sizeof *names);
    for (uint64_t i = 0; tensors && names && i < count; i++) {
        tensors[i] = *nn_weights_at(*w, i);
        rename_tensor(tensors[i].name, names[i]);
        tensors[i].name = names[i];
    }
    const wn_status status =
        tensors && names ? nn_weights_view(*w, tensors, count, NULL, &view, err)
                         : wn_fail(err, WN_E_MEMORY, "%s: no memory for its tensors' names", nn_weights_path(*w));
    if (status == WN_OK)
        *w = view;
    free(tensors);
    free(names);
    return status;
}
