"""Makes tests/golden/models/aesthetic: small heads in LAION's three forms, saved by torch, and what torch scores with
them on the embeddings that transformers gives for the tiny CLIP of clip_quick; and the same for pebble's head and CLIP.

Development only.

    python tests/golden/make_aesthetic.py FOLDER     (with clip_quick's model.safetensors written out, such as
                                                      BUILD/tests/golden-clip_quick-layouts)
"""
import json
import os
import sys

import torch
from make_clip import HERE, SIZES
from PIL import Image
from safetensors.numpy import save_file
from safetensors.torch import load_file
from torch import nn
from transformers import CLIPConfig, CLIPModel
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

torch.set_num_threads(1)
torch.set_grad_enabled(False)
PEBBLE = os.path.join(HERE, "..", "..", "..", "examples", "pebble")
WIDTHS = [16, 19, 13, 8, 5, 1]


def embeddings(folder):
    with open(f"{folder}/config.json") as file:
        model = CLIPModel(CLIPConfig(**json.load(file))).eval()
    model.load_state_dict(load_file(f"{folder}/model.safetensors"), strict=False)
    model = model.float()
    processor = CLIPImageProcessorPil.from_pretrained(folder)
    images = [Image.open(f"{HERE}/picture_{w}x{h}.png").convert("RGB") for w, h in SIZES]
    pixels = torch.cat([processor(i, return_tensors="pt").pixel_values for i in images])
    e = model.visual_projection(model.vision_model(pixel_values=pixels).pooler_output).double()
    return e / e.norm(dim=-1, keepdim=True)


def head(between):
    layers = []
    for i, (a, b) in enumerate(zip(WIDTHS, WIDTHS[1:])):
        layers += [nn.Linear(a, b)] + (between(i) if i < 4 else [])
    module = nn.Module()
    module.layers = nn.Sequential(*layers)
    return module


torch.manual_seed(3)
out, e = f"{HERE}/aesthetic", embeddings(sys.argv[1])
os.makedirs(out, exist_ok=True)
linear = head(lambda i: [nn.Dropout(0.2)] if i < 3 else [])
relu = head(lambda i: [nn.ReLU(), nn.Dropout(0.2)] if i < 3 else [nn.ReLU()])
single = nn.Linear(16, 1)
golden = {}
for name, model in {"linear": linear, "relu": relu, "single": single}.items():
    torch.save(model.state_dict(), f"{out}/{name}.pth")
    print(name, list(model.state_dict()))
    apply = model.double().eval() if name == "single" else model.layers.double().eval()
    golden[name] = apply(e)[:, 0]
state = load_file(f"{PEBBLE}/aesthetic/model.safetensors")
p = embeddings(f"{PEBBLE}/clip")
hidden = torch.relu(p @ state["layers.0.weight"].double().T + state["layers.0.bias"].double())
golden["pebble"] = (hidden @ state["layers.2.weight"].double().T + state["layers.2.bias"].double())[:, 0]
print(golden)
save_file({k: v.float().numpy() for k, v in golden.items()}, f"{out}/golden.safetensors")
