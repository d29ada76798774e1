"""Writes a tiny CLIP, found as a Hugging Face folder, in all other layouts in which people have CLIP.

usage: clip_layouts.py FOLDER

FOLDER/bin      Hugging Face, pytorch_model.bin
FOLDER/shards   the same in two shards with an index
FOLDER/openai   OpenAI's names, a state dict: model.pt
FOLDER/script   OpenAI's names, a TorchScript archive: model.pt
FOLDER/openclip OpenAI's names, open_clip_model.safetensors
FOLDER/wrapped  OpenAI's names, a checkpoint of open_clip's training: {"epoch", "state_dict": {"module....}}
FOLDER/half     Hugging Face, safetensors, in float16; FOLDER/half_script the same numbers as OpenAI publishes them
The standard library only.
"""
import collections
import json
import os
import re
import shutil
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "weights"))
import torch_zip as tz

SMALL = ("preprocessor_config.json", "vocab.json", "merges.txt", "tokenizer_config.json")
NAMES = [
    (r"vision_model\.embeddings\.patch_embedding\.weight", "visual.conv1.weight"),
    (r"vision_model\.embeddings\.class_embedding", "visual.class_embedding"),
    (r"vision_model\.embeddings\.position_embedding\.weight", "visual.positional_embedding"),
    (r"vision_model\.pre_layrnorm\.", "visual.ln_pre."),
    (r"vision_model\.post_layernorm\.", "visual.ln_post."),
    (r"vision_model\.encoder\.layers\.", "visual.transformer.resblocks."),
    (r"text_model\.embeddings\.token_embedding\.", "token_embedding."),
    (r"text_model\.embeddings\.position_embedding\.weight", "positional_embedding"),
    (r"text_model\.final_layer_norm\.", "ln_final."),
    (r"text_model\.encoder\.layers\.", "transformer.resblocks."),
    (r"\.layer_norm([12])\.", r".ln_\1."),
    (r"\.self_attn\.out_proj\.", ".attn.out_proj."),
    (r"\.mlp\.fc1\.", ".mlp.c_fc."),
    (r"\.mlp\.fc2\.", ".mlp.c_proj."),
]


def transpose(t):
    dtype, (rows, cols), data = t
    size = len(data) // (rows * cols)
    return dtype, (cols, rows), b"".join(data[size * (r * cols + c):size * (r * cols + c + 1)]
                                         for c in range(cols) for r in range(rows))


def halve(t):
    dtype, shape, data = t
    count = len(data) // 4
    return "F16", shape, struct.pack(f"<{count}e", *struct.unpack(f"<{count}f", data))


def original(named):
    """OpenAI's names and shapes."""
    out = collections.OrderedDict()
    for name, (dtype, shape, data) in named.items():
        if name in ("visual_projection.weight", "text_projection.weight"):
            out["visual.proj" if name[0] == "v" else "text_projection"] = transpose((dtype, shape, data))
            continue
        new = name
        for pattern, replacement in NAMES:
            new = re.sub(pattern, replacement, new)
        joined = re.fullmatch(r"(.*)\.self_attn\.q_proj\.(weight|bias)", new)
        if joined:
            parts = [named[name.replace("q_proj", f"{c}_proj")] for c in "qkv"]
            out[f"{joined[1]}.attn.in_proj_{joined[2]}"] = (dtype, [3 * shape[0], *shape[1:]],
                                                            b"".join(p[2] for p in parts))
        elif ".self_attn." not in new:
            out[new] = (dtype, shape, data)
    return out


def mlp_ratio(tower):
    return (tower["intermediate_size"] + 0.5) / tower["hidden_size"] # open_clip truncates the product


def open_clip_config(config):
    text, vision = config["text_config"], config["vision_config"]
    acts = {c.get("hidden_act", "quick_gelu") for c in (text, vision)}
    assert len(acts) == 1
    with open(os.path.join(FOLDER, "preprocessor_config.json")) as file:
        images = json.load(file)
    return {"model_cfg": {
        "embed_dim": config["projection_dim"], "quick_gelu": acts == {"quick_gelu"},
        "vision_cfg": {"image_size": vision["image_size"], "layers": vision["num_hidden_layers"],
                       "width": vision["hidden_size"],
                       "mlp_ratio": mlp_ratio(vision), "head_width": vision["hidden_size"] // vision["num_attention_heads"],
                       "patch_size": vision["patch_size"]},
        "text_cfg": {"context_length": text["max_position_embeddings"], "vocab_size": text["vocab_size"],
                     "width": text["hidden_size"], "heads": text["num_attention_heads"],
                     "mlp_ratio": mlp_ratio(text), "layers": text["num_hidden_layers"]}},
        "preprocess_cfg": {"mean": images["image_mean"], "std": images["image_std"]}}


def begin(name, *files, config=None):
    folder = os.path.join(FOLDER, name)
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    for file in files:
        shutil.copy(os.path.join(FOLDER, file), folder)
    if config:
        with open(os.path.join(folder, "open_clip_config.json"), "w") as file:
            json.dump(config, file)
    return folder


def main():
    with open(os.path.join(FOLDER, "config.json")) as file:
        config = json.load(file)
    named = tz.read_safetensors(os.path.join(FOLDER, "model.safetensors"))
    old, said = original(named), open_clip_config(config)
    tokenizer = [name for name in SMALL if name != "preprocessor_config.json"]

    tz.save(os.path.join(begin("bin", "config.json", *SMALL), "pytorch_model.bin"),
            collections.OrderedDict(tz.tensors(named)), name="pytorch_model")
    folder, names = begin("shards", "config.json", *SMALL), sorted(named)
    halves = {f"pytorch_model-0000{i + 1}-of-00002.bin": names[i::2] for i in range(2)}
    for file, half in halves.items():
        tz.save(os.path.join(folder, file), tz.tensors({name: named[name] for name in half}))
    with open(os.path.join(folder, "pytorch_model.bin.index.json"), "w") as file:
        json.dump({"weight_map": {name: f for f, half in halves.items() for name in half}}, file)

    tz.save(os.path.join(begin("openai", *tokenizer, config=said), "model.pt"),
            collections.OrderedDict(tz.tensors(old)), protocol=4)
    numbers = {"input_resolution": ("I64", [], config["vision_config"]["image_size"].to_bytes(8, "little")),
               "context_length": ("I64", [], bytes(8)), "vocab_size": ("I64", [], bytes(8))}
    tz.save(os.path.join(begin("script", *tokenizer, config=said), "model.pt"), tz.script(tz.tensors({**numbers, **old})))
    half = {name: halve(t) for name, t in named.items()}
    tz.write_safetensors(os.path.join(begin("half", "config.json", *SMALL), "model.safetensors"), half)
    tz.save(os.path.join(begin("half_script", *tokenizer, config=said), "model.pt"),
            tz.script(tz.tensors({**numbers, **original(half)})))
    tz.write_safetensors(os.path.join(begin("openclip", *tokenizer, config=said), "open_clip_model.safetensors"), old)
    state = {"module." + name: t for name, t in tz.tensors(old).items()}
    tz.save(os.path.join(begin("wrapped", *tokenizer, config=said), "epoch_1.pt"),
            {"epoch": 1, "name": "tiny", "state_dict": collections.OrderedDict(state), "lr": 1e-3})


FOLDER = sys.argv[1]
main()
