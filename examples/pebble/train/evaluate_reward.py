"""Measures the finished reward model: pairs of held-out captions by kind of error, and the best of 16 of pebble's own samples.

    python train/evaluate_reward.py
"""
import collections

import numpy as np
import torch
from transformers import CLIPModel, CLIPTokenizer

import clip
import preferences
import reward
import world
from common import DEVICE, OUT, log
from evaluate import agreement

PAIRS, N = 120, 16


def kind_of(a, b):
    """How caption b errs about a scene of caption a."""
    if a.relation != b.relation or a.relation and set(a.groups) == set(b.groups):
        return "relation"
    if len(a.groups) != len(b.groups):
        return "missing or extra"
    left, right = set(a.groups) - set(b.groups), set(b.groups) - set(a.groups)
    if len(left) > 1:
        return "binding"
    (g,), (h,) = left, right
    return "count" if g.count != h.count else "colour" if g.colour != h.colour else "shape"


@torch.no_grad()
def pairs(model, words):
    """Share of wrong or damaged renders with a lower reward than the right one, by kind; captions held out."""
    rng, vae, hits = np.random.default_rng(77), preferences.autoencoder_of_pebble(), collections.defaultdict(list)
    for _ in range(PAIRS):
        group = preferences.drawn(rng, vae, world.sample_caption(rng, held_out=True))
        r = reward.rewards(model, words, [group])[0][:, 0].cpu().numpy()
        if not group.right[0, 0]:       # the autoencoder spoilt it
            continue
        for i in range(1, len(r)):
            if group.scene[i] == 0 and group.clean[0] - group.clean[i] >= preferences.CLEANER:
                hits["damage"].append(r[0] > r[i])
            elif i < 1 + preferences.MISSES and not group.right[i, 0]:
                hits[kind_of(group.captions[0], group.captions[i])].append(r[0] > r[i])
    for kind, hit in sorted(hits.items()):
        log(f"{kind}: {np.mean(hit) * 100:.0f} % of {len(hit)}")


@torch.no_grad()
def best_of(model, words):
    """The best of N samples of each prompt, by the reward and by CLIP."""
    pipe, rows = preferences.pipeline(), collections.defaultdict(list)
    judge = CLIPModel.from_pretrained(OUT / "clip").float().to(DEVICE).eval()
    tokens = CLIPTokenizer.from_pretrained(OUT / "clip")
    for i, text in enumerate(preferences.prompts()):
        images, caption = preferences.paint(pipe, [text], N, 910000 + i)[0], world.parse(text)
        group = preferences.Group(images, [world.find_things(im) for im in images], [caption], np.arange(N),
                                  np.full(N, 10.0))
        right = group.right[:, 0]
        r = reward.rewards(model, words, [group])[0][:, 0].cpu().numpy()
        cosine = agreement(judge, tokens, images, text).cpu().numpy()
        row = (right[0], right.mean(), right[cosine.argmax()], right[r.argmax()], right.any())
        for key in (caption.category, "held out" if caption.held_out() else "seen", "all"):
            rows[key].append(row)
    for key in (*world.CATEGORIES, "seen", "held out", "all"):
        log(f"{key}: first, mean, best by CLIP, by reward, any:", (np.mean(rows[key], 0) * 100).round().tolist())
    gain = np.array([float(r[3]) - float(r[2]) for r in rows["all"]])
    boot = np.random.default_rng(0).choice(gain, (10000, len(gain))).mean(1)
    log("reward minus CLIP:", gain.mean(), "95 % interval", np.percentile(boot, (2.5, 97.5)))


if __name__ == "__main__":
    m, w, _, _ = reward.shipped()
    pairs(m, w)
    best_of(m, w)
