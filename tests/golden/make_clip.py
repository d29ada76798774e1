"""Makes tests/golden/models/clip_*: tiny random CLIP models, pictures of odd sizes, and their cosines by transformers.

Development only. Weights are functions of their names as in make_models.py. The pictures are prepared by
transformers' Pillow processor, which does as OpenAI's code does.

    python tests/golden/make_clip.py
"""
import json
import os
import shutil

import numpy as np
import torch
from make_models import HERE, Manifest, clip_tokenizer, layer_scale
from PIL import Image
from safetensors.numpy import save_file
from transformers import CLIPConfig, CLIPModel
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

torch.set_num_threads(1)
torch.set_grad_enabled(False)

PROMPTS = ["a red circle", "the blue square and a red one", ""]
SIZES = [(37, 53), (64, 31), (8, 8), (200, 111)]  # width, height

CASES = {
    "clip_quick": dict(
        text=dict(hidden_size=24, intermediate_size=40, num_hidden_layers=2, num_attention_heads=3,
                  max_position_embeddings=12, layer_norm_eps=1e-5),
        vision=dict(hidden_size=30, intermediate_size=44, num_hidden_layers=3, num_attention_heads=5, image_size=32,
                    patch_size=8),
        projection_dim=16, end_last=True,
        preprocess=dict(mean=[0.48145466, 0.4578275, 0.40821073], std=[0.26862954, 0.26130258, 0.27577711])),
    "clip_gelu": dict(
        text=dict(hidden_size=40, intermediate_size=24, num_hidden_layers=1, num_attention_heads=2,
                  max_position_embeddings=20, layer_norm_eps=1e-6, hidden_act="gelu"),
        vision=dict(hidden_size=24, intermediate_size=100, num_hidden_layers=2, num_attention_heads=1, image_size=30,
                    patch_size=7, layer_norm_eps=1e-3, hidden_act="gelu"),
        projection_dim=33, end_last=False,
        preprocess=dict(mean=[0.5, 0.5, 0.5], std=[0.5, 0.25, 0.5])),
}


def picture(width, height):
    """Smooth colours with an edge, so that PNG is small and resizing matters."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    image = np.stack([127 + 120 * np.sin(x / 5 + y / 9), 255 * x / max(width - 1, 1), 127 + 127 * np.cos(y / 4)], -1)
    image[(x + 2 * y) % 23 < 6] = (250, 10, 40)
    return Image.fromarray(image.astype(np.uint8))


def make(case, c):
    out = f"{HERE}/{case}"
    shutil.rmtree(out, ignore_errors=True)
    os.makedirs(out)
    tokenizer, vocab, end = clip_tokenizer(f"{out}/x", c["text"]["max_position_embeddings"], c["end_last"])
    for name in os.listdir(f"{out}/x"):
        os.rename(f"{out}/x/{name}", f"{out}/{name}")
    os.rmdir(f"{out}/x")
    config = CLIPConfig(text_config=dict(vocab_size=vocab, eos_token_id=2 if c["end_last"] else end, bos_token_id=0,
                                         pad_token_id=1, **c["text"]),
                        vision_config=c["vision"], projection_dim=c["projection_dim"])
    model = CLIPModel(config).eval()
    m = Manifest()
    m.fill("model.safetensors", model, case, layer_scale())
    open(f"{out}/weights.txt", "w").write("\n".join(m.lines) + "\n")
    json.dump({"model_type": "clip", "projection_dim": c["projection_dim"],
               "text_config": config.text_config.to_diff_dict(), "vision_config": config.vision_config.to_diff_dict()},
              open(f"{out}/config.json", "w"), indent=1)
    size = c["vision"]["image_size"]
    json.dump({"do_resize": True, "size": {"shortest_edge": size}, "resample": 3, "do_center_crop": True,
               "crop_size": {"height": size, "width": size}, "do_rescale": True, "rescale_factor": 1 / 255,
               "do_normalize": True, "image_mean": c["preprocess"]["mean"], "image_std": c["preprocess"]["std"],
               "image_processor_type": "CLIPImageProcessor"}, open(f"{out}/preprocessor_config.json", "w"))
    processor = CLIPImageProcessorPil.from_pretrained(out)
    ids = tokenizer(PROMPTS, padding="max_length", truncation=True, return_tensors="pt",
                    max_length=c["text"]["max_position_embeddings"]).input_ids
    text = model.text_projection(model.text_model(input_ids=ids).pooler_output).double()
    cosines = np.zeros((len(PROMPTS), len(SIZES)), np.float64)
    for j, (width, height) in enumerate(SIZES):
        image = Image.open(f"{HERE}/picture_{width}x{height}.png").convert("RGB")
        pixels = processor(image, return_tensors="pt").pixel_values
        e = model.visual_projection(model.vision_model(pixel_values=pixels).pooler_output).double()[0]
        for i in range(len(PROMPTS)):
            cosines[i, j] = float(e @ text[i] / (e.norm() * text[i].norm()))
    save_file({"cosine": cosines.astype(np.float32)}, f"{out}/golden.safetensors")
    print(case, cosines)


if __name__ == "__main__":
    for w, h in SIZES:
        picture(w, h).save(f"{HERE}/picture_{w}x{h}.png", optimize=True)
    for name, c in CASES.items():
        make(name, c)
