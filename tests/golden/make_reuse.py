"""Makes tests/golden/models/reuse: what diffusers' first-block cache makes of pebble, 20 steps from make_pebble.py's noise,
float32, and the same machinery with every second and every third step computed in full.

    python tests/golden/make_reuse.py [PIPELINE_FOLDER]
"""
import os
import sys

import numpy as np
import torch
from diffusers import FirstBlockCacheConfig, FluxPipeline
from diffusers.hooks.first_block_cache import FBCHeadBlockHook
from make_models import HERE, PROMPTS
from safetensors.numpy import load_file, save_file

STEPS = 20
folder = sys.argv[1] if len(sys.argv) > 1 else os.path.join(HERE, "../../../examples/pebble")
torch.set_grad_enabled(False)
pipe = FluxPipeline.from_pretrained(folder, torch_dtype=torch.float32)
pipe.set_progress_bar_config(disable=True)
noise = torch.from_numpy(load_file(f"{HERE}/pebble/golden.safetensors")["run.noise"])[None]
latents = pipe._pack_latents(noise, *noise.shape)
by_difference = FBCHeadBlockHook._should_compute_remaining_blocks
skipped = []


def run(rule, threshold=0.1):
    def decide(hook, residual):
        skipped.append(not rule(hook, residual))
        return not skipped[-1]
    FBCHeadBlockHook._should_compute_remaining_blocks = decide
    skipped.clear()
    pipe.transformer.enable_cache(FirstBlockCacheConfig(threshold=threshold))
    last = pipe(prompt=PROMPTS[0], height=64, width=64, num_inference_steps=STEPS, guidance_scale=3.5, latents=latents.clone(),
                max_sequence_length=pipe.tokenizer_2.model_max_length, output_type="latent").images
    pipe.transformer.disable_cache()
    assert len(skipped) == STEPS
    return pipe._unpack_latents(last, 64, 64, pipe.vae_scale_factor)[0].numpy().copy()


g = {"sigmas": None}
for threshold in (0.1, 0.2):
    g[f"first_block.{threshold}.latent"] = run(by_difference, threshold)
    g[f"first_block.{threshold}.skipped"] = np.array(skipped, np.float32)
for every in (2, 3):
    g[f"steps.{every}.latent"] = run(lambda hook, residual: len(skipped) % every == 0)
    g[f"steps.{every}.skipped"] = np.array(skipped, np.float32)
g["off.latent"] = run(lambda hook, residual: True)
g["sigmas"] = pipe.scheduler.sigmas.numpy().copy()
os.makedirs(f"{HERE}/reuse", exist_ok=True)
save_file({k: np.ascontiguousarray(v) for k, v in g.items()}, f"{HERE}/reuse/golden.safetensors")
for name, value in g.items():
    if name.endswith("skipped"):
        error = g[name.replace("skipped", "latent")] - g["off.latent"]
        print(name, value.astype(int).tolist(), "latent differs by", np.linalg.norm(error) / np.linalg.norm(g["off.latent"]))
