"""The aesthetic head: from the small CLIP's normalised image embedding to how cleanly a scene is drawn.

The layout is that of the LAION predictor (`layers.N.weight`, `layers.N.bias`), with a ReLU between
its layers. The target falls with the distance between a damaged render and the clean one, from 10
(equal) towards 1; half of the pairs are compared as the autoencoder paints them.
"""
import numpy as np
import torch
from torch import nn

import autoencoder
import clip
import world
from common import DEVICE, load, log, save

SCENES, STEPS, HIDDEN = 8000, 1500, 64
CONFIG = {"model_type": "aesthetic_head", "embedding_dim": 128, "normalize_embedding": True,
          "layers": {"0": [128, HIDDEN], "2": [HIDDEN, 1]}, "activation": "relu",
          "score_range": [1.0, 10.0], "embedding_model": "../clip"}


class Head(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(128, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 1))

    def forward(self, x):
        return self.layers(x)[:, 0]


@torch.no_grad()
def examples(vae, model):
    """(embeddings, targets) of damaged renders."""
    rng = np.random.default_rng(41)
    xs, ys = [], []
    for start in range(0, SCENES, 200):
        scenes = [world.sample_scene(rng, world.sample_caption(rng)) for _ in range(200)]
        level = np.where(rng.random(200) < 0.15, 0.0, rng.random(200))
        clean = np.stack([world.render(*s) for s in scenes])
        images = np.stack([world.damage(rng, *s, v) for s, v in zip(scenes, level)])
        if start % 400:
            clean, images = (autoencoder.decode(vae, autoencoder.encode(vae, x)) for x in (clean, images))
        xs.append(clip.embed_images(model, images))
        ys.append(clip.cleanliness(images, clean))
    return torch.cat(xs), torch.cat(ys)


def train(vae, model):
    x, y = examples(vae, model)
    torch.manual_seed(4)
    head, held = Head().to(DEVICE), SCENES // 10
    opt = torch.optim.AdamW(head.parameters(), lr=3e-3, weight_decay=1e-3)
    for step in range(STEPS):
        pick = torch.randint(held, len(x), (256,))
        loss = (head(x[pick]) - y[pick]).square().mean()
        opt.param_groups[0]["lr"] = 3e-3 * (1 - step / STEPS)
        opt.zero_grad()
        loss.backward()
        opt.step()
    with torch.no_grad():
        guess = head(x[:held])
    r = torch.corrcoef(torch.stack([guess, y[:held]]))[0, 1].item()
    log(f"aesthetic: correlation {r:.3f}, error {(guess - y[:held]).abs().mean().item():.2f} of 1..10")
    save("aesthetic.pt", head.state_dict())
    return head


def trained(vae, model):
    state = load("aesthetic.pt")
    if not state:
        return train(vae, model)
    head = Head().to(DEVICE)
    head.load_state_dict(state)
    return head
