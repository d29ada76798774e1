"""Models of full size with random weights, as folders that winnow's verifiers and torch read; for compare_verifiers.py
and compare_score.py. SMALL=1 makes tiny ones, to see that all of this works.
"""
import json
import os
import shutil

import torch
import transformers
from safetensors.torch import save_file

SMALL = bool(os.environ.get("SMALL"))
HERE = os.path.dirname(os.path.abspath(__file__))
PROMPTS = ["a red circle left of a blue square and a green star on the black floor of a small hall",
           "the old white dog and the young gray cat sit in front of a house of stone near the sea"]


def sizes(width, layers, mlp):
    if SMALL:
        width, layers, mlp = 128, 2, 256
    return dict(hidden_size=width, num_hidden_layers=layers, num_attention_heads=width // 64, intermediate_size=mlp)


def write_json(path, value):
    with open(path, "w") as f:
        json.dump(value, f)


def make_clip(folder):
    """OpenAI's ViT-L/14 with the tokenizer of pebble's CLIP."""
    if os.path.exists(f"{folder}/config.json"):
        return
    pebble = f"{HERE}/../../examples/pebble/clip"
    with open(f"{pebble}/config.json") as f:
        words = {k: v for k, v in json.load(f)["text_config"].items() if k.endswith("token_id")}
    torch.manual_seed(0)
    transformers.CLIPModel(transformers.CLIPConfig(
        text_config=dict(sizes(768, 12, 3072), projection_dim=768, **words),
        vision_config=dict(sizes(1024, 24, 4096), patch_size=14, image_size=224, projection_dim=768),
        projection_dim=768)).save_pretrained(folder)
    for name in ("merges.txt", "vocab.json", "tokenizer.json"):
        shutil.copy(f"{pebble}/{name}", folder)
    with open(f"{pebble}/tokenizer_config.json") as f:
        write_json(f"{folder}/tokenizer_config.json", dict(json.load(f), model_max_length=77))
    transformers.CLIPImageProcessorPil().save_pretrained(folder)


def timm(name):
    for a, b in (("embeddings.class_embedding", "cls_token"), ("embeddings.position_embedding", "pos_embed"),
                 ("embeddings.patch_embedding", "patch_embed.proj"), ("encoder.layers.", "blocks."),
                 ("layer_norm", "norm"), ("self_attn.projection", "attn.proj"), ("self_attn.qkv", "attn.qkv"),
                 ("post_layernorm", "norm")):
        name = name.replace(a, b)
    return name


def imagereward_modules():
    """Of ImageReward's architecture: the image model, the text model that looks at the image, and the head."""
    vision, text = sizes(1024, 24, 4096), sizes(768, 12, 3072)
    eye = transformers.BlipVisionModel(transformers.BlipVisionConfig(**vision, patch_size=16, image_size=224)).eval()
    reader = transformers.BlipTextModel(transformers.BlipTextConfig(
        **text, vocab_size=30524, max_position_embeddings=512, encoder_hidden_size=vision["hidden_size"],
        is_decoder=True), add_pooling_layer=False).eval()
    widths = [text["hidden_size"], 1024, 128, 64, 16, 1]
    head = torch.nn.ModuleDict({str(name): torch.nn.Linear(a, b) for name, a, b in
                                zip((0, 2, 4, 6, 7), widths, widths[1:])})
    return eye, reader, head


def imagereward_names(modules):
    """For each of the modules, its tensors' names in the published file."""
    prefixes = "blip.visual_encoder.", "blip.text_encoder.", "mlp.layers."
    renames = timm, str, str
    return [{key: prefix + rename(key) for key, value in module.state_dict().items() if value.is_floating_point()}
            for module, prefix, rename in zip(modules, prefixes, renames)]


def make_imagereward(folder):
    if os.path.exists(f"{folder}/med_config.json"):
        return
    os.makedirs(folder, exist_ok=True)
    torch.manual_seed(0)
    modules = imagereward_modules()
    save_file({name: module.state_dict()[key].contiguous() for module, names in zip(modules, imagereward_names(modules))
               for key, name in names.items()}, f"{folder}/model.safetensors")
    with open(f"{folder}/vocab.txt", "w") as f:
        words = sorted(set(" ".join(PROMPTS).split()))
        f.write("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + words) + "\n")
    write_json(f"{folder}/med_config.json", dict(sizes(768, 12, 3072), vocab_size=30524, max_position_embeddings=512,
                                                 encoder_width=modules[0].config.hidden_size))
