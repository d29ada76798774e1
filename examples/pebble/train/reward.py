"""The reward model: a network of ImageReward's shape that says how well a picture fits a caption, and how well it is drawn.

BLIP's vision transformer, BERT with cross-attention to all of its tokens, and ImageReward's linear head on the first
text token. Learnt from preferences (preferences.py) by Bradley and Terry: -log sigmoid(r_better - r_worse). While it
learns, side heads also read from the picture's tokens what stands where, which the vision part would else find out
slowly; they are thrown away.

    python train/reward.py       # needs the finished folder (train.py); resumes
"""
import json

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn.functional import cross_entropy, logsigmoid
from transformers import BertTokenizer, BlipTextConfig, BlipTextModel, BlipVisionConfig, BlipVisionModel

import preferences
import world
from common import DEVICE, OUT, Ema, autocast, load, log, save, trapezoid
from muon import Muon
from tokenisers import EXTRA

STEPS, DRAWN, OWN, RATE = 5000, 4, 5, 1.5e-3     # groups of a step; SAMPLES pictures in each of the latter
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)   # CLIP's
WIDTH, HEADS, PATCH, MAX_LENGTH, FIT = 128, 4, 8, 35, 13    # FIT: no caption has more tokens
VISION = dict(hidden_size=WIDTH, intermediate_size=4 * WIDTH, num_hidden_layers=5, num_attention_heads=HEADS,
              image_size=world.SIZE, patch_size=PATCH, hidden_act="gelu", layer_norm_eps=1e-6, initializer_range=0.02)
TEXT = dict(hidden_size=WIDTH, encoder_hidden_size=WIDTH, intermediate_size=4 * WIDTH, num_hidden_layers=4,
            num_attention_heads=HEADS, max_position_embeddings=40, hidden_act="gelu", layer_norm_eps=1e-12,
            pad_token_id=0, bos_token_id=2, sep_token_id=3, is_decoder=True)     # is_decoder: only then has it cross-attention
HEAD = (WIDTH, 256, 128, 64, 16, 1)
FOLDER = OUT / "imagereward"
SIDE = 0.3                                       # weight of the side heads' loss


# --- text ----------------------------------------------------------------------------------

def vocabulary():
    """WordPiece: the words of all captions whole, and every printable character alone."""
    words = set(world.COLOUR_NAMES) | {s + e for s in world.SHAPES for e in ("", "s")}
    words |= {w for line in (*world.RELATIONS, *world.NUMBERS, *EXTRA, "a an and") for w in line.split()}
    words = sorted({w.strip(",") for w in words} - {""})
    letters = [chr(c) for c in range(33, 127) if not chr(c).isupper()]
    whole = [w for w in words if len(w) > 1]
    parts = ["##" + c for c in letters if c.isalnum()]
    return ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *parts, *whole, "[DEC]", "[ENC]"]


def tokenizer():
    path = FOLDER / "vocab.txt"
    if not path.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(vocabulary()) + "\n")
    return BertTokenizer(vocab=str(path))


def tokens(words, texts, length=FIT):
    t = words(texts, padding="max_length", truncation=True, max_length=length, return_tensors="pt")
    return t.input_ids.to(DEVICE), t.attention_mask.to(DEVICE)


# --- the model -----------------------------------------------------------------------------

class Head(nn.Module):
    """ImageReward's: linear layers with nothing between them (its dropouts have the numbers that are missing)."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleDict({str(k): nn.Linear(a, b)
                                     for k, a, b in zip((0, 2, 4, 6, 7), HEAD, HEAD[1:])})

    def forward(self, x):
        for layer in self.layers.values():
            x = layer(x)
        return x[..., 0]


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.vision = BlipVisionModel(BlipVisionConfig(**VISION))
        self.text = BlipTextModel(BlipTextConfig(vocab_size=len(vocabulary()), **TEXT), add_pooling_layer=False)
        self.mlp = Head()

    def see(self, images):
        """uint8 [n, 64, 64, 3] -> [n, 65, WIDTH]"""
        x = torch.from_numpy(np.ascontiguousarray(images)).to(DEVICE).permute(0, 3, 1, 2).float() / 255
        mean, std = (torch.tensor(v, device=DEVICE).view(3, 1, 1) for v in (MEAN, STD))
        return self.vision(pixel_values=(x - mean) / std).last_hidden_state

    def forward(self, seen, ids, mask):
        """Rewards before normalisation, [n]: of each picture's tokens and the text beside it."""
        x = self.text(input_ids=ids, attention_mask=mask, encoder_hidden_states=seen, is_decoder=False)
        return self.mlp(x.last_hidden_state[:, 0].float())


class Side(nn.Module):
    """What stands at each patch: colour, shape, how many of its kind; from the first token: how many things."""
    SIZES = (len(world.COLOURS) + 1, len(world.SHAPES) + 2, 6)

    def __init__(self):
        super().__init__()
        self.patch, self.whole = nn.Linear(WIDTH, sum(self.SIZES)), nn.Linear(WIDTH, 8)

    def loss(self, seen, things):
        patch, whole = targets(things)
        parts = self.patch(seen[:, 1:]).float().split(self.SIZES, -1)
        each = sum(cross_entropy(p.flatten(0, 1), patch[..., i].flatten()) for i, p in enumerate(parts))
        return each + 0.3 * cross_entropy(self.whole(seen[:, 0]).float(), whole)


def targets(things):
    """([n, patches, 3], [n]) classes for Side of what find_things found in n pictures; 0 is ground."""
    across = world.SIZE // PATCH
    centre = (np.arange(across) + 0.5) * PATCH
    out = np.zeros((len(things), across, across, 3), np.int64)
    for o, found in zip(out, things):
        for colour, shape, x, y, area in found:
            half = max(0.55 * area ** 0.5, PATCH / 2)
            where = (abs(centre[:, None] - y) <= half) & (abs(centre[None] - x) <= half)
            alike = sum(t[:2] == (colour, shape) for t in found)
            o[where] = (1 + world.COLOUR_NAMES.index(colour), 1 + (*world.SHAPES, "?").index(shape), min(alike, 5))
    count = np.array([min(len(found), 7) for found in things])
    return torch.from_numpy(out.reshape(len(things), -1, 3)).to(DEVICE), torch.from_numpy(count).to(DEVICE)


def rewards(model, words, groups, seen=None):
    """For each group its rewards [pictures, captions]."""
    seen = model.see(np.concatenate([g.images for g in groups])) if seen is None else seen
    ids, mask = tokens(words, [c.text() for g in groups for c in g.captions])
    pick, name, p0, c0 = [], [], 0, 0
    for g in groups:
        p, c = g.right.shape
        pick.append((p0 + torch.arange(p)).repeat_interleave(c))
        name.append((c0 + torch.arange(c)).repeat(p))
        p0, c0 = p0 + p, c0 + c
    pick, name = torch.cat(pick), torch.cat(name)
    flat = model(seen[pick], ids[name], mask[name])
    return [r.view(g.right.shape) for r, g in zip(flat.split([g.right.size for g in groups]), groups)]


# --- training ------------------------------------------------------------------------------

def preference_loss(r, group):
    """Bradley-Terry over all pairs of a group; and the share of right-and-wrong pairs in the right order."""
    picture = torch.from_numpy(group.by_picture()).to(DEVICE)
    clear = torch.from_numpy(group.right[:, None] & ~group.right[None]).to(DEVICE)
    between = r[:, None] - r[None]
    weight = picture * (0.3 + 0.7 * clear)      # right against wrong counts most
    loss = -(logsigmoid(between) * weight).sum() / weight.sum().clamp(min=1)
    caption = torch.from_numpy(group.by_caption()).to(DEVICE)
    texts = r[:, :, None] - r[:, None, :]
    loss = loss - 0.5 * (logsigmoid(texts) * caption).sum() / caption.sum().clamp(min=1)
    return loss, (between[clear] > 0).float().sum().item(), clear.sum().item()


def new_model():
    torch.manual_seed(5)
    return Model().to(DEVICE)


def plain(name, p):
    return p.ndim < 2 or any(e in name for e in ("embedding", "mlp.layers", "patch.", "whole."))


def groups_of(step, vae, own):
    rng = np.random.default_rng([61, step])
    out = [preferences.drawn(rng, vae) for _ in range(DRAWN)]
    return out + [preferences.own_group(rng, *own[rng.integers(len(own))]) for _ in range(OWN)]


@torch.no_grad()
def best_of(model, words, rows):
    """Share of right pictures: any one, the one of the highest reward, the best possible; and all rewards."""
    one, best, ever, every = [], [], [], []
    for text, images in rows:
        group = preferences.Group(images, [world.find_things(i) for i in images], [world.parse(text)],
                                  np.arange(len(images)), np.full(len(images), 10.0))
        r, right = rewards(model, words, [group])[0][:, 0].cpu().numpy(), group.right[:, 0]
        one.append(right.mean())
        best.append(right[r.argmax()])
        ever.append(right.any())
        every.append(r)
    return np.mean(one), np.mean(best), np.mean(ever), np.concatenate(every)


def train():
    own, check, vae = preferences.own(), preferences.own_check(), preferences.autoencoder_of_pebble()
    words, model, side = tokenizer(), new_model(), Side().to(DEVICE)
    opt = Muon([*model.named_parameters(), *side.named_parameters()], RATE, plain=plain)
    ema, start, state = Ema(model, 0.998), 0, load("reward.pt")
    if state:
        model.load_state_dict(state["model"])
        side.load_state_dict(state["side"])
        opt.load_state_dict(state["opt"])
        ema.shadow, start = state["ema"], state["step"]
    log("reward:", sum(p.numel() for p in model.parameters()), "parameters, step", start)
    means = np.zeros(6)
    for step in range(start, STEPS):
        groups = groups_of(step, vae, own)
        opt.scale(trapezoid(step, STEPS, 200, 0.4))
        with autocast():
            seen = model.see(np.concatenate([g.images for g in groups]))
            extra = side.loss(seen, [t for g in groups for t in g.things])
            scores = rewards(model, words, groups, seen)
        parts = [preference_loss(r.float(), g) for r, g in zip(scores, groups)]
        loss = sum(p[0] for p in parts) / len(parts)
        opt.zero_grad()
        (loss + SIDE * extra).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
        ema.update(model, step)
        means += [loss.item(), extra.item(), *(sum(p[i] for p in half) for half in (parts[:DRAWN], parts[DRAWN:])
                                               for i in (1, 2))]
        if step % 50 == 49:
            log(f"reward {step + 1}: loss {means[0] / 50:.3f}, side {means[1] / 50:.3f}, right before wrong: "
                f"drawn {means[2] / means[3]:.3f}, own {means[4] / means[5]:.3f}")
            means[:] = 0
        if step % 100 == 99 or step == STEPS - 1:
            save("reward.pt", {"model": model.state_dict(), "side": side.state_dict(), "opt": opt.state_dict(),
                               "ema": ema.shadow, "step": step + 1})
        if step % 250 == 249:
            one, best, ever, _ = best_of(averaged(ema.shadow), words, check)
            log(f"reward {step + 1}: single {one:.2f}, best of {preferences.CHECKS} {best:.2f}, any {ever:.2f}")


def averaged(weights):
    model = new_model()
    model.load_state_dict(weights)
    return model.eval()


def trained():
    state = load("reward.pt")
    if not state or state["step"] < STEPS:
        train()
        state = load("reward.pt")
    return averaged(state["ema"])


# --- the finished folder -------------------------------------------------------------------

RENAMED = (("vision.embeddings.class_embedding", "blip.visual_encoder.cls_token"),
           ("vision.embeddings.position_embedding", "blip.visual_encoder.pos_embed"),
           ("vision.embeddings.patch_embedding", "blip.visual_encoder.patch_embed.proj"),
           ("vision.post_layernorm", "blip.visual_encoder.norm"),
           ("vision.encoder.layers", "blip.visual_encoder.blocks"), ("self_attn.qkv", "attn.qkv"),
           ("self_attn.projection", "attn.proj"), ("layer_norm1", "norm1"), ("layer_norm2", "norm2"),
           ("text.", "blip.text_encoder."))


def original_name(name):
    """A tensor's name in ImageReward's own files."""
    for ours, theirs in RENAMED:
        if name.startswith(ours) or ("." + ours in name and not ours.endswith(".")):
            name = name.replace(ours, theirs, 1)
    return name


def write(model, mean, std):
    FOLDER.mkdir(parents=True, exist_ok=True)
    tokenizer()
    state = {original_name(k): v.to(torch.bfloat16).contiguous() for k, v in model.state_dict().items()
             if not k.endswith("position_ids")}
    save_file(state, FOLDER / "model.safetensors", metadata={"format": "pt"})
    keys = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "layer_norm_eps",
            "max_position_embeddings", "hidden_act", "pad_token_id")
    med = {"architectures": ["BertModel"], "model_type": "bert", **{k: TEXT[k] for k in keys}, "encoder_width": WIDTH,
           "vocab_size": len(vocabulary()), "type_vocab_size": 2, "add_cross_attention": True,
           "attention_probs_dropout_prob": 0.0, "hidden_dropout_prob": 0.0, "initializer_range": 0.02}
    config = {"vision_heads": HEADS, "max_length": MAX_LENGTH, "mean": round(mean, 6), "std": round(std, 6)}
    for name, content in (("med_config.json", med), ("config.json", config)):
        (FOLDER / name).write_text(json.dumps(content, indent=2) + "\n")


def shipped():
    """(model, tokenizer, mean, std) of the finished folder, float32."""
    from safetensors.torch import load_file
    theirs = load_file(FOLDER / "model.safetensors")
    model = new_model()
    model.load_state_dict({k: theirs[original_name(k)].float() for k in model.state_dict()
                           if not k.endswith("position_ids")}, strict=False)
    config = json.loads((FOLDER / "config.json").read_text())
    return model.eval(), tokenizer(), config["mean"], config["std"]


def export():
    """Rewards are normal over pebble's samples of the captions that only measure: mean 0, deviation 1."""
    model, check = trained(), preferences.own_check()
    write(model, 0.0, 1.0)
    model, words, _, _ = shipped()                 # as rounded
    one, best, ever, every = best_of(model, words, check)
    write(model, float(every.mean()), float(every.std()))
    log(f"reward: single {one:.2f}, best of {preferences.CHECKS} {best:.2f}, any {ever:.2f}")


if __name__ == "__main__":
    export()
