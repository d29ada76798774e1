"""Makes tests/golden/models/img2img: pebble starting from a picture, as diffusers' FluxImg2ImgPipeline does it, float32.

Development only. The picture is pebble's own golden one (make_pebble.py), the noise too. The latent is the encoder's mean:
the pipeline draws from its distribution instead, so the noised latent is made here by the scheduler and given to it.

    python tests/golden/make_img2img.py [PIPELINE_FOLDER]
"""
import os
import sys

import numpy as np
import torch
from diffusers import FluxImg2ImgPipeline
from make_models import HERE, PROMPTS
from safetensors.numpy import load_file, save_file

STRENGTH, STEPS = 0.6, 8
folder = sys.argv[1] if len(sys.argv) > 1 else os.path.join(HERE, "../../../examples/pebble")
torch.set_grad_enabled(False)
pipe = FluxImg2ImgPipeline.from_pretrained(folder, torch_dtype=torch.float32)
pipe.set_progress_bar_config(disable=True)
pebble = load_file(f"{HERE}/pebble/golden.safetensors")
image = torch.from_numpy(pebble["run.image"].astype(np.float32) / 255).permute(2, 0, 1)[None]
noise = torch.from_numpy(pebble["run.noise"])[None]

pixels = pipe.image_processor.preprocess(image, height=64, width=64)
mean = pipe.vae.encode(pixels).latent_dist.mode()
latent = (mean - pipe.vae.config.shift_factor) * pipe.vae.config.scaling_factor

sigmas = np.linspace(1.0, 1 / STEPS, STEPS)
# As the pipeline sets its steps: the schedule of all of them, cut at the strength.
from diffusers.pipelines.flux.pipeline_flux_img2img import calculate_shift, retrieve_timesteps
c = pipe.scheduler.config
mu = calculate_shift(16, c.get("base_image_seq_len", 256), c.get("max_image_seq_len", 4096), c.get("base_shift", 0.5),
                     c.get("max_shift", 1.15))
retrieve_timesteps(pipe.scheduler, STEPS, "cpu", sigmas=sigmas, mu=mu)
timesteps, left = pipe.get_timesteps(STEPS, STRENGTH, "cpu")
noised = pipe.scheduler.scale_noise(latent, timesteps[:1], noise)
packed = pipe._pack_latents(noised, 1, 16, 8, 8)
run = dict(prompt=PROMPTS[0], image=image, strength=STRENGTH, height=64, width=64, num_inference_steps=STEPS,
           guidance_scale=3.5, latents=packed, max_sequence_length=pipe.tokenizer_2.model_max_length)
last = pipe(output_type="latent", **run).images
picture = pipe(output_type="pil", **run).images[0]
g = {"latent": latent[0].numpy(), "start": noised[0].numpy(), "sigmas": pipe.scheduler.sigmas[-(left + 1):].numpy().copy(),
     "last": pipe._unpack_latents(last, 64, 64, pipe.vae_scale_factor)[0].numpy(), "image": np.array(picture)}
os.makedirs(f"{HERE}/img2img", exist_ok=True)
save_file({k: np.ascontiguousarray(v) for k, v in g.items()}, f"{HERE}/img2img/golden.safetensors")
print(left, {k: (v.shape, float(np.abs(v.astype(np.float32)).mean())) for k, v in g.items()})
