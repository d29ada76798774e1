"""The small CLIP that judges how well a picture and a caption agree.

Contrastive learning where nearly everything is hard: each picture also meets near misses of its
own caption (one colour, shape, count or relation changed, colours swapped, a thing more or less),
and each batch holds the pictures of some of those near misses. Pictures come clean, damaged, and
through the autoencoder with noisy latents, so the model also reads what a sampler paints. Unlike
the transformer it learns from all captions, held out or not: a verifier has seen more than what it judges.
"""
import numpy as np
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import CLIPConfig, CLIPModel

import autoencoder
import world
from common import DEVICE, Ema, autocast, load, log, save, to_unit, trapezoid
from muon import Muon
from tokenisers import LENGTH, tokenizers

STEPS, PAIRS, MISSES, RATE = 3400, 24, 4, 1.5e-3
MEAN, STD = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
FIT = 13                           # tokens; causal attention makes longer padding irrelevant


def config(tokens):
    eos = tokens - 1
    text = dict(vocab_size=tokens, hidden_size=128, intermediate_size=512, num_hidden_layers=3,
                num_attention_heads=4, max_position_embeddings=LENGTH, hidden_act="quick_gelu",
                bos_token_id=eos - 1, eos_token_id=eos, pad_token_id=eos, projection_dim=128)
    vision = dict(image_size=world.SIZE, patch_size=8, hidden_size=128, intermediate_size=512,
                  num_hidden_layers=4, num_attention_heads=4, hidden_act="quick_gelu",
                  projection_dim=128)
    return CLIPConfig(text_config=text, vision_config=vision, projection_dim=128)


# --- near misses ---------------------------------------------------------------------------

def meaning(caption):
    """Equal for captions that the same scenes satisfy."""
    groups, relation = caption.groups, caption.relation
    if relation in ("to the right of", "below"):
        groups = groups[::-1]
        relation = {"to the right of": "to the left of", "below": "above"}[relation]
    return groups if relation else frozenset(groups), relation


def other(rng, values, value):
    return [v for v in values if v != value][rng.integers(len(values) - 1)]


def edit(rng, caption):
    """One small change; may be invalid or mean the same, near_miss sorts that out."""
    groups, relation = list(caption.groups), caption.relation
    i = rng.integers(len(groups))
    g = groups[i]
    kind = rng.integers(7)
    if kind == 0:
        groups[i] = world.Group(g.count, other(rng, world.COLOUR_NAMES, g.colour), g.shape)
    elif kind == 1:
        groups[i] = world.Group(g.count, g.colour, other(rng, world.SHAPES, g.shape))
    elif kind == 2 and relation:
        relation = other(rng, world.RELATIONS, relation)
    elif kind == 2:
        groups[i] = world.Group(g.count + (1 if rng.random() < 0.5 else -1), g.colour, g.shape)
    elif kind in (3, 4) and len(groups) > 1:
        h = groups[i - 1]
        if kind == 3:       # swap colours
            groups[i], groups[i - 1] = (world.Group(g.count, h.colour, g.shape),
                                        world.Group(h.count, g.colour, h.shape))
        elif g.count != h.count:
            groups[i], groups[i - 1] = (world.Group(h.count, g.colour, g.shape),
                                        world.Group(g.count, h.colour, h.shape))
        else:               # swap places
            groups[i], groups[i - 1] = h, g
    elif kind == 5 and len(groups) > 1 and not relation:
        del groups[i]
    elif kind == 6 and not relation:
        groups.append(world.Group(1, world.COLOUR_NAMES[rng.integers(6)], world.SHAPES[rng.integers(3)]))
    return world.Caption(world.category_of(groups, relation), tuple(groups), relation)


def near_miss(rng, caption):
    while True:
        c = edit(rng, caption)
        things = [(g.colour, g.shape) for g in c.groups]
        if (all(1 <= g.count for g in c.groups) and sum(g.count for g in c.groups) <= world.MAX_OBJECTS
                and len(set(things)) == len(things) and meaning(c) != meaning(caption)):
            return c


# --- batches -------------------------------------------------------------------------------

def batch(rng, vae):
    """Images [2 PAIRS], how clean each is (1..10), their captions, MISSES wrong captions for each."""
    captions = []
    for _ in range(PAIRS):
        captions.append(world.sample_caption(rng, held_out=rng.random() < 0.2))
        captions.append(near_miss(rng, captions[-1]))
    scenes = [world.sample_scene(rng, c) for c in captions]
    clean = np.stack([world.render(*s) for s in scenes])
    images = clean.copy()
    for i in np.flatnonzero(rng.random(len(scenes)) < 0.4):
        images[i] = world.damage(rng, *scenes[i], rng.uniform(0, 0.5))
    painted = rng.permutation(len(images))[:len(images) // 3]
    z, plain = (autoencoder.encode(vae, x[painted]) for x in (images, clean))
    noise = torch.from_numpy(rng.standard_normal(z.shape).astype(np.float32)).to(DEVICE)
    level = torch.from_numpy(rng.uniform(0, 0.6, (len(z), 1, 1, 1)).astype(np.float32)).to(DEVICE)
    images[painted] = autoencoder.decode(vae, z + level * z.std() * noise)
    clean[painted] = autoencoder.decode(vae, plain)
    return (images, cleanliness(images, clean), captions,
            [[near_miss(rng, c) for _ in range(MISSES)] for c in captions])


def cleanliness(images, clean):
    """From 10 (equal to the clean picture) towards 1 as the difference grows."""
    rms = np.sqrt(np.square(images.astype(np.float32) - clean).mean((1, 2, 3)))
    return torch.from_numpy(1 + 9 * np.exp(-rms / 15)).float().to(DEVICE)


def embed_images(model, images):
    x = model.vision_model(pixel_values=to_unit(images)).pooler_output
    return torch.nn.functional.normalize(model.visual_projection(x).float(), dim=-1)


def embed_texts(model, texts, tokenizer):
    ids = tokenizer(texts, padding="max_length", max_length=FIT, truncation=True,
                    return_tensors="pt").input_ids.to(DEVICE)
    x = model.text_model(input_ids=ids).pooler_output
    return torch.nn.functional.normalize(model.text_projection(x).float(), dim=-1)


def same_meaning(captions):
    """[n, n] bool, off the diagonal: pairs that must not count as wrong. A caption without a relation is
    true of a scene drawn for the same things with one."""
    keys = [meaning(c) for c in captions]
    loose = [frozenset(c.groups) for c in captions]
    n = len(captions)
    clash = [[i != j and (keys[i] == keys[j] or (loose[i] == loose[j] and "" in (keys[i][1], keys[j][1])))
              for j in range(n)] for i in range(n)]
    return torch.tensor(clash, device=DEVICE)


def loss_of(model, side, tokenizer, images, clean, captions, misses):
    n = len(captions)
    texts = [c.text() for c in captions] + [m.text() for row in misses for m in row]
    with autocast(), sdpa_kernel(SDPBackend.MATH):     # the quickest for so few tokens
        pictures, words = embed_images(model, images), embed_texts(model, texts, tokenizer)
    scale = model.logit_scale.float().exp().clamp(max=100)
    crossed = (scale * pictures @ words[:n].T).masked_fill(same_meaning(captions), -1e4)
    wrong = scale * torch.einsum("nd,nkd->nk", pictures, words[n:].view(n, MISSES, -1))
    target = torch.arange(n, device=DEVICE)
    loss = (torch.nn.functional.cross_entropy(torch.cat([crossed, wrong], 1), target)
            + torch.nn.functional.cross_entropy(crossed.T, target)) / 2
    loss = loss + 0.1 * (side(pictures)[:, 0] - clean).square().mean()
    right = (crossed.diagonal()[:, None] > wrong).all(1).float().mean()
    return loss, right


def new_model():
    torch.manual_seed(3)
    model = CLIPModel(config(len(tokenizers()[0]))).to(DEVICE)
    model.logit_scale.data.fill_(np.log(20.0))
    return model


def train(vae):
    tokenizer, model = tokenizers()[0], new_model()
    # Only here to keep the damage visible in the embedding: the aesthetic head reads it later.
    side = torch.nn.Sequential(torch.nn.Linear(128, 64), torch.nn.ReLU(), torch.nn.Linear(64, 1)).to(DEVICE)
    opt = Muon([*model.named_parameters(), *side.named_parameters("projection.weight")], RATE,
               plain=lambda name, p: p.ndim < 2 or "embedding" in name or "projection.weight" in name)
    ema, start, state = Ema(model, 0.998), 0, load("clip.pt")
    if state:
        model.load_state_dict(state["model"])
        side.load_state_dict(state["side"])
        opt.load_state_dict(state["opt"])
        ema.shadow, start = state["ema"], state["step"]
    log("clip:", sum(p.numel() for p in model.parameters()), "parameters, step", start)
    means = np.zeros(2)
    for step in range(start, STEPS):
        rng = np.random.default_rng([31, step])
        opt.scale(trapezoid(step, STEPS, 200))
        loss, right = loss_of(model, side, tokenizer, *batch(rng, vae))
        opt.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
        ema.update(model, step)
        means += np.array([loss.item(), right.item()]) / 50
        if step % 50 == 49:
            log(f"clip {step + 1}: loss {means[0]:.3f}, right against {MISSES} near misses {means[1]:.3f}")
            means[:] = 0
        if step % 100 == 99 or step == STEPS - 1:
            save("clip.pt", {"model": model.state_dict(), "side": side.state_dict(), "opt": opt.state_dict(),
                             "ema": ema.shadow, "step": step + 1})


def trained(vae):
    state = load("clip.pt")
    if not state or state["step"] < STEPS:
        train(vae)
        state = load("clip.pt")
    model = new_model()
    model.load_state_dict(state["ema"])
    return model.eval()


if __name__ == "__main__":
    trained(autoencoder.trained())
