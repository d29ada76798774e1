"""What the reward model learns from: groups of pictures and captions of which the rules say what fits what.

Two kinds of groups. Drawn: a caption, near misses of it, a render of each, and damaged renders. Own:
pebble's own samples for a caption, with what some of them show instead. In both every picture meets
every caption of its group, and the judge's rules say which of two pictures a caption prefers.
"""
from dataclasses import dataclass, field
import json

import numpy as np
import torch
from diffusers import AutoencoderKL, FluxPipeline

import autoencoder
import clip
import world
from common import DEVICE, OUT, WORK, autocast, load, log, save
from tokenisers import LENGTH

CHUNKS, CHUNK, SAMPLES = 12, 128, 8     # cached samples: chunks of captions, samples for each caption
CHECKED, CHECKS = 32, 16                # the same of the captions that only measure
STEPS = 10                              # of the sampler
MISSES, SPOILT = 3, 2                   # in a drawn group: near misses, damaged renders
CLEANER = 1.0                           # of 1..10: this much cleaner is better


@dataclass
class Group:
    images: np.ndarray                  # [p, 64, 64, 3] uint8
    things: list                        # what find_things finds in each
    captions: list
    scene: np.ndarray                   # [p]: equal numbers show the same scene
    clean: np.ndarray                   # [p]: 10 (as the clean render) towards 1
    right: np.ndarray = field(init=False)     # [p, c]: every claim holds
    share: np.ndarray = field(init=False)     # [p, c]: the share that holds

    def __post_init__(self):
        found = [[world.check(t, c) for c in self.captions] for t in self.things]
        self.right = np.array([[f[1] for f in row] for row in found])
        self.share = np.array([[f[0] for f in row] for row in found])

    def by_picture(self):
        """[p, p, c]: whether caption c prefers the first picture to the second. A right picture to a wrong one; the
        more right of wrong ones; of one scene the cleaner one, unless the rules say otherwise."""
        share = self.share[:, None] - self.share[None]
        cleaner = (self.scene[:, None] == self.scene[None]) & (self.clean[:, None] - self.clean[None] >= CLEANER)
        return (share > 0) | ((share == 0) & cleaner[..., None])

    def by_caption(self):
        """[p, c, c]: whether a picture is right by the first caption and wrong by the second."""
        return self.right[:, :, None] & ~self.right[:, None, :]


# --- drawn ---------------------------------------------------------------------------------

def cut(rng, ground, things):
    """A render in which one thing lacks a part."""
    wobble = np.zeros((len(things), world.SIZE, world.SIZE), np.float32)
    i = rng.integers(len(things))
    t, angle = things[i], rng.uniform(0, 2 * np.pi)
    across = (world.XX - t.x) * np.cos(angle) + (world.YY - t.y) * np.sin(angle)
    d = world.distance(t)
    wobble[i] = np.maximum(d, across - t.size * rng.uniform(-0.3, 0.25)) - d
    return world.render(ground, things, wobble)


def spoil(rng, scene):
    return cut(rng, *scene) if rng.random() < 0.25 else world.damage(rng, *scene, rng.uniform(0.1, 0.8))


def near_miss(rng, caption, held_out):
    while True:
        c = clip.near_miss(rng, caption)
        if held_out or not c.held_out():
            return c


def through(vae, rng, images, noise):
    """The pictures as the autoencoder paints them, their latents disturbed a little."""
    z = autoencoder.encode(vae, images)
    more = torch.from_numpy(rng.standard_normal(z.shape).astype(np.float32)).to(DEVICE)
    return autoencoder.decode(vae, z + noise * z.std() * more)


def drawn(rng, vae, caption=None):
    """One group around a caption; by default one from the training side, and so are its near misses."""
    held_out = caption is not None
    caption = caption or world.sample_caption(rng)
    captions = [caption]
    while len(captions) < 1 + MISSES:
        c = near_miss(rng, caption, held_out)
        if all(clip.meaning(c) != clip.meaning(o) for o in captions):
            captions.append(c)
    scenes = [world.sample_scene(rng, c) for c in captions]
    number = np.array([*range(len(scenes)), *rng.integers(0, len(scenes), SPOILT)])
    plain = np.stack([world.render(*s) for s in scenes])[number]
    images = plain.copy()
    for i in range(len(scenes), len(images)):
        images[i] = spoil(rng, scenes[number[i]])
    if rng.random() < 0.25:
        plain = through(vae, rng, plain, 0.0)
        images = through(vae, rng, images, rng.uniform(0, 0.4))
    clean = clip.cleanliness(images, plain).cpu().numpy()
    return Group(images, [world.find_things(i) for i in images], captions, number, clean)


# --- own -----------------------------------------------------------------------------------

def prompts():
    return [json.loads(line)["prompt"] for line in open(OUT / "prompts.jsonl")]


def pipeline():
    pipe = FluxPipeline.from_pretrained(OUT, torch_dtype=torch.float32).to(DEVICE)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def autoencoder_of_pebble():
    return AutoencoderKL.from_pretrained(OUT / "vae").float().eval().to(DEVICE).to(memory_format=torch.channels_last)


def paint(pipe, texts, n, seed):
    """[len(texts), n, 64, 64, 3] uint8 by the shipped pipeline"""
    with autocast():
        out = pipe(prompt=texts, height=world.SIZE, width=world.SIZE, num_inference_steps=STEPS,
                   max_sequence_length=LENGTH, num_images_per_prompt=n, output_type="np",
                   generator=torch.Generator().manual_seed(seed)).images
    return (out * 255).round().astype(np.uint8).reshape(len(texts), n, *out.shape[1:])


def make_chunk(name, seed, n, samples, held_out):
    """Samples for captions that are no prompt of prompts.jsonl."""
    rng, barred, texts = np.random.default_rng([51, seed]), set(prompts()), []
    while len(texts) < n:
        text = world.sample_caption(rng, held_out and len(texts) % 2 == 1).text()
        if text not in barred:
            barred.add(text)
            texts.append(text)
    pipe = pipeline()
    images = np.concatenate([paint(pipe, texts[i:i + 16], samples, seed * 1000 + i) for i in range(0, n, 16)])
    right = np.mean([[world.judge(im, t)[1] for im in row] for row, t in zip(images, texts)])
    log(f"{name}: {right:.2f} of the samples are right")
    save(name, {"texts": texts, "images": images})


def cached(name, *more):
    if not (WORK / name).exists():
        make_chunk(name, *more)
    return load(name)


def own():
    """(text, images) for each caption of the training side."""
    parts = [cached(f"reward.own.{i}.pt", i, CHUNK, SAMPLES, False) for i in range(CHUNKS)]
    return [pair for p in parts for pair in zip(p["texts"], p["images"])]


def own_check():
    """(text, images) for each caption that only measures; every other one is held out."""
    part = cached("reward.check.pt", 99, CHECKED, CHECKS, True)
    return list(zip(part["texts"], part["images"]))


def described(rng, things):
    """A caption that is true of a picture, or None where the grammar has none that training may see."""
    kinds = sorted({t[:2] for t in things})
    if not 1 <= len(kinds) <= 3 or len(things) > world.MAX_OBJECTS or any(k[1] == "?" for k in kinds):
        return None
    groups = tuple(world.Group(sum(t[:2] == kinds[i] for t in things), *kinds[i]) for i in rng.permutation(len(kinds)))
    relation = ""
    if len(things) == len(groups) == 2 and rng.random() < 0.6:
        place = [next(t[2:4] for t in things if t[:2] == (g.colour, g.shape)) for g in groups]
        relation = next((r for r in world.RELATIONS if world.holds(r, *place)), "")
    caption = world.Caption(world.category_of(groups, relation), groups, relation)
    return None if caption.held_out() else caption


def moved(rng, images, caption):
    """The samples shifted a little and, every other time, mirrored, where the caption that then fits is no secret."""
    x, y = rng.integers(0, 5, 2)
    images = np.pad(images, ((0, 0), (2, 2), (2, 2), (0, 0)), "edge")[:, y:y + world.SIZE, x:x + world.SIZE]
    turned = {"to the left of": "to the right of", "to the right of": "to the left of"}
    mirrored = world.Caption(caption.category, caption.groups, turned.get(caption.relation, caption.relation))
    if rng.random() < 0.5 or mirrored.held_out():
        return images, caption
    return images[:, :, ::-1], mirrored


def own_group(rng, text, images, captions=2):
    images, caption = moved(rng, images, world.parse(text))
    things = [world.find_things(i) for i in images]
    names = [caption]
    for i in rng.permutation(len(images)):
        c = described(rng, things[i])
        if c and len(names) < captions and all(clip.meaning(c) != clip.meaning(o) for o in names):
            names.append(c)
    if len(names) < captions:
        names.append(near_miss(rng, caption, False))
    n = len(images)
    return Group(images, things, names, np.arange(n), np.full(n, 10.0))


if __name__ == "__main__":
    own_check()
    own()
