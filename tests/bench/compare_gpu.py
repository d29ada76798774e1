"""Times one step of FLUX.1-dev on a GPU: winnow's Vulkan, diffusers on torch, and any other program; prints the ratios.

Development only: torch and diffusers; no files of a model. Weights are random, of full size unless --blocks says less.

    python tests/bench/compare_gpu.py build/release --out gpu.json --peer "sd-step 1024"

winnow's side is `winnow bench flux --synthetic --part transformer`, in all its ways of multiplying matrices; torch's is
FluxTransformer2DModel.forward, bf16, eager, in inference_mode, and one product of the same shape. winnow computes the
modulation once for a prompt and schedule, not in each step. A peer is a command that prints one line of JSON,
{"step_s": [1.2, 1.1]}. Each has the device to itself, one after the other. --out keeps all that was measured.
"""
import argparse
import importlib.metadata
import json
import shlex
import subprocess
import sys
import time

import torch
from diffusers import FluxTransformer2DModel

from flux_torch import inputs


def arguments():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("build", help="a build tree of winnow")
    p.add_argument("--device", default="vulkan:0", help="winnow's")
    p.add_argument("--torch-device", default="cuda")
    p.add_argument("--px", type=int, default=1024)
    p.add_argument("--text-tokens", type=int, default=512)
    p.add_argument("--blocks", default="19,38", help="double and single ones")
    p.add_argument("--seconds", type=int, default=10, help="for each measurement")
    p.add_argument("--peer", help="command of another program, see above")
    p.add_argument("--out", help="JSON file for all figures")
    return p.parse_args()


def seconds_of(work, device, seconds):
    """Of each run; the first warms up and does not count."""
    wait = torch.cuda.synchronize if device.startswith("cuda") else lambda: None
    times, end = [], time.perf_counter() + seconds
    while len(times) < 4 or time.perf_counter() < end:
        start = time.perf_counter()
        work()
        wait()
        times.append(time.perf_counter() - start)
    return times[1:]


def winnow(a):
    command = [f"{a.build}/bin/winnow", "bench", "flux", "--synthetic", "--part", "transformer", "--json", "--quiet",
               "--device", a.device, "--px", str(a.px), "--text-tokens", str(a.text_tokens), "--blocks", a.blocks,
               "--seconds", str(a.seconds)]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)


@torch.inference_mode()
def torch_side(a, shape):
    """Runs of a step, then of a product of rows x depth x columns."""
    double, single = map(int, a.blocks.split(","))
    torch.set_default_dtype(torch.bfloat16)
    with torch.device(a.torch_device):
        model = FluxTransformer2DModel(num_layers=double, num_single_layers=single, guidance_embeds=True).eval()
        x, w = torch.randn(shape[0], shape[1]), torch.randn(shape[2], shape[1])
    given = inputs(model, 1, a.text_tokens, a.px // 16, a.px // 16)
    steps = seconds_of(lambda: model(**given), a.torch_device, a.seconds)
    products = seconds_of(lambda: torch.nn.functional.linear(x, w), a.torch_device, 1)
    return dict(step_s=steps, product_s=products, versions={n: importlib.metadata.version(n) for n in
                                                            ("torch", "diffusers")},
                device=torch.cuda.get_device_name() if a.torch_device.startswith("cuda") else a.torch_device)


def peer(a):
    lines = subprocess.run(shlex.split(a.peer), stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
    try:
        found = json.loads(lines[-1])
        return dict(step_s=[float(s) for s in found["step_s"]])
    except (IndexError, KeyError, TypeError, ValueError):
        sys.exit(f'--peer {a.peer}: its last line should be {{"step_s": [1.2, 1.1]}}, and is {lines[-1:]}')


def keep(a, found):
    """After each side, so that what was measured outlives what comes next."""
    if a.out:
        with open(a.out, "w") as f:
            json.dump(found, f, indent=1)


def table(found):
    """Rows of markdown: the best run of each, and how many times winnow's that is."""
    ours, shape = found["winnow"], found["winnow"]["product_shape"]
    step = ours["parts"][0]
    product = 2.0 * shape[0] * shape[1] * shape[2]
    yield "| | s/step | TFLOP/s | times winnow's |"
    yield "|---|---|---|---|"
    rows = [("winnow", step["best_s"])] + [(n, min(found[n]["step_s"])) for n in ("torch", "peer") if n in found]
    for name, s in rows:
        yield f"| {name} | {s:.4f} | {step['flops'] / s * 1e-12:.2f} | {s / step['best_s']:.2f} |"
    yield f"\nA product of {shape[0]} x {shape[1]} x {shape[2]}, TFLOP/s:\n"
    for way in ours["product_ways"]:
        yield f"- winnow, {way.get('way', 'its only way')}: {way['flops_per_s'] * 1e-12:.2f}"
    yield f"- torch: {product / min(found['torch']['product_s']) * 1e-12:.2f}"
    yield "\nwinnow by operation, best of its step:\n"
    total = sum(op["seconds"] for op in step["ops"])
    for op in sorted(step["ops"], key=lambda op: -op["seconds"]):
        yield (f"- {op['op']}: {100 * op['seconds'] / total:.1f} %, {op['flops'] / op['seconds'] * 1e-12:.2f} TFLOP/s, "
               f"{op['bytes'] / op['seconds'] * 1e-9:.0f} GB/s")


def main():
    a = arguments()
    found = dict(what=vars(a), winnow=winnow(a))
    keep(a, found)
    found["torch"] = torch_side(a, found["winnow"]["product_shape"])
    keep(a, found)
    if a.peer:
        found["peer"] = peer(a)
        keep(a, found)
    print(f"winnow on {found['winnow']['device']}, torch on {found['torch']['device']} {found['torch']['versions']}")
    print("\n".join(table(found)))


main()
