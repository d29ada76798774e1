// attention.glsl - the operands of ATTENTION: out = softmax(scale q k^T + bias[head, j - i + rows - 1]) v for every head.

layout(push_constant) uniform Push {
    uint group0, items;
    uvec2 q, k, v, bias, to; // bias: absent or [heads, rows + keys - 1]
    uint rows, keys, heads, q_ld, q_item, k_ld, k_item, v_ld, v_item, to_ld, to_item, bias_ld, bias_item;
    float scale, offset; // offset: see attention_coopmat.comp
} push;
