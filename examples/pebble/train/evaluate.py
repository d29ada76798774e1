"""Measures the finished folder: how often a picture says what its prompt says, alone and as the
best of 16 by the small CLIP. Prints the tables of the README and draws samples.png.

Everything is loaded as a stranger would load it, with FluxPipeline and CLIPModel.
"""
import collections
import json

import numpy as np
import torch
from diffusers import FluxPipeline
from PIL import Image, ImageDraw
from transformers import CLIPModel, CLIPTokenizer

import clip
import world
from common import DEVICE, OUT, log
from tokenisers import LENGTH

N, STEPS = 16, 10


def paint(pipe, prompt, seed):
    out = pipe(prompt=prompt, height=world.SIZE, width=world.SIZE, num_inference_steps=STEPS,
               max_sequence_length=LENGTH, num_images_per_prompt=N, output_type="np",
               generator=torch.Generator().manual_seed(seed))
    return (out.images * 255).round().astype(np.uint8)


@torch.no_grad()
def agreement(model, tokenizer, images, prompt):
    return (clip.embed_images(model, images) @ clip.embed_texts(model, [prompt], tokenizer).T)[:, 0]


def measure(rows):
    """For each prompt: images, CLIP cosines, and the judge's verdicts, best cosine first."""
    pipe = FluxPipeline.from_pretrained(OUT, torch_dtype=torch.float32).to(DEVICE)
    pipe.set_progress_bar_config(disable=True)
    model = CLIPModel.from_pretrained(OUT / "clip").float().to(DEVICE).eval()
    tokenizer = CLIPTokenizer.from_pretrained(OUT / "clip")
    for i, row in enumerate(rows):
        images = paint(pipe, row["prompt"], 7000 + i)
        cosine = agreement(model, tokenizer, images, row["prompt"]).cpu().numpy()
        order = np.argsort(-cosine, kind="stable")
        row["first"] = images[0]
        row["images"], row["cosine"] = images[order], cosine[order]
        row["right"] = np.array([world.judge(im, row["prompt"])[1] for im in row["images"]], float)
        log(row["prompt"], f"{row['right'].mean():.2f} -> {row['right'][0]:.0f}")


def table(rows):
    groups = collections.OrderedDict()
    for row in rows:
        for key in (row["category"], "held out" if row["held_out"] else "seen", "all"):
            groups.setdefault(key, []).append((row["right"].mean(), row["right"][0], row["right"].max()))
    print(f"| prompts | n | single sample | best of {N} by CLIP | any of {N} |\n|---|---|---|---|---|")
    for key in (*world.CATEGORIES, "seen", "held out", "all"):
        one, best, ever = np.mean(groups[key], 0) * 100
        print(f"| {key} | {len(groups[key])} | {one:.0f} % | {best:.0f} % | {ever:.0f} % |")
    gain = np.array([r["right"][0] - r["right"].mean() for r in rows[:12]])
    boot = np.random.default_rng(0).choice(gain, (10000, len(gain))).mean(1)
    low, high = np.percentile(boot, (2.5, 97.5)) * 100
    print(f"first 12 prompts: {np.mean([r['right'].mean() for r in rows[:12]]) * 100:.0f} %, gain "
          f"{gain.mean() * 100:.0f} points, 95 % interval {low:.0f} to {high:.0f}")


def contact_sheet(rows, across=8):
    """Samples of every fourth prompt, best CLIP score first; a green bar marks what the judge accepts."""
    rows, side = rows[::4], world.SIZE + 6
    sheet = Image.new("RGB", (across * side + 6, len(rows) * (side + 16)), "white")
    draw = ImageDraw.Draw(sheet)
    for y, row in enumerate(rows):
        top = y * (side + 16)
        draw.text((6, top + 2), row["prompt"] + (" (held out)" if row["held_out"] else ""), "black")
        for x, k in enumerate(np.linspace(0, N - 1, across).round().astype(int)):
            sheet.paste(Image.fromarray(row["images"][k]), (6 + x * side, top + 15))
            colour = "#2a2" if row["right"][k] else "#ddd"
            draw.rectangle((6 + x * side, top + 80, 69 + x * side, top + 82), colour)
    sheet.quantize(96, dither=Image.Dither.NONE).save(OUT / "samples.png", optimize=True)


if __name__ == "__main__":
    prompts = [json.loads(line) for line in open(OUT / "prompts.jsonl")]
    measure(prompts)
    table(prompts)
    contact_sheet(prompts)
