/* flux_names.c - FLUX.1's two layouts brought to one: the fused one of the original files, in which q, k and v lie one
 * below the other. Separate matrices are stacked, fused ones sliced; nothing is copied.
 */
#include "flux_names.h"

static const struct flux_names diffusers = {
    .image_in = "x_embedder",
    .text_in = "context_embedder",
    .time_in = { "time_text_embed.timestep_embedder.linear_1", "time_text_embed.timestep_embedder.linear_2" },
    .guidance_in = { "time_text_embed.guidance_embedder.linear_1", "time_text_embed.guidance_embedder.linear_2" },
    .vector_in = { "time_text_embed.text_embedder.linear_1", "time_text_embed.text_embedder.linear_2" },
    .double_blocks = "transformer_blocks",
    .single_blocks = "single_transformer_blocks",
    .image = { .mod = "norm1.linear",
               .qkv = { "attn.to_q", "attn.to_k", "attn.to_v" },
               .norm = { "attn.norm_q.weight", "attn.norm_k.weight" },
               .proj = "attn.to_out.0",
               .up = "ff.net.0.proj",
               .down = "ff.net.2" },
    .text = { .mod = "norm1_context.linear",
              .qkv = { "attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj" },
              .norm = { "attn.norm_added_q.weight", "attn.norm_added_k.weight" },
              .proj = "attn.to_add_out",
              .up = "ff_context.net.0.proj",
              .down = "ff_context.net.2" },
    .single = { .mod = "norm.linear",
                .in = { "attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp" },
                .norm = { "attn.norm_q.weight", "attn.norm_k.weight" },
                .out = "proj_out" },
    .last_mod = "norm_out.linear",
    .last = "proj_out",
};

static const struct flux_names bfl = {
    .image_in = "img_in",
    .text_in = "txt_in",
    .time_in = { "time_in.in_layer", "time_in.out_layer" },
    .guidance_in = { "guidance_in.in_layer", "guidance_in.out_layer" },
    .vector_in = { "vector_in.in_layer", "vector_in.out_layer" },
    .double_blocks = "double_blocks",
    .single_blocks = "single_blocks",
    .image = { .mod = "img_mod.lin",
               .qkv = { "img_attn.qkv" },
               .norm = { "img_attn.norm.query_norm.scale", "img_attn.norm.key_norm.scale" },
               .proj = "img_attn.proj",
               .up = "img_mlp.0",
               .down = "img_mlp.2" },
    .text = { .mod = "txt_mod.lin",
              .qkv = { "txt_attn.qkv" },
              .norm = { "txt_attn.norm.query_norm.scale", "txt_attn.norm.key_norm.scale" },
              .proj = "txt_attn.proj",
              .up = "txt_mlp.0",
              .down = "txt_mlp.2" },
    .single = { .mod = "modulation.lin",
                .in = { "linear1" },
                .norm = { "norm.query_norm.scale", "norm.key_norm.scale" },
                .out = "linear2" },
    .last_mod = "final_layer.adaLN_modulation.1",
    .last = "final_layer.linear",
};

const struct flux_names *flux_names_of(int32_t layout)
{
    return layout == NN_FLUX_BFL ? &bfl : &diffusers;
}

const struct flux_names *flux_names(const nn_flux *c)
{
    return flux_names_of(c->layout);
}

nn_layer flux_qkv(const nn_scope *s, const nn_flux *c, const char *const names[3])
{
    const uint64_t d = c->heads * c->head_width;
    return names[1] ? scope_join(s, 3, names, d, d) : scope_layer(s, names[0], 3 * d, d);
}

void flux_single_in(const nn_scope *s, const nn_flux *c, nn_layer *qkv, nn_layer *mlp)
{
    const char *const *names = flux_names(c)->single.in;
    const uint64_t d = c->heads * c->head_width;
    if (names[1]) {
        *qkv = scope_join(s, 3, names, d, d);
        *mlp = scope_layer(s, names[3], 4 * d, d);
    } else {
        const nn_layer all = scope_layer(s, names[0], 7 * d, d);
        *qkv = layer_rows(s->g, all, 0, 3 * d);
        *mlp = layer_rows(s->g, all, 3 * d, 4 * d);
    }
}
