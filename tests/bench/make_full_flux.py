"""Makes a diffusers folder of FLUX.1-dev's exact size with random bfloat16 weights: 34 GB, to try memory and time.
Standard library only. The tokenizers are the tiny ones of tests/golden.

    python3 tests/bench/make_full_flux.py FOLDER
"""
import array
import json
import math
import os
import random
import shutil
import struct
import sys

OUT = sys.argv[1]
GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../golden/models/guided")
D, TEXT, POOLED = 3072, 4096, 768
random.seed(1)
UNIFORM = [random.uniform(-1, 1) for _ in range(1 << 19)]
BLOCKS = {}


def block(scale, offset):
    """1 MiB of bfloat16 values: offset + scale * uniform."""
    if (scale, offset) not in BLOCKS:
        words = array.array("H", array.array("f", [offset + scale * u for u in UNIFORM]).tobytes())
        BLOCKS[scale, offset] = words[1::2].tobytes()
    return BLOCKS[scale, offset]


def write(path, tensors):
    """tensors: (name, shape, scale, offset), as one safetensors file."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    header, at = {}, 0
    for name, shape, _, _ in tensors:
        size = 2 * math.prod(shape)
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for _, shape, scale, offset in tensors:
            left, data = 2 * math.prod(shape), block(scale, offset)
            while left > 0:
                left -= f.write(data[:left])
    print(path, at, flush=True)


def config(folder, name="config.json", **values):
    os.makedirs(f"{OUT}/{folder}", exist_ok=True)
    json.dump(values, open(f"{OUT}/{folder}/{name}", "w"), indent=1)


def linear(name, rows, cols, bias=True, gain=1.0):
    w = [(f"{name}.weight", [rows, cols], gain * math.sqrt(3 / cols), 0.0)]
    return w + ([(f"{name}.bias", [rows], 0.02, 0.0)] if bias else [])


def norm(name, n, bias=False):
    return [(f"{name}.weight", [n], 0.1, 1.0)] + ([(f"{name}.bias", [n], 0.1, 0.0)] if bias else [])


def transformer():
    top = linear("x_embedder", D, 64) + linear("context_embedder", D, TEXT)
    for name, width in (("timestep", 256), ("guidance", 256), ("text", POOLED)):
        top += linear(f"time_text_embed.{name}_embedder.linear_1", D, width)
        top += linear(f"time_text_embed.{name}_embedder.linear_2", D, D)
    top += linear("norm_out.linear", 2 * D, D, gain=0.3) + linear("proj_out", 64, D)
    double, single = [], []
    for i in range(19):
        p = f"transformer_blocks.{i}"
        for mod in ("norm1", "norm1_context"):
            double += linear(f"{p}.{mod}.linear", 6 * D, D, gain=0.3)
        for q in ("to_q", "to_k", "to_v", "to_out.0", "add_q_proj", "add_k_proj", "add_v_proj", "to_add_out"):
            double += linear(f"{p}.attn.{q}", D, D)
        for q in ("norm_q", "norm_k", "norm_added_q", "norm_added_k"):
            double += norm(f"{p}.attn.{q}", 128)
        for ff in ("ff", "ff_context"):
            double += linear(f"{p}.{ff}.net.0.proj", 4 * D, D) + linear(f"{p}.{ff}.net.2", D, 4 * D)
    for i in range(38):
        p = f"single_transformer_blocks.{i}"
        single += linear(f"{p}.norm.linear", 3 * D, D, gain=0.3) + linear(f"{p}.proj_mlp", 4 * D, D)
        single += linear(f"{p}.proj_out", D, 5 * D) + norm(f"{p}.attn.norm_q", 128) + norm(f"{p}.attn.norm_k", 128)
        for q in ("to_q", "to_k", "to_v"):
            single += linear(f"{p}.attn.{q}", D, D)
    shards, files = [top + double[:len(double) // 2], double[len(double) // 2:], single], {}
    for i, tensors in enumerate(shards):
        name = f"diffusion_pytorch_model-{i + 1:05}-of-00003.safetensors"
        write(f"{OUT}/transformer/{name}", tensors)
        files.update({t[0]: name for t in tensors})
    config("transformer", "diffusion_pytorch_model.safetensors.index.json",
           metadata={"total_size": sum(2 * math.prod(t[1]) for s in shards for t in s)}, weight_map=files)
    config("transformer", _class_name="FluxTransformer2DModel", guidance_embeds=True)


def t5():
    tensors = [("shared.weight", [32128, TEXT], 1.0, 0.0)]
    for i in range(24):
        p = f"encoder.block.{i}.layer"
        for q in "qkvo":
            tensors += linear(f"{p}.0.SelfAttention.{q}", TEXT, TEXT, False, 0.3)
        for w in ("wi_0", "wi_1"):
            tensors += linear(f"{p}.1.DenseReluDense.{w}", 10240, TEXT, False)
        tensors += linear(f"{p}.1.DenseReluDense.wo", TEXT, 10240, False)
        tensors += norm(f"{p}.0.layer_norm", TEXT) + norm(f"{p}.1.layer_norm", TEXT)
    tensors += [("encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight", [32, 64], 1.0, 0.0)]
    write(f"{OUT}/text_encoder_2/model.safetensors", tensors + norm("encoder.final_layer_norm", TEXT))
    config("text_encoder_2", d_model=4096, d_kv=64, num_heads=64, d_ff=10240, num_layers=24, vocab_size=32128,
           feed_forward_proj="gated-gelu")


def clip():
    p = "text_model."
    tensors = [(f"{p}embeddings.token_embedding.weight", [49408, POOLED], 0.1, 0.0),
               (f"{p}embeddings.position_embedding.weight", [77, POOLED], 0.1, 0.0)]
    for i in range(12):
        q = f"{p}encoder.layers.{i}"
        for name in ("q", "k", "v", "out"):
            tensors += linear(f"{q}.self_attn.{name}_proj", POOLED, POOLED)
        tensors += linear(f"{q}.mlp.fc1", 3072, POOLED) + linear(f"{q}.mlp.fc2", POOLED, 3072)
        tensors += norm(f"{q}.layer_norm1", POOLED, True) + norm(f"{q}.layer_norm2", POOLED, True)
    write(f"{OUT}/text_encoder/model.safetensors", tensors + norm(f"{p}final_layer_norm", POOLED, True))
    config("text_encoder", hidden_size=768, num_hidden_layers=12, num_attention_heads=12, intermediate_size=3072,
           vocab_size=49408, max_position_embeddings=77, eos_token_id=2)


def conv(name, out, into, size=3):
    return [(f"{name}.weight", [out, into, size, size], math.sqrt(3 / (into * size * size)), 0.0),
            (f"{name}.bias", [out], 0.02, 0.0)]


def resnet(name, into, out):
    t = norm(f"{name}.norm1", into, True) + conv(f"{name}.conv1", out, into)
    t += norm(f"{name}.norm2", out, True) + conv(f"{name}.conv2", out, out)
    return t + (conv(f"{name}.conv_shortcut", out, into, 1) if into != out else [])


def vae():
    channels, t = [128, 256, 512, 512], []
    for tower, order in (("encoder", channels), ("decoder", channels[::-1])):
        down = tower == "encoder"
        width = order[0]
        t += conv(f"{tower}.conv_in", width, 3 if down else 16)
        for i, out in enumerate(order):
            p = f"{tower}.{'down' if down else 'up'}_blocks.{i}"
            for j in range(2 if down else 3):
                t += resnet(f"{p}.resnets.{j}", width, out)
                width = out
            if i < 3:
                t += conv(f"{p}.{'down' if down else 'up'}samplers.0.conv", out, out)
        for j in range(2):
            t += resnet(f"{tower}.mid_block.resnets.{j}", 512, 512)
        a = f"{tower}.mid_block.attentions.0"
        t += norm(f"{a}.group_norm", 512, True)
        for q in ("to_q", "to_k", "to_v", "to_out.0"):
            t += linear(f"{a}.{q}", 512, 512)
        t += norm(f"{tower}.conv_norm_out", width, True) + conv(f"{tower}.conv_out", 32 if down else 3, width)
    write(f"{OUT}/vae/diffusion_pytorch_model.safetensors", t)
    config("vae", block_out_channels=channels, layers_per_block=2, latent_channels=16, scaling_factor=0.3611,
           shift_factor=0.1159, use_quant_conv=False, use_post_quant_conv=False)


transformer()
t5()
clip()
vae()
config("scheduler", "scheduler_config.json", use_dynamic_shifting=True, base_shift=0.5, max_shift=1.15, shift=3.0,
       base_image_seq_len=256, max_image_seq_len=4096)
config(".", "model_index.json", _class_name="FluxPipeline")
for name, length in (("tokenizer", 77), ("tokenizer_2", 512)):
    shutil.copytree(f"{GOLDEN}/{name}", f"{OUT}/{name}", dirs_exist_ok=True)
    path = f"{OUT}/{name}/tokenizer_config.json"
    tokenizer = json.load(open(path))
    tokenizer["model_max_length"] = length
    json.dump(tokenizer, open(path, "w"))
