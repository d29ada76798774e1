"""The transformer and its two text encoders, trained together by flow matching.

x_sigma = (1 - sigma) x0 + sigma eps; the transformer learns v = eps - x0. Latents and token ids are
computed once and cached. Text is padded with attended pads, as FluxPipeline does; captions need
only 12 tokens, so most of the training pads to 16 and the end to the full 32.
"""
import numpy as np
import torch
from diffusers import FluxTransformer2DModel
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import CLIPTextConfig, CLIPTextModel, T5Config, T5EncoderModel

import autoencoder
import world
from common import DEVICE, WORK, Ema, autocast, load, log, save, trapezoid
from muon import Muon
from tokenisers import LENGTH, tokenizers

CHUNKS, CHUNK = 8, 8192            # cached scenes
STEPS, BATCH, RATE = 4900, 64, 2e-3
SHORT, LONG_FROM = 12, 0.85        # text length before and after this share of the steps
WIDTH, TEXT = 192, 128
TRANSFORMER = dict(patch_size=1, in_channels=64, num_layers=3, num_single_layers=6,
                   attention_head_dim=32, num_attention_heads=WIDTH // 32, joint_attention_dim=TEXT,
                   pooled_projection_dim=TEXT, guidance_embeds=False, axes_dims_rope=(8, 12, 12))


class Model(torch.nn.Module):
    def __init__(self, clip_tokens, t5_tokens):
        super().__init__()
        self.transformer = FluxTransformer2DModel(**TRANSFORMER)
        eos = clip_tokens - 1
        self.clip = CLIPTextModel(CLIPTextConfig(
            vocab_size=clip_tokens, hidden_size=TEXT, intermediate_size=4 * TEXT, num_hidden_layers=2,
            num_attention_heads=4, max_position_embeddings=LENGTH, projection_dim=TEXT,
            hidden_act="quick_gelu", bos_token_id=eos - 1, eos_token_id=eos, pad_token_id=eos))
        self.t5 = T5EncoderModel(T5Config(
            vocab_size=t5_tokens, d_model=TEXT, d_kv=32, num_heads=4, d_ff=2 * TEXT, num_layers=2,
            feed_forward_proj="gated-gelu", dropout_rate=0.0, tie_word_embeddings=False,
            relative_attention_max_distance=32,
            decoder_start_token_id=0, is_encoder_decoder=False,
            use_cache=False))
        torch.nn.init.normal_(self.t5.shared.weight, std=1.0)

    def encode(self, clip_ids, t5_ids):
        return self.clip(clip_ids).pooler_output, self.t5(t5_ids).last_hidden_state

    def velocity(self, x, sigma, text):
        """x [n, 16, 8, 8] latents, sigma [n] -> dx/dsigma of the same shape"""
        pooled, states = text
        n, c, h, w = x.shape
        grid = torch.zeros(h // 2, w // 2, 3, device=x.device)
        grid[..., 1] += torch.arange(h // 2, device=x.device)[:, None]
        grid[..., 2] += torch.arange(w // 2, device=x.device)[None]
        v = self.transformer(hidden_states=pack(x), timestep=sigma, encoder_hidden_states=states,
                             pooled_projections=pooled, img_ids=grid.reshape(-1, 3),
                             txt_ids=torch.zeros(states.shape[1], 3, device=x.device),
                             return_dict=False)[0]
        return unpack(v, h, w)


def pack(x):
    n, c, h, w = x.shape
    return x.reshape(n, c, h // 2, 2, w // 2, 2).permute(0, 2, 4, 1, 3, 5).reshape(n, -1, 4 * c)


def unpack(x, h, w):
    n, _, c = x.shape
    x = x.reshape(n, h // 2, w // 2, c // 4, 2, 2)
    return x.permute(0, 3, 1, 4, 2, 5).reshape(n, c // 4, h, w)


def token_ids(texts, length=LENGTH):
    clip, t5 = tokenizers()
    more = dict(padding="max_length", max_length=length, truncation=True, return_tensors="pt")
    return clip(texts, **more).input_ids, t5(texts, **more).input_ids


def make_chunk(vae, index):
    rng = np.random.default_rng([21, index])
    captions = [world.sample_caption(rng) for _ in range(CHUNK)]
    images = np.stack([world.render(*world.sample_scene(rng, c)) for c in captions])
    z = (autoencoder.encode(vae, images) - vae.config.shift_factor) * vae.config.scaling_factor
    clip, t5 = token_ids([c.text() for c in captions])
    save(f"latents.{index}.pt", {"z": z.half().cpu(), "clip": clip.short(), "t5": t5.short()})


def chunks(vae):
    for i in range(CHUNKS):
        if not (WORK / f"latents.{i}.pt").exists():
            make_chunk(vae, i)
            log("latents: chunk", i)
    parts = [load(f"latents.{i}.pt") for i in range(CHUNKS)]
    return {k: torch.cat([p[k] for p in parts]) for k in parts[0]}


def schedule(steps, mu):
    """FLUX's exponential shift of an even grid from 1 to 1/steps, then 0."""
    s = torch.linspace(1, 1 / steps, steps, dtype=torch.float64)
    return torch.cat([torch.e ** mu / (torch.e ** mu + 1 / s - 1), s.new_zeros(1)]).float()


@torch.no_grad()
def sample(model, texts, seed, steps=10, mu=0.5, length=LENGTH):
    """Euler from seeded noise; latents in the autoencoder's units are (x / scale + shift)."""
    noise = torch.randn(len(texts), 16, 8, 8, generator=torch.Generator().manual_seed(seed))
    clip, t5 = token_ids(texts, length)
    x, sigma = noise.to(DEVICE), schedule(steps, mu)
    with autocast():
        text = model.encode(clip.to(DEVICE), t5.to(DEVICE))
        for a, b in zip(sigma, sigma[1:]):
            v = model.velocity(x, a.expand(len(x)).to(DEVICE), text)
            x = x + (b - a) * v.float()
    return x


def plain(name, p):
    """What AdamW trains: vectors, embeddings, and the layers at the two ends; the
    modulation too, which costs Muon much and gains little."""
    ends = ("embed", "embedding", "shared", "x_embedder", "proj_out.weight", "norm_out", "bias_table",
            "relative_attention_bias", "norm.linear", "norm1.linear", "norm1_context.linear")
    inner_out = "single_transformer_blocks" in name and name.endswith("proj_out.weight")
    return p.ndim < 2 or (any(e in name for e in ends) and not inner_out)


def score(model, vae, prompts, seed, length, steps=10, mu=0.5):
    """Share of single samples for which every claim holds, and the pictures."""
    x = sample(model, prompts, seed, steps, mu, length)
    images = autoencoder.decode(vae, x / vae.config.scaling_factor + vae.config.shift_factor)
    return [world.judge(im, p)[1] for im, p in zip(images, prompts)], images


def loss_of(model, data, pick, length):
    z = data["z"][pick].to(DEVICE).float()
    clip, t5 = (data[k][pick, :length].to(DEVICE).long() for k in ("clip", "t5"))
    eps = torch.randn_like(z)
    sigma = torch.sigmoid(torch.randn(len(z), device=DEVICE) + 0.4)
    wide = sigma[:, None, None, None]
    # On 28 tokens the flash kernel's backward pass is slower than plain matrix products.
    with autocast(), sdpa_kernel(SDPBackend.MATH):
        v = model.velocity((1 - wide) * z + wide * eps, sigma, model.encode(clip, t5))
    return (v.float() - (eps - z)).square().mean()


def new_model():
    torch.manual_seed(2)
    return Model(*(len(t) for t in tokenizers())).to(DEVICE)


def train(vae):
    data, model = chunks(vae), new_model()
    opt = Muon(model.named_parameters(), RATE, plain=plain)
    ema, start, state = Ema(model, 0.999), 0, load("flux.pt")
    if state:
        model.load_state_dict(state["model"])
        opt.load_state_dict(state["opt"])
        ema.shadow, start = state["ema"], state["step"]
    size = {k: sum(p.numel() for p in m.parameters()) for k, m in model.named_children()}
    log("flux:", size, "step", start)
    rng = np.random.default_rng(22)
    prompts = [world.sample_caption(rng, i % 2 == 1).text() for i in range(80)]
    mean = 0.0
    for step in range(start, STEPS):
        torch.manual_seed(1000 + step)
        length = SHORT if step < LONG_FROM * STEPS else LENGTH
        opt.scale(trapezoid(step, STEPS, cool=0.5))
        loss = loss_of(model, data, torch.randint(len(data["z"]), (BATCH,)), length)
        opt.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
        ema.update(model, step)
        mean += loss.item() / 100
        if step % 100 == 99:
            log(f"flux {step + 1}: loss {mean:.4f}")
            mean = 0.0
        if step % 500 == 499 or step == STEPS - 1:
            save("flux.pt", {"model": model.state_dict(), "opt": opt.state_dict(),
                             "ema": ema.shadow, "step": step + 1})
            averaged = new_model()
            averaged.load_state_dict(ema.shadow)
            right, _ = score(averaged.eval(), vae, prompts, 3, length)
            log(f"flux {step + 1}: all claims right: seen {np.mean(right[::2]):.2f}",
                f"held out {np.mean(right[1::2]):.2f}")


def trained(vae):
    """The trained model with averaged weights; trains (or resumes) when it is not there."""
    state = load("flux.pt")
    if not state or state["step"] < STEPS:
        train(vae)
        state = load("flux.pt")
    model = new_model()
    model.load_state_dict(state["ema"])
    return model.eval()


if __name__ == "__main__":
    trained(autoencoder.trained())
