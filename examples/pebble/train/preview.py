"""The tiny decoder for previews, in the layout of TAEF1 (AutoencoderTiny): it learns what the autoencoder decodes.

A search looks at unfinished samples, whose predictions are vague: between pictures, and off every picture's latent. So
the pupil sees, beside latents of scenes, blends of two and latents under noise, and its teacher is the autoencoder, which
shows for each of them what a picture would look like.
"""
import numpy as np
import torch
from diffusers import AutoencoderKL, AutoencoderTiny
from safetensors.torch import save_file

import autoencoder
from common import DEVICE, Ema, OUT, load, log, save, to_unit, trapezoid
from muon import Muon

WIDTH = 16
CONFIG = dict(in_channels=3, out_channels=3, latent_channels=16, encoder_block_out_channels=(WIDTH,) * 4,
              decoder_block_out_channels=(WIDTH,) * 4, num_encoder_blocks=(1, 1, 1, 1),
              num_decoder_blocks=(3, 3, 3, 1), scaling_factor=1.0, shift_factor=0.0)
STEPS, BATCH, RATE = 1600, 32, 2e-3


def vague(rng, z):
    """A third of the latents as they are, a third blended with a neighbour, a third under noise."""
    n = len(z)
    share = torch.from_numpy(rng.uniform(0.2, 0.8, (n, 1, 1, 1)).astype("float32")).to(z)
    noise = torch.from_numpy(rng.standard_normal(tuple(z.shape)).astype("float32")).to(z)
    level = torch.from_numpy(rng.uniform(0.05, 0.5, (n, 1, 1, 1)).astype("float32")).to(z)
    out = z.clone()
    out[n // 3:2 * n // 3] = torch.lerp(z, z.roll(1, 0), share)[n // 3:2 * n // 3]
    out[2 * n // 3:] = torch.lerp(z, noise, level)[2 * n // 3:]
    return out


def lesson(vae, step):
    """Latents as the transformer has them, and what they show, -1..1."""
    rng = np.random.default_rng([13, step])
    with torch.no_grad():
        z = vae.encode(to_unit(autoencoder.scenes(rng, BATCH))).latent_dist.mean
        z = vague(rng, (z - vae.config.shift_factor) * vae.config.scaling_factor)
        return z, vae.decode(z / vae.config.scaling_factor + vae.config.shift_factor).sample.clamp(-1, 1)


def train(vae):
    torch.manual_seed(3)
    tiny = AutoencoderTiny(**CONFIG).to(DEVICE)
    opt, ema = Muon(tiny.decoder.named_parameters(), RATE), Ema(tiny.decoder, 0.99)
    start, state = 0, load("preview.pt")
    if state:
        tiny.load_state_dict(state["model"])
        opt.load_state_dict(state["opt"])
        ema.shadow, start = state["ema"], state["step"]
    log("preview:", sum(p.numel() for p in tiny.decoder.parameters()), "parameters, step", start)
    for step in range(start, STEPS):
        z, x = lesson(vae, step)
        opt.scale(trapezoid(step, STEPS, 50, 0.4))
        error = tiny.decode(z).sample - x
        loss = error.abs().mean() + error.square().mean()
        opt.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(tiny.decoder.parameters(), 1.0)
        opt.step()
        ema.update(tiny.decoder, step)
        if step % 50 == 0:
            log(f"preview {step}: L1 {error.abs().mean().item():.4f}")
        if step % 100 == 99 or step == STEPS - 1:
            save("preview.pt", {"model": tiny.state_dict(), "opt": opt.state_dict(), "ema": ema.shadow, "step": step + 1})
    tiny.decoder.load_state_dict(ema.shadow)
    return tiny


def export():
    """Beside a finished pebble, of which it needs vae/ only. The encoder half was not trained and is left out."""
    vae = AutoencoderKL.from_pretrained(OUT / "vae", torch_dtype=torch.float32).to(DEVICE).eval()
    tiny = train(vae)
    tiny.save_config(OUT / "preview")
    weights = {k: v.to(torch.bfloat16).contiguous() for k, v in tiny.state_dict().items() if k.startswith("decoder.")}
    save_file(weights, OUT / "preview" / "diffusion_pytorch_model.safetensors", metadata={"format": "pt"})


if __name__ == "__main__":
    export()
