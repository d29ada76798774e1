"""Writes the finished folder: an ordinary FluxPipeline, and beside it clip/, aesthetic/, prompts.jsonl."""
import json
import shutil

import numpy as np
import torch
from diffusers import FlowMatchEulerDiscreteScheduler, FluxPipeline
from safetensors.torch import save_file

import aesthetic
import autoencoder
import clip
import flux
import world
from common import OUT, log
from tokenisers import tokenizers

SCHEDULER = dict(num_train_timesteps=1000, use_dynamic_shifting=True, base_image_seq_len=16,
                 max_image_seq_len=64, base_shift=0.5, max_shift=1.15, shift=3.0)
DTYPE = torch.bfloat16


HELD_OUT = {"relation": "01010101", "two": "10101111", "count": "01010101",   # by turn
            "combination": "01010101", "colour": "01010000"}


def prompts():
    """40 captions, half of them held out; every run of five holds each category once. Only two
    colour captions are held out at all, so the pairs make up for the missing two."""
    rng, rows = np.random.default_rng(2119), []
    for turn in range(8):
        for category, flags in HELD_OUT.items():
            held_out, old = flags[turn] == "1", [r["prompt"] for r in rows]
            text = None
            while text is None or text in old:
                caption = world.sample_caption(rng, held_out, category)
                if not held_out or caption.unseen() == (turn % 4 == 1 or category == "colour"):
                    text = caption.text()
            rows.append({"id": f"p{len(rows):02d}", "prompt": text, "category": category,
                         "held_out": held_out})
    return rows


def write_pipeline(vae, model):
    t, t2 = tokenizers()
    pipe = FluxPipeline(scheduler=FlowMatchEulerDiscreteScheduler(**SCHEDULER), vae=vae.to(DTYPE),
                        text_encoder=model.clip.to(DTYPE), tokenizer=t, text_encoder_2=model.t5.to(DTYPE),
                        tokenizer_2=t2, transformer=model.transformer.to(DTYPE))
    keep = {f: (OUT / f).read_bytes() for f in ("tokenizer/vocab.json", "tokenizer/merges.txt",
                                                "tokenizer_2/spiece.model")}
    pipe.save_pretrained(OUT)
    for name, data in keep.items():      # a save may leave only tokenizer.json
        (OUT / name).write_bytes(data)


def write_clip(model):
    model.to(DTYPE).save_pretrained(OUT / "clip")
    (OUT / "clip" / "preprocessor_config.json").write_text(json.dumps({
        "image_processor_type": "CLIPImageProcessor", "do_resize": True, "size": {"shortest_edge": world.SIZE},
        "resample": 3, "do_center_crop": True, "crop_size": {"height": world.SIZE, "width": world.SIZE},
        "do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True, "image_mean": clip.MEAN,
        "image_std": clip.STD, "do_convert_rgb": True}, indent=2) + "\n")
    for name in ("vocab.json", "merges.txt", "tokenizer.json", "tokenizer_config.json"):
        shutil.copy(OUT / "tokenizer" / name, OUT / "clip" / name)


def write_aesthetic(head):
    (OUT / "aesthetic").mkdir(exist_ok=True)
    save_file({k: v.float().contiguous() for k, v in head.state_dict().items()},
              OUT / "aesthetic" / "model.safetensors", metadata={"format": "pt"})
    (OUT / "aesthetic" / "config.json").write_text(json.dumps(aesthetic.CONFIG, indent=2) + "\n")


def write_prompts():
    with open(OUT / "prompts.jsonl", "w") as file:
        file.writelines(json.dumps(row) + "\n" for row in prompts())


def export():
    OUT.mkdir(parents=True, exist_ok=True)
    vae = autoencoder.trained()
    judge = clip.trained(vae)
    head = aesthetic.trained(vae, judge)
    write_pipeline(vae, flux.trained(vae))
    write_clip(judge)
    write_aesthetic(head)
    write_prompts()
    size = sum(f.stat().st_size for f in OUT.rglob("*.safetensors"))
    log(f"weights: {size / 1e6:.1f} MB in {OUT}")


if __name__ == "__main__":
    export()
