"""Random CLIPs of the published widths (few layers, but for B/32), saved by torch as open_clip has them and scored by the
command, against open_clip from text and picture to cosine: its tokenizer, its preparation of images, its towers.

Development only (torch, open_clip); needs 2.5 GB of disk.

    python tests/golden/compare_open_clip.py BUILD/bin/winnow FOLDER [PICTURE ...]
"""
import glob
import json
import os
import subprocess
import sys

import open_clip
import torch
from open_clip.model import CLIP
from open_clip.transform import image_transform
from PIL import Image

torch.set_num_threads(1)
torch.set_grad_enabled(False)
TEXTS = ["a photo of a cat", "The blue square, and 3 red ones!!", "word " * 90]
MODELS = { # embedding, vision: layers, width, head, patch, image, mlp ratio; text: width, heads, layers; quick_gelu
    "B-32": (512, (12, 768, 64, 32, 224, 4.0), (512, 8, 12), True),
    "L-14-336": (768, (2, 1024, 64, 14, 336, 4.0), (768, 12, 2), True),
    "H-14": (1024, (2, 1280, 80, 14, 224, 4.0), (1024, 16, 2), False),
    "g-14": (1024, (2, 1408, 88, 14, 224, 4.3637), (1024, 16, 2), False),
    "bigG-14": (1280, (2, 1664, 104, 14, 224, 4.9231), (1280, 20, 2), False),
}


def make(embedding, vision, text, is_quick):
    names = ("layers", "width", "head_width", "patch_size", "image_size", "mlp_ratio")
    torch.manual_seed(0)
    model = CLIP(embed_dim=embedding, quick_gelu=is_quick, vision_cfg=dict(zip(names, vision)),
                 text_cfg=dict(context_length=77, vocab_size=49408, width=text[0], heads=text[1], layers=text[2])).eval()
    for p in model.parameters():
        if p.ndim == 1: # open_clip begins with zeros and ones
            p.add_(torch.randn_like(p) * 0.1)
    return model


def cosines(model, px, pictures):
    prepare, tokenize = image_transform(px, is_train=False), open_clip.get_tokenizer("ViT-B-32")
    images = model.encode_image(torch.stack([prepare(Image.open(p)) for p in pictures])).double()
    texts = model.encode_text(tokenize(TEXTS)).double()
    return (texts / texts.norm(dim=-1, keepdim=True)) @ (images / images.norm(dim=-1, keepdim=True)).T


def scored(winnow, weights, is_quick, text, pictures):
    options = {"activation": "quick_gelu" if is_quick else "gelu", "convention": "cosine",
               "processor": os.path.join(os.path.dirname(open_clip.__file__), "bpe_simple_vocab_16e6.txt.gz")}
    sets = [a for k, v in options.items() for a in ("--set", f"verifiers.v1.options.{k}={v}")]
    done = subprocess.run([winnow, "score", "--verifier", "clipscore", "--model", weights, *sets, "--prompt", text, "--json",
                           *pictures], stdout=subprocess.PIPE, check=True)
    return [next(iter(next(iter(i["scores"].values())).values())) for i in json.loads(done.stdout)["images"]]


winnow, folder, *pictures = sys.argv[1:]
pictures = pictures or sorted(glob.glob(os.path.join(os.path.dirname(__file__), "models", "picture_*.png")))
for name, m in MODELS.items():
    path = os.path.join(folder, name + ".pt")
    model = make(*m)
    torch.save(model.state_dict(), path)
    want = cosines(model, m[1][4], pictures)
    error = max(abs(a - b.item()) for text, row in zip(TEXTS, want)
                for a, b in zip(scored(winnow, path, m[3], text, pictures), row))
    print(f"{name}: largest error of {want.numel()} cosines {error:.1e}")
    os.remove(path)
