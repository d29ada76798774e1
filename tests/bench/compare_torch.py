"""Times winnow's FLUX velocity against diffusers' on the same cores, alternately, in one run, and prints the ratios.

Development only. ONLY names what to run, "pebble blocks" by default; SECONDS for each measurement, 0 = one run
after one to warm up; THREADS. BUILD is a build tree with bench_velocity; SCRATCH has room for 2 GB.

    python tests/bench/compare_torch.py BUILD SCRATCH [PEBBLE_TRANSFORMER]

What is compared: diffusers' FluxTransformer2DModel.forward without gradients, in torch.inference_mode, and winnow's
velocity program, both with THREADS threads. winnow computes the modulation once for a prompt and schedule, not in each
step; that is part of the comparison for pebble (whole steps). The full-width block comparison runs the transformer with
one double and one single block on both sides.
"""
import json
import os
import statistics
import subprocess
import sys
import time

import torch
from diffusers import FluxTransformer2DModel

from flux_torch import inputs

BUILD, SCRATCH = sys.argv[1:3]
PEBBLE = sys.argv[3] if len(sys.argv) > 3 else "examples/pebble/transformer"
THREADS = int(os.environ.get("THREADS", "2"))
SECONDS = float(os.environ.get("SECONDS", "3"))
ONLY = os.environ.get("ONLY", "pebble blocks")
torch.set_num_threads(THREADS)


def ours(folder, dtype, batch, text, rows, cols, seconds):
    out = subprocess.run([f"{BUILD}/tests/bench_velocity", folder, dtype, str(batch), str(text), str(rows), str(cols),
                          str(seconds), str(THREADS)], capture_output=True, text=True, check=True).stdout
    return json.loads(out)


@torch.inference_mode()
def theirs(model, batch, text, rows, cols, seconds):
    x = inputs(model, batch, text, rows, cols)
    model(**x)
    times, end, cpu = [], time.perf_counter() + seconds, time.process_time()
    while len(times) < (3 if seconds else 1) or time.perf_counter() < end:
        start = time.perf_counter()
        model(**x)
        times.append(time.perf_counter() - start)
    cpu = (time.process_time() - cpu) / len(times)
    return dict(median=statistics.median(times), best=min(times), cpu=cpu, runs=len(times))


def compare(name, folder, model, dtype, batch, text, rows, cols, seconds, rounds):
    a, b = [], []
    for _ in range(rounds):
        a.append(ours(folder, dtype, batch, text, rows, cols, seconds))
        b.append(theirs(model, batch, text, rows, cols, seconds))
    mine, their = min(x["best"] for x in a), min(x["best"] for x in b)
    mc, tc = min(x["cpu"] for x in a), min(x["cpu"] for x in b)
    mm, tm = statistics.median(x["median"] for x in a), statistics.median(x["median"] for x in b)
    cells = [name, dtype, str(batch)] + [f"{x:.2f}" for x in (mm * 1e3, tm * 1e3, tm / mm, their / mine, mc * 1e3,
                                                              tc * 1e3, tc / mc)]
    print("| " + " | ".join(cells) + f" | {a[0]['gflop'] / mm:.0f} |", flush=True)


print(f"torch {torch.__version__}, {THREADS} threads")
print("| what | type | batch | winnow ms | torch ms | ratio of medians | ratio of bests | winnow CPU ms | torch CPU ms | "
      "ratio | GFLOP/s |")
print("|" + "---|" * 11)
pebble = FluxTransformer2DModel.from_pretrained(PEBBLE, torch_dtype=torch.float32).eval()
for batch in (1, 16) if "pebble" in ONLY else ():
    compare("pebble velocity", PEBBLE, pebble, "f32", batch, 32, 4, 4, SECONDS, 5)
folder = f"{SCRATCH}/blocks"
if not os.path.exists(f"{folder}/config.json"):
    with torch.inference_mode():
        torch.manual_seed(0)
        FluxTransformer2DModel(num_layers=1, num_single_layers=1, guidance_embeds=False).to(
            torch.bfloat16).save_pretrained(folder)
for dtype, kind in (("f32", torch.float32), ("bf16", torch.bfloat16)) if "blocks" in ONLY else ():
    blocks = FluxTransformer2DModel.from_pretrained(folder, torch_dtype=kind).eval()
    compare("one double and one single block, 1024 + 512 tokens", folder, blocks, dtype, 1, 512, 32, 32, SECONDS,
            2 if SECONDS else 1)
    del blocks
