#!/usr/bin/env python3
"""real_weights.py BIN SHARED - scores published pictures with published weights and compares with published numbers.

The weights are not part of the project: WINNOW_WEIGHTS names a folder with whichever of them are at hand, by the names
below (folders as on Hugging Face, or links to them). Pictures lie below SHARED/data/goldens (WINNOW_SHARED instead of
SHARED where set); COCO's 000000039769.png, which is not there, in WINNOW_WEIGHTS. Each line prints pass, fail, or skip
and why; 77 when nothing could be run. Of PickScore nobody has published a number to compare with.
"""
import json
import math
import os
import random
import struct
import subprocess
import sys
import tempfile
import zlib

OCEAN = "a painting of an ocean with clouds and birds, day time, low depth field effect"
B32, B16, L14 = "clip-vit-base-patch32", "clip-vit-base-patch16", "clip-vit-large-patch14"
H14 = "CLIP-ViT-H-14-laion2B-s32B-b79K"
COSINE = {"convention": "percent"}


class Missing(Exception):
    pass


class Scorer:
    def __init__(self, binary, shared, scratch):
        self.winnow, self.scratch = os.path.join(binary, "winnow"), scratch
        self.pictures = os.path.join(shared, "data", "goldens")
        self.weights = os.environ.get("WINNOW_WEIGHTS", "")

    def weight(self, name):
        if not self.weights:
            raise Missing("WINNOW_WEIGHTS is not set")
        path = os.path.join(os.path.abspath(self.weights), name)
        if not os.path.exists(path):
            raise Missing(f"no {name} in {self.weights}")
        return path

    def picture(self, name):
        path = os.path.join(self.pictures, name)
        if not os.path.exists(path):
            raise Missing(f"no {path}")
        return path

    def score(self, verifier, options, prompt, pictures):
        """The first metric of each picture. Values of options that begin with @ are weights."""
        options = {k: self.weight(v[1:]) if str(v).startswith("@") else v for k, v in options.items()}
        if subprocess.run([self.winnow, "describe", verifier], capture_output=True).returncode:
            raise Missing(f"this build has no verifier {verifier}")
        spec = os.path.join(self.scratch, "spec.json")
        with open(spec, "w") as f:
            json.dump({"winnow": 0, "verifiers": {"v": {"use": verifier, "options": options}}}, f)
        done = subprocess.run([self.winnow, "score", "--spec", spec, "--prompt", prompt, "--json", *pictures],
                              capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(done.stderr.strip().splitlines()[-1])
        return [next(iter(next(iter(i["scores"].values())).values())) for i in json.loads(done.stdout)["images"]]


def clip_readme(s):
    """openai/CLIP's README; its own test allows 0.01."""
    logits = [s.score("clipscore", {"model": "@" + B32, **COSINE}, t, [s.picture("clip/CLIP.png")])[0]
              for t in ("a diagram", "a dog", "a cat")]
    total = sum(map(math.exp, logits))
    return [math.exp(x) / total for x in logits], [0.9927937, 0.00421068, 0.00299572], 2e-3


def coco(s):
    """transformers' own test of CLIPModel."""
    return [s.score("clipscore", {"model": "@" + B32, **COSINE}, t, [s.weight("000000039769.png")])[0]
            for t in ("a photo of a cat", "a photo of a dog")], [24.5701, 19.3049], 5e-3


def captions(s, name):
    with open(s.picture(f"clipscore/{name}_captions.json")) as f:
        pairs = json.load(f)
    options = {"model": "@" + B32, "prefix": "A photo depicts "}
    scores = [s.score("clipscore", options, text, [s.picture(f"clipscore/{image}.jpg")])[0]
              for image, text in pairs.items()]
    return sum(scores) / len(scores)


def clipscore_readme(s):
    """jmhessel/clipscore's README, which shows 0.8584 for float16."""
    return [captions(s, "good"), captions(s, "bad")], [0.8585, 0.7153], 2e-4


def torch_randint(count, below):
    """torch.manual_seed(42); torch.randint(below, (count,)): the Mersenne Twister, one 32-bit number each."""
    state = [42]
    for i in range(1, 624):
        state.append((1812433253 * (state[-1] ^ state[-1] >> 30) + i) & 0xFFFFFFFF)
    generator = random.Random()
    generator.setstate((3, (*state, 624), None))
    return [generator.getrandbits(32) % below for _ in range(count)]


def write_png(path, planes, side):
    rows = b"".join(b"\0" + bytes(planes[c * side * side + y * side + x] for x in range(side) for c in range(3))
                    for y in range(side))

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    with open(path, "wb") as f:
        f.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)) +
                chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def torchmetrics(s):
    """The example in torchmetrics' documentation of CLIPScore."""
    path = os.path.join(s.scratch, "random.png")
    write_png(path, torch_randint(3 * 224 * 224, 255), 224)
    return s.score("clipscore", {"model": "@" + B16, **COSINE}, "a photo of a cat", [path]), [24.4260], 5e-3


def imagereward(s):
    """ImageReward's README; it warns of small differences between environments."""
    pictures = [s.picture(f"imagereward/{i}.webp") for i in range(1, 5)]
    return (s.score("imagereward", {"model": "@ImageReward.pt"}, OCEAN, pictures),
            [0.5811622739, 0.2745276093, -1.4131819010, -2.0295696259], 5e-3)


def aesthetic(s):
    """shunk031/simple-aesthetics-predictor's test, 4 decimals."""
    options = {"model": "@sac+logos+ava1-l14-linearMSE.pth", "clip": "@" + L14}
    return s.score("aesthetic", options, "", [s.picture("simple_aesthetics/astronaut.png")]), [5.7546], 2e-3


def hps(s):
    """An author's number in HPSv2's issue 27, by float16 code of unknown torchvision."""
    options = {"model": "@HPS_v2_compressed.pt", "processor": "@" + H14}
    return (s.score("hps", options, "A cat with two horns on its head", [s.picture("hpsv2/demo_image.jpg")]), [0.2876],
            1e-3)


def run(check, scorer):
    try:
        got, want, bound = check(scorer)
    except Missing as why:
        return "skip", str(why)
    except RuntimeError as why:
        return "fail", str(why)
    worst = max(abs(g - w) for g, w in zip(got, want))
    values = " ".join(f"{g:.6g}" for g in got)
    return ("pass" if worst <= bound else "fail"), f"{values}, largest error {worst:.1e} (bound {bound:.0e})"


def main():
    results = []
    with tempfile.TemporaryDirectory() as scratch:
        scorer = Scorer(sys.argv[1], os.environ.get("WINNOW_SHARED", sys.argv[2]), scratch)
        for check in clip_readme, coco, clipscore_readme, torchmetrics, imagereward, aesthetic, hps:
            result, why = run(check, scorer)
            results.append(result)
            print(f"{result}  {check.__name__}: {why}")
    return 1 if "fail" in results else 0 if "pass" in results else 77


if __name__ == "__main__":
    sys.exit(main())
