"""Makes tests/golden/models/clip_quick/other.safetensors: what open_clip and transformers make of the same tiny weights.

Development only. The weights reach open_clip through clip_layouts.py's renaming, so that open_clip's strict loading
checks that, too. The images are prepared by transformers (make_clip.py); open_clip computes everything after.

    python tests/golden/make_clip_layouts.py FOLDER     (a folder with the case's model.safetensors written out, such as
                                                         BUILD/tests/golden-clip_quick-layouts)
"""
import json
import os
import sys

import torch
from make_clip import HERE, PROMPTS, SIZES
from open_clip.model import CLIP
from open_clip.transform import image_transform
from PIL import Image
from safetensors.numpy import save_file
from safetensors.torch import load_file
from transformers import AutoTokenizer, CLIPConfig, CLIPModel
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

torch.set_num_threads(1)
torch.set_grad_enabled(False)

folder = sys.argv[1]
with open(f"{folder}/config.json") as file:
    raw = json.load(file)
model = CLIPModel(CLIPConfig(**raw)).eval()
model.load_state_dict(load_file(f"{folder}/model.safetensors"), strict=False)
with open(f"{folder}/openclip/open_clip_config.json") as file:
    cfg = json.load(file)["model_cfg"]
other = CLIP(**cfg).eval()
missing = other.load_state_dict(load_file(f"{folder}/openclip/open_clip_model.safetensors"), strict=False)
assert not missing.unexpected_keys and set(missing.missing_keys) <= {"attn_mask"}, missing
tokenizer = AutoTokenizer.from_pretrained(folder)
ids = tokenizer(PROMPTS, padding="max_length", truncation=True, return_tensors="pt",
                max_length=cfg["text_cfg"]["context_length"]).input_ids
processor = CLIPImageProcessorPil.from_pretrained(folder)
images = [Image.open(f"{HERE}/picture_{w}x{h}.png").convert("RGB") for w, h in SIZES]
pixels = torch.cat([processor(i, return_tensors="pt").pixel_values for i in images])
out = {"hf_logits": model(input_ids=ids, pixel_values=pixels).logits_per_text}
prepare = image_transform(cfg["vision_cfg"]["image_size"], is_train=False)
print("preparation differs by", (torch.stack([prepare(i) for i in images]) - pixels).abs().max())
text, image = other.encode_text(ids).double(), other.encode_image(pixels).double()
cosine = (text / text.norm(dim=-1, keepdim=True)) @ (image / image.norm(dim=-1, keepdim=True)).T
out["open_clip_cosine"] = cosine
out["open_clip_logits"] = cosine * other.logit_scale.double().exp()
print({k: v for k, v in out.items()})
save_file({k: v.float().numpy() for k, v in out.items()}, f"{HERE}/clip_quick/other.safetensors")
