"""The autoencoder: 64 x 64 pictures to 8 x 8 latents of 16 channels, and back.

Absolute error plus a light KL term. A scene needs few numbers, so the KL term empties what the
decoder does not use, and the rest becomes smooth and easy for the transformer to learn.
"""
import numpy as np
import torch
from diffusers import AutoencoderKL

import world
from common import DEVICE, autocast, load, log, save, to_bytes, to_unit, trapezoid
from muon import Muon

CONFIG = dict(in_channels=3, out_channels=3, latent_channels=16, sample_size=world.SIZE,
              block_out_channels=(32, 48, 64, 96), layers_per_block=1, norm_num_groups=16,
              down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
              mid_block_add_attention=True, use_quant_conv=False, use_post_quant_conv=False,
              force_upcast=False)
STEPS, BATCH, RATE, KL = 720, 24, 1.5e-3, 1e-3


def scenes(rng, n, clean=0.85):
    """Mostly clean renders; some damaged, so that the encoder also knows what noise looks like."""
    out = []
    for _ in range(n):
        scene = world.sample_scene(rng, world.sample_caption(rng))
        dirty = rng.random() > clean
        out.append(world.damage(rng, *scene, rng.uniform(0, 0.4)) if dirty else world.render(*scene))
    return np.stack(out)


def train():
    torch.manual_seed(1)
    vae = AutoencoderKL(**CONFIG).to(DEVICE).to(memory_format=torch.channels_last)
    opt = Muon(vae.named_parameters(), RATE)
    start, state = 0, load("autoencoder.pt")
    if state:
        vae.load_state_dict(state["model"])
        opt.load_state_dict(state["opt"])
        start = state["step"]
    log("autoencoder:", sum(p.numel() for p in vae.parameters()), "parameters, step", start)
    for step in range(start, STEPS):
        rng = np.random.default_rng([11, step])
        x = to_unit(scenes(rng, BATCH)).contiguous(memory_format=torch.channels_last)
        opt.scale(trapezoid(step, STEPS, 50, 0.4))
        with autocast():
            posterior = vae.encode(x).latent_dist
            y = vae.decode(posterior.sample()).sample
        error = y.float() - x
        kl = posterior.kl().mean() / posterior.mean[0].numel()
        loss = error.abs().mean() + error.square().mean() + KL * kl.float()
        opt.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        opt.step()
        if step % 25 == 0:
            log(f"autoencoder {step}: L1 {error.abs().mean().item():.4f} KL {kl.item():.3f}")
        if step % 50 == 49 or step == STEPS - 1:
            save("autoencoder.pt", {"model": vae.state_dict(), "opt": opt.state_dict(), "step": step + 1})
    return finish(vae)


@torch.no_grad()
def encode(vae, images, batch=64):
    parts = []
    for i in range(0, len(images), batch):
        x = to_unit(images[i:i + batch]).contiguous(memory_format=torch.channels_last)
        with autocast():
            parts.append(vae.encode(x).latent_dist.mean.float())
    return torch.cat(parts)


@torch.no_grad()
def decode(vae, latents, batch=64):
    with autocast():
        return np.concatenate([to_bytes(vae.decode(z).sample) for z in latents.split(batch)])


def finish(vae):
    """Measures what the transformer will see and writes it into the config."""
    vae.eval()
    rng = np.random.default_rng(12)
    z = encode(vae, scenes(rng, 512, clean=1.0))
    vae.register_to_config(shift_factor=round(z.mean().item(), 4),
                           scaling_factor=round(1 / z.std().item(), 4))
    log("latents: mean", z.mean().item(), "std", z.std().item(), "by channel", z.std((0, 2, 3)).tolist())
    return vae


def trained():
    """The trained autoencoder, float32, ready for use; trains it first when there is none."""
    state = load("autoencoder.pt")
    if not state or state["step"] < STEPS:
        return train()
    vae = AutoencoderKL(**CONFIG).to(DEVICE).to(memory_format=torch.channels_last)
    vae.load_state_dict(state["model"])
    return finish(vae)


if __name__ == "__main__":
    trained()
