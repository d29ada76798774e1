"""From PNG files to scores, by winnow's verifiers and by torch with transformers, in turns, on this machine: one table.

    python tests/bench/compare_score.py BUILD SCRATCH

BUILD is a release tree with bench_score; SCRATCH gets models of full size with random weights (3.5 GB) and pictures of
1024 x 1024 px. Both sides are processes that stay and answer in turns, one batch of pictures each; the table has the
medians of what the pairs gave, and the peaks of the processes' resident memory, loading included. Both remember
prompts. winnow's counters go to stderr. THREADS (default 2), PAIRS (default 10), BATCHES (default "1 8"), TYPES
(default "f32 bf16"), ONLY (default "clipscore imagereward"), SMALL=1: tiny models.
"""
import json
import os
import re
import statistics
import subprocess
import sys
import time

import torch
import transformers
from PIL import Image
from safetensors.torch import load_file
from torchvision import transforms
from verifier_models import PROMPTS, SMALL, imagereward_modules, imagereward_names, make_clip, make_imagereward

THREADS = os.environ.get("THREADS", "2")
TITLES = {"clipscore": "CLIPScore, ViT-L/14", "imagereward": "ImageReward"}


# ---- torch's side ----

class ClipScore:
    def __init__(self, folder, kind):
        self.model = transformers.CLIPModel.from_pretrained(folder, dtype=kind).eval()
        self.processor = transformers.CLIPProcessor(transformers.CLIPImageProcessorPil.from_pretrained(folder),
                                                    transformers.CLIPTokenizer.from_pretrained(folder))

    def read(self, prompt):
        text = self.model.get_text_features(**self.processor(text=[prompt], return_tensors="pt")).pooler_output
        return text / text.norm(dim=-1, keepdim=True)

    def score(self, text, pictures):
        pixels = self.processor(images=pictures, return_tensors="pt").pixel_values.to(self.model.dtype)
        image = self.model.get_image_features(pixel_values=pixels).pooler_output
        return (image / image.norm(dim=-1, keepdim=True) @ text.T)[:, 0]


class ImageReward:
    """As the original code, but all pictures at once, and without its padding of texts to 35 tokens."""

    def __init__(self, folder, kind):
        file = load_file(f"{folder}/model.safetensors")
        with torch.device("meta"):
            self.eye, self.reader, self.head = modules = imagereward_modules()
        for module, names in zip(modules, imagereward_names(modules)):
            module.load_state_dict({k: file.pop(name).to(kind) for k, name in names.items()}, False, True)
        self.reader.embeddings.position_ids = torch.arange(512)[None]
        self.kind = kind
        self.tokenizer = transformers.BertTokenizer.from_pretrained(folder)
        self.prepare = transforms.Compose([
            transforms.Resize(224, interpolation=transforms.InterpolationMode.BICUBIC), transforms.CenterCrop(224),
            transforms.ToTensor(),
            transforms.Normalize((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))])

    def read(self, prompt):
        return self.tokenizer(prompt, return_tensors="pt").input_ids

    def score(self, ids, pictures):
        pixels = torch.stack([self.prepare(p) for p in pictures]).to(self.kind)
        states = self.eye(pixel_values=pixels).last_hidden_state
        ids = ids.expand(len(pictures), -1)
        x = self.reader(input_ids=ids, attention_mask=torch.ones_like(ids), encoder_hidden_states=states,
                        encoder_attention_mask=torch.ones(states.shape[:-1], dtype=torch.long),
                        is_decoder=False).last_hidden_state[:, 0]
        for layer in self.head.values():
            x = layer(x)
        return (x[:, 0] - 0.16717362830052426) / 1.0333394966054072


@torch.inference_mode()
def serve(name, folder, dtype, paths):
    """Does as bench_score does: a line of standard input is a prompt, the answer is a line of JSON."""
    torch.set_num_threads(int(THREADS))
    model = {"clipscore": ClipScore, "imagereward": ImageReward}[name](
        folder, {"f32": torch.float32, "bf16": torch.bfloat16}[dtype])
    texts = {}
    for line in sys.stdin:
        start, cpu = time.perf_counter(), time.process_time()
        if line not in texts:
            texts[line] = model.read(line.strip())
        scores = model.score(texts[line], [Image.open(p).convert("RGB") for p in paths]).tolist()
        print(json.dumps(dict(seconds=time.perf_counter() - start, cpu=time.process_time() - cpu, scores=scores)),
              flush=True)


# ---- both ----

class Peer:
    def __init__(self, *command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, prompt):
        self.process.stdin.write(prompt + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def end(self):
        """The peak of its resident memory in MiB, and its last words."""
        with open(f"/proc/{self.process.pid}/status") as f:
            peak = int(re.search(r"VmHWM:\s*(\d+)", f.read())[1]) / 1024
        return peak, self.process.communicate()[0].strip()


def make_pictures(folder, count):
    """Smooth at all scales with a little noise on top, which PNG compresses as badly as it does photographs."""
    paths = [f"{folder}/picture{i}.png" for i in range(count)]
    torch.manual_seed(1)
    for path in paths:
        x = 2 * torch.randn(1, 3, 1024, 1024)
        for side in (4, 8, 16, 32, 64, 128, 256):
            x += torch.nn.functional.interpolate(120 / side ** 0.5 * torch.randn(1, 3, side, side), (1024, 1024),
                                                 mode="bicubic")
        if not os.path.exists(path):
            Image.fromarray((x[0] + 128).clamp(0, 255).byte().permute(1, 2, 0).contiguous().numpy()).save(path)
    return paths


def compare(name, folder, dtype, paths, pairs):
    ours = Peer(f"{BUILD}/tests/bench_score", name, folder, dtype, THREADS, *paths)
    for prompt in PROMPTS:  # before the other side starts: pages of a file that both map would count for both
        ours.ask(prompt)
    theirs = Peer(sys.executable, __file__, "torch", name, folder, dtype, *paths)
    for prompt in PROMPTS:
        theirs.ask(prompt)
    answers = [(ours.ask(p), theirs.ask(p)) for p in (PROMPTS[i % len(PROMPTS)] for i in range(pairs))]
    error = max(abs(x - y) for a, b in answers for x, y in zip(a["scores"], b["scores"]))
    (peak, counters), (their_peak, _) = ours.end(), theirs.end()
    seconds = [[x[side]["seconds"] for x in answers] for side in (0, 1)]
    milliseconds = [1e3 * statistics.median(x) for x in seconds]
    ratios = [statistics.median(b["seconds"] / a["seconds"] for a, b in answers), min(seconds[1]) / min(seconds[0]),
              statistics.median(b["cpu"] / a["cpu"] for a, b in answers)]
    cells = [f"{x:.0f}" for x in milliseconds] + [f"{x:.2f}" for x in ratios]
    cells += [f"{peak:.0f}", f"{their_peak:.0f}", f"{peak / their_peak:.2f}", f"{error:.1e}"]
    print("| " + " | ".join([TITLES[name], dtype, str(len(paths))] + cells) + " |", flush=True)
    print(counters, file=sys.stderr, flush=True)


if sys.argv[1] == "torch":
    serve(*sys.argv[2:5], sys.argv[5:])
    sys.exit()
BUILD, SCRATCH = sys.argv[1:3]
print(f"torch {torch.__version__}, transformers {transformers.__version__}, {THREADS} threads")
print("| what | type | batch | winnow ms | torch ms | median of ratios | by best runs | by CPU time | "
      "winnow MiB | torch MiB | ratio | largest difference |\n|" + "---|" * 12)
batches = [int(b) for b in os.environ.get("BATCHES", "1 8").split()]
pictures = make_pictures(SCRATCH, max(batches))
for name in os.environ.get("ONLY", "clipscore imagereward").split():
    folder = f"{SCRATCH}/{name.removesuffix('score')}{'-small' if SMALL else ''}"
    (make_clip if name == "clipscore" else make_imagereward)(folder)
    for dtype in os.environ.get("TYPES", "f32 bf16").split():
        for batch in batches:
            compare(name, folder, dtype, pictures[:batch], int(os.environ.get("PAIRS", "10")))
