"""Makes tests/golden/models/lora: random LoRAs of rank 4 for examples/pebble under the names of PEFT, kohya and XLabs, and
what diffusers computes with each (load_lora_weights, fuse_lora), float32.

Development only (torch, diffusers, transformers, peft). The LoRAs' weights are not stored: weights.txt says how the test
makes them (make_models.py). metadata.json is what makes "meta" of "peft": other alphas, in the file's header.

diffusers' reader of kohya's names knows only FLUX.1's own width for linear1, so those layers are given to it under
diffusers' names, the rows of `up` taken apart here, with alpha / rank multiplied in.

    python tests/golden/make_lora.py [PIPELINE_FOLDER]
"""
import json
import os
import sys
import tempfile

import numpy as np
import torch
from diffusers import FluxPipeline
from make_models import HERE, golden, value
from safetensors.torch import save_file as save_torch
from safetensors.numpy import save_file

RANK, A = 4, 0.15
folder = sys.argv[1] if len(sys.argv) > 1 else os.path.join(HERE, "../../../examples/pebble")
OUT = f"{HERE}/lora"
torch.set_grad_enabled(False)
lines, tensors = [], {}


def put(file, name, shape, b=None):
    """A tensor of the file `file`; b: a scalar of that value."""
    if not lines or file not in tensors:
        lines.append(f"[{file}.safetensors]")
        tensors[file] = {}
    source, count = f"{file}.{name}", int(np.prod(shape, dtype=np.int64))
    a = 0.0 if b is not None else A
    lines.append(f"{name} {'x'.join(map(str, shape)) or '-'} {source} {a:.9g} {b or 0:g} 0 {count}")
    tensors[file][name] = torch.from_numpy(value(source, count, a, b or 0.0)).reshape(shape)


def pipeline():
    return FluxPipeline.from_pretrained(folder, torch_dtype=torch.float32)


pipe = pipeline()
config = pipe.transformer.config
D = config.num_attention_heads * config.attention_head_dim
shapes = {n: tuple(m.weight.shape) for n, m in pipe.transformer.named_modules() if isinstance(m, torch.nn.Linear)}

# PEFT: every matrix of the model.
for name, (rows, cols) in shapes.items():
    put("peft", f"transformer.{name}.lora_A.weight", (RANK, cols))
    put("peft", f"transformer.{name}.lora_B.weight", (rows, RANK))

# kohya: the blocks; alpha is not the rank, and not the same everywhere.
for i in range(config.num_layers):
    for leaf, rows, cols in (("img_attn_qkv", 3 * D, D), ("txt_attn_qkv", 3 * D, D), ("img_attn_proj", D, D),
                             ("txt_attn_proj", D, D), ("img_mlp_0", 4 * D, D), ("img_mlp_2", D, 4 * D),
                             ("txt_mlp_0", 4 * D, D), ("txt_mlp_2", D, 4 * D), ("img_mod_lin", 6 * D, D),
                             ("txt_mod_lin", 6 * D, D)):
        stem = f"lora_unet_double_blocks_{i}_{leaf}"
        put("kohya", f"{stem}.alpha", (), 2.0 + i)
        put("kohya", f"{stem}.lora_down.weight", (RANK, cols))
        put("kohya", f"{stem}.lora_up.weight", (rows, RANK))
for i in range(config.num_single_layers):
    for leaf, rows, cols in (("linear1", 7 * D, D), ("linear2", D, 5 * D), ("modulation_lin", 3 * D, D)):
        stem = f"lora_unet_single_blocks_{i}_{leaf}"
        put("kohya", f"{stem}.alpha", (), 3.0)
        put("kohya", f"{stem}.lora_down.weight", (RANK, cols))
        put("kohya", f"{stem}.lora_up.weight", (rows, RANK))

# kohya's names for CLIP, with one layer of the transformer.
for name, m in pipe.text_encoder.named_modules():
    if isinstance(m, torch.nn.Linear):
        stem = "lora_te1_" + name.replace(".", "_")
        put("clip", f"{stem}.alpha", (), 2.0)
        put("clip", f"{stem}.lora_down.weight", (RANK, m.weight.shape[1]))
        put("clip", f"{stem}.lora_up.weight", (m.weight.shape[0], RANK))
put("clip", "lora_unet_double_blocks_1_img_attn_proj.lora_down.weight", (RANK, D))
put("clip", "lora_unet_double_blocks_1_img_attn_proj.lora_up.weight", (D, RANK))

# XLabs: attention alone.
for i in range(config.num_layers):
    for leaf, rows in (("qkv_lora1", 3 * D), ("qkv_lora2", 3 * D), ("proj_lora1", D), ("proj_lora2", D)):
        stem = f"double_blocks.{i}.processor.{leaf}"
        put("xlabs", f"{stem}.down.weight", (RANK, D))
        put("xlabs", f"{stem}.up.weight", (rows, RANK))
for i in range(config.num_single_layers):
    for leaf, rows, cols in (("qkv_lora", 3 * D, D), ("proj_lora", D, 5 * D)):
        stem = f"single_blocks.{i}.processor.{leaf}"
        put("xlabs", f"{stem}.down.weight", (RANK, cols))
        put("xlabs", f"{stem}.up.weight", (rows, RANK))

metadata = {
    "transformer.r": RANK,
    "transformer.lora_alpha": 6,
    "transformer.rank_pattern": {},
    "transformer.alpha_pattern": {"transformer_blocks.0.attn.to_q": 2, "attn.to_k": 3.5, "^proj_out": 8},
    "transformer.target_modules": sorted(shapes),
}


def taken_apart(state):
    """kohya's linear1 layers under diffusers' names."""
    state, out = dict(state), {}
    for i in range(config.num_single_layers):
        stem = f"lora_unet_single_blocks_{i}_linear1"
        down, up = state.pop(stem + ".lora_down.weight"), state.pop(stem + ".lora_up.weight")
        factor = state.pop(stem + ".alpha") / RANK
        for leaf, rows in zip(("attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp"), up.split([D, D, D, 4 * D])):
            name = f"transformer.single_transformer_blocks.{i}.{leaf}"
            out[name + ".lora_A.weight"], out[name + ".lora_B.weight"] = down.clone(), rows * factor
    return state, out


def load(pipe, file):
    if file == "meta":
        with tempfile.TemporaryDirectory() as at:
            save_torch(tensors["peft"], at + "/meta.safetensors", {"lora_adapter_metadata": json.dumps(metadata)})
            pipe.load_lora_weights(at + "/meta.safetensors")
    elif file == "kohya":
        most, linear1 = taken_apart(tensors[file])
        pipe.load_lora_weights(most, adapter_name="most")
        pipe.load_lora_weights(linear1, adapter_name="linear1")
        pipe.set_adapters(["most", "linear1"])
    else:
        pipe.load_lora_weights(dict(tensors[file]))


case = dict(size=(64, 64), guidance=None, flux=config, clip_length=pipe.tokenizer.model_max_length,
            t5_length=pipe.tokenizer_2.model_max_length)
g = {}
for file, scale in (("peft", 1.0), ("kohya", 0.75), ("xlabs", -0.5), ("meta", 0.5), ("clip", 1.0)):
    p = pipeline()
    load(p, file)
    p.fuse_lora(components=["transformer", "text_encoder"] if file == "clip" else ["transformer"], lora_scale=scale, adapter_names=["most", "linear1"] if file == "kohya" else None)
    p.unload_lora_weights()
    if file == "clip":
        print("CLIP moved:", (p.encode_prompt("a", "a")[1] - pipe.encode_prompt("a", "a")[1]).norm())
    got = golden(p, "pebble", case)
    g[f"{file}.v"] = got["velocity.v"]
    if file == "kohya":
        g["kohya.image"] = got["run.image"]
os.makedirs(OUT, exist_ok=True)
with open(f"{OUT}/weights.txt", "w") as f:
    f.write("\n".join(lines) + "\n")
with open(f"{OUT}/metadata.json", "w") as f:
    json.dump(metadata, f)
save_file({k: np.ascontiguousarray(v) for k, v in g.items()}, f"{OUT}/golden.safetensors")
base = golden(pipe, "pebble", case)["velocity.v"]
print({k: (v.shape, float(np.linalg.norm(v - base) / np.linalg.norm(base)) if v.shape == base.shape else None) for k, v in g.items()})
