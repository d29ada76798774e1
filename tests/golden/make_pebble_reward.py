"""Makes tests/golden/models/pebble/reward.json: the rewards of examples/pebble/imagereward for the pictures of make_clip.py, by
transformers' classes in float32, with texts padded to 35 tokens. To be run again whenever the weights there change.

    python tests/golden/make_pebble_reward.py
"""
import json
import os
import sys

import numpy as np
import torch
from make_models import HERE
from PIL import Image

sys.path.insert(0, os.path.join(HERE, "../../../examples/pebble/train"))
import reward  # noqa: E402

torch.set_grad_enabled(False)
PICTURES = ["37x53", "64x31", "8x8", "200x111"]
PROMPTS = ["a red circle", "a red circle to the left of a blue square", "Two yellow triangles, and a Zebra!", ""]


def prepare(image, size):
    """ImageReward's own preparation, which is torchvision's: odd margins are halved to even, unlike in transformers."""
    scale = size / min(image.size)
    wide = [size if side == min(image.size) else int(size * side / min(image.size)) for side in image.size]
    image = image.resize(wide, Image.BICUBIC) if scale != 1 else image
    left, top = (int(round((side - size) / 2.0)) for side in image.size)
    pixels = torch.from_numpy(np.array(image.crop((left, top, left + size, top + size)))).permute(2, 0, 1) / 255
    return (pixels - torch.tensor(reward.MEAN).view(3, 1, 1)) / torch.tensor(reward.STD).view(3, 1, 1)


def rewards(paths, prompts):
    """[prompts][pictures]"""
    model, words, mean, std = reward.shipped()
    size = reward.world.SIZE
    pixels = torch.stack([prepare(Image.open(p).convert("RGB"), size) for p in paths])
    seen = model.vision(pixel_values=pixels.to(reward.DEVICE)).last_hidden_state
    ids, mask = reward.tokens(words, prompts, reward.MAX_LENGTH)
    rows = [model(seen, i.expand(len(seen), -1), m.expand(len(seen), -1)) for i, m in zip(ids, mask)]
    return ((torch.stack(rows).double().cpu().numpy() - mean) / std)


if __name__ == "__main__":
    r = rewards([f"{HERE}/picture_{p}.png" for p in PICTURES], PROMPTS)
    with open(f"{HERE}/pebble/reward.json", "w") as file:
        json.dump({"bound": 1e-5, "pictures": [f"picture_{p}.png" for p in PICTURES], "prompts": PROMPTS,
                   "rewards": r.tolist()}, file, indent=1)
        file.write("\n")
    print(np.round(r, 4))
