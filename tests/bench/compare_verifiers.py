"""Verifiers' models on the CPU device and by torch with transformers, in turns, on this machine: one table.

    python tests/bench/compare_verifiers.py BUILD SCRATCH

BUILD is a release tree with bench_verifier; SCRATCH gets models of random weights: CLIP ViT-L/14 (1.7 GB)
and one of ImageReward's architecture (1.8 GB). THREADS (default 2), SECONDS for each measurement (default 3, 0 = one
run), BATCHES (default "1 8"), TYPES (default "f32 bf16"), ONLY (default "clip imagereward"), SMALL=1: tiny models, to
see that all of this works. ImageReward is the image model and the text model on 20 tokens, without its small head.
"""
import json
import os
import statistics
import subprocess
import sys
import time

import torch
import transformers
from verifier_models import SMALL, imagereward_modules, make_clip, make_imagereward

BUILD, SCRATCH = sys.argv[1:3]
THREADS = int(os.environ.get("THREADS", "2"))
SECONDS = float(os.environ.get("SECONDS", "3"))
BATCHES = [int(b) for b in os.environ.get("BATCHES", "1 8").split()]
TYPES = os.environ.get("TYPES", "f32 bf16").split()
ONLY = os.environ.get("ONLY", "clip imagereward").split()
TOKENS = 20
torch.set_num_threads(THREADS)
torch.set_grad_enabled(False)


def clip(folder):
    make_clip(folder)
    model = transformers.CLIPVisionModelWithProjection.from_pretrained(folder).eval()
    return lambda kind: model.to(kind), lambda m, pixels: m(pixel_values=pixels)


def imagereward(folder):
    make_imagereward(folder)
    eye, reader, _ = imagereward_modules()

    def call(models, pixels):
        n = pixels.shape[0]
        states = models[0](pixel_values=pixels).last_hidden_state
        return models[1](input_ids=torch.zeros(n, TOKENS, dtype=torch.long),
                         attention_mask=torch.ones(n, TOKENS, dtype=torch.long), encoder_hidden_states=states,
                         encoder_attention_mask=torch.ones(states.shape[:-1], dtype=torch.long), is_decoder=False)

    return lambda kind: (eye.to(kind), reader.to(kind)), call


def ours(name, folder, dtype, batch):
    out = subprocess.run([f"{BUILD}/tests/bench_verifier", name, folder, dtype, str(batch), str(TOKENS), str(SECONDS),
                          str(THREADS)], capture_output=True, text=True, check=True).stdout
    return json.loads(out)


def theirs(call, model, kind, batch):
    pixels = torch.randn(batch, 3, 224, 224, dtype=kind)
    call(model, pixels)
    times, end, cpu = [], time.perf_counter() + SECONDS, time.process_time()
    while len(times) < (3 if SECONDS else 1) or time.perf_counter() < end:
        start = time.perf_counter()
        call(model, pixels)
        times.append(time.perf_counter() - start)
    return dict(median=statistics.median(times), best=min(times), cpu=(time.process_time() - cpu) / len(times))


print(f"torch {torch.__version__}, transformers {transformers.__version__}, {THREADS} threads")
print("| what | type | batch | winnow ms | torch ms | ratio of medians | ratio of bests | winnow CPU ms | "
      "torch CPU ms | ratio |")
print("|" + "---|" * 10)
for name, title, make in (("clip", "CLIP ViT-L/14, image", clip), ("imagereward", "ImageReward", imagereward)):
    if name not in ONLY:
        continue
    folder = f"{SCRATCH}/{name}{'-small' if SMALL else ''}"
    as_type, call = make(folder)
    for dtype in TYPES:
        kind = {"f32": torch.float32, "bf16": torch.bfloat16}[dtype]
        model = as_type(kind)
        for batch in BATCHES:
            a, b = [], []
            for _ in range(2 if SECONDS else 1):
                a.append(ours(name, folder, dtype, batch))
                b.append(theirs(call, model, kind, batch))
            mm, tm = (statistics.median(x["median"] for x in y) for y in (a, b))
            mb, tb = (min(x["best"] for x in y) for y in (a, b))
            mc, tc = (min(x["cpu"] for x in y) for y in (a, b))
            cells = [f"{x:.2f}" for x in (mm * 1e3, tm * 1e3, tm / mm, tb / mb, mc * 1e3, tc * 1e3, tc / mc)]
            print("| " + " | ".join([title, dtype, str(batch)] + cells) + " |", flush=True)
