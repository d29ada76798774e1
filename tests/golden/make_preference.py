#!/usr/bin/env python3
"""Makes tests/golden/models/pickscore and hps: tiny random models with the traits of ViT-H/14 (heads of 80, erf GELU),
and their scores of PNG, JPEG and WebP files: PickScore's logits by transformers' CLIPModel, HPS's cosines by open_clip from
weights in its own names, with the three ways to resize. Development only; weights as in make_models.py.

    python tests/golden/make_preference.py
"""
import json
import os
import shutil

import numpy as np
import open_clip
import torch
from make_models import HERE, Manifest, clip_tokenizer, layer_scale
from PIL import Image
from safetensors.numpy import save_file
from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Normalize, Resize, ToTensor
from transformers import CLIPConfig, CLIPModel
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

torch.set_num_threads(1)
torch.set_grad_enabled(False)

PROMPTS = ["a red circle", "the blue square and a red one", ""]
PICTURES = ["golden/models/picture_37x53.png", "golden/models/picture_200x111.png", "image/pictures/422.jpg",
            "image/pictures/progressive.jpg", "image/pictures/alpha.webp", "image/pictures/lossless.webp"]
MEAN, STD = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]
SIZE, PATCH, WIDTH, TEXT_WIDTH, LAYERS, POSITIONS, D, MLP = 28, 7, 160, 64, 2, 16, 24, 1.5


def pictures():
    for name in PICTURES:
        yield Image.open(f"{HERE}/../../{name}").convert("RGB")


def make_folder(case):
    """A CLIPModel folder, its model and its ids of the prompts."""
    out = f"{HERE}/{case}"
    shutil.rmtree(out, ignore_errors=True)
    os.makedirs(out)
    tokenizer, vocab, end = clip_tokenizer(f"{out}/x", POSITIONS, True)
    for name in os.listdir(f"{out}/x"):
        os.rename(f"{out}/x/{name}", f"{out}/{name}")
    os.rmdir(f"{out}/x")
    both = dict(num_hidden_layers=LAYERS, hidden_act="gelu")
    config = CLIPConfig(
        text_config=dict(vocab_size=vocab, eos_token_id=2, bos_token_id=0, pad_token_id=1, hidden_size=TEXT_WIDTH,
                         intermediate_size=int(TEXT_WIDTH * MLP), num_attention_heads=4,
                         max_position_embeddings=POSITIONS, **both),
        vision_config=dict(hidden_size=WIDTH, intermediate_size=int(WIDTH * MLP), num_attention_heads=2,
                           image_size=SIZE, patch_size=PATCH, **both), projection_dim=D)
    model = CLIPModel(config).eval()
    m = Manifest()
    m.fill("model.safetensors", model, case, layer_scale())
    open(f"{out}/weights.txt", "w").write("\n".join(m.lines) + "\n")
    json.dump({"projection_dim": D, "text_config": config.text_config.to_diff_dict(),
               "vision_config": config.vision_config.to_diff_dict()}, open(f"{out}/config.json", "w"), indent=1)
    json.dump({"do_resize": True, "size": {"shortest_edge": SIZE}, "resample": 3, "do_center_crop": True,
               "crop_size": {"height": SIZE, "width": SIZE}, "do_rescale": True, "rescale_factor": 1 / 255,
               "do_normalize": True, "image_mean": MEAN, "image_std": STD,
               "image_processor_type": "CLIPImageProcessor"}, open(f"{out}/preprocessor_config.json", "w"))
    ids = tokenizer(PROMPTS, padding="max_length", truncation=True, return_tensors="pt", max_length=POSITIONS).input_ids
    return out, model, ids, vocab


def pickscore():
    out, model, ids, _ = make_folder("pickscore")
    processor = CLIPImageProcessorPil.from_pretrained(out)
    pixels = torch.cat([processor(image, return_tensors="pt").pixel_values for image in pictures()])
    logits = model(input_ids=ids, pixel_values=pixels, attention_mask=torch.ones_like(ids)).logits_per_text
    save_file({"logits": logits.numpy(), "scale": model.logit_scale.exp().numpy()}, f"{out}/golden.safetensors")
    print("pickscore", float(model.logit_scale.exp()), logits.numpy())


def open_clip_state(hf):
    """transformers' tensors by open_clip's names, written down from its model.py."""
    s = {k: v for k, v in hf.state_dict().items()}
    out = {"logit_scale": s["logit_scale"], "visual.conv1.weight": s["vision_model.embeddings.patch_embedding.weight"],
           "visual.class_embedding": s["vision_model.embeddings.class_embedding"],
           "visual.positional_embedding": s["vision_model.embeddings.position_embedding.weight"],
           "visual.proj": s["visual_projection.weight"].T, "text_projection": s["text_projection.weight"].T,
           "token_embedding.weight": s["text_model.embeddings.token_embedding.weight"],
           "positional_embedding": s["text_model.embeddings.position_embedding.weight"]}
    for part in "weight", "bias":
        out[f"visual.ln_pre.{part}"] = s[f"vision_model.pre_layrnorm.{part}"]
        out[f"visual.ln_post.{part}"] = s[f"vision_model.post_layernorm.{part}"]
        out[f"ln_final.{part}"] = s[f"text_model.final_layer_norm.{part}"]
        for old, new in ("vision_model.", "visual."), ("text_model.", ""):
            for i in range(LAYERS):
                o, n = f"{old}encoder.layers.{i}", f"{new}transformer.resblocks.{i}"
                out[f"{n}.attn.in_proj_{part}"] = torch.cat([s[f"{o}.self_attn.{x}_proj.{part}"] for x in "qkv"])
                for a, b in (("self_attn.out_proj", "attn.out_proj"), ("layer_norm1", "ln_1"), ("layer_norm2", "ln_2"),
                             ("mlp.fc1", "mlp.c_fc"), ("mlp.fc2", "mlp.c_proj")):
                    out[f"{n}.{b}.{part}"] = s[f"{o}.{a}.{part}"]
    return out


def hps():
    out, hf, ids, vocab = make_folder("hps")
    model = open_clip.CLIP(
        embed_dim=D,
        vision_cfg=dict(image_size=SIZE, patch_size=PATCH, layers=LAYERS, width=WIDTH, head_width=80, mlp_ratio=MLP),
        text_cfg=dict(context_length=POSITIONS, vocab_size=vocab, width=TEXT_WIDTH, heads=4, layers=LAYERS,
                      mlp_ratio=MLP)).eval()
    state = open_clip_state(hf)
    missing = model.load_state_dict(state, strict=False)
    assert not missing.unexpected_keys and set(missing.missing_keys) <= {"attn_mask"}, missing
    bicubic = InterpolationMode.BICUBIC
    ways = {"aa": [ToTensor(), Resize(SIZE, bicubic, antialias=True), CenterCrop(SIZE)],
            "legacy": [ToTensor(), Resize(SIZE, bicubic, antialias=False), CenterCrop(SIZE)],
            "pil": [Resize(SIZE, bicubic), CenterCrop(SIZE), ToTensor()]}
    text = model.encode_text(ids, normalize=True).double()
    golden = {}
    for name, steps in ways.items():
        prepare = Compose(steps + [Normalize(MEAN, STD)])
        images = model.encode_image(torch.stack([prepare(image) for image in pictures()]), normalize=True).double()
        golden[name] = (text @ images.T).numpy().astype(np.float32)
        print("hps", name, golden[name])
    save_file(golden, f"{out}/golden.safetensors")


if __name__ == "__main__":
    pickscore()
    hps()
