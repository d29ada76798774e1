#!/usr/bin/env python3
"""make_prompt_hashes.py DATA: tokenises the prompts of DrawBench and T2I-CompBench, below the folder DATA, with
transformers and writes tests/golden/text/prompt_hashes.txt: file, tokenizer, prompts, tokens, and the FNV-1a hash of
all ids, each prompt's count before its ids, as 32-bit little-endian numbers. Development only.

CLIP with OpenAI's vocabulary, cut to 77 tokens; BERT with bert-base-uncased's, cut to 35 as ImageReward does; T5 with
tests/golden/text/spiece.model, our own, because the published one is not among the data.
"""
import csv
import os
import pathlib
import struct
import subprocess
import sys
import tempfile

os.environ["HF_HUB_OFFLINE"] = "1"
import transformers

here = pathlib.Path(__file__).parent
data = pathlib.Path(sys.argv[1])
sets = ["color", "shape", "texture", "spatial", "3d_spatial", "numeracy", "non_spatial", "complex"]


def drawbench():
    with open(data / "drawbench/goldennoise_drawbench.csv", encoding="utf-8-sig", newline="") as file:
        return [row["Prompts"] for row in csv.DictReader(file)]


def lines(path):
    return [line.rstrip("\r\n") for line in open(path, encoding="utf-8", newline="") if line.strip()]


def clip():
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, here.parent / "text/make_clip_vocab.py",
                        data / "tokenizers/clip_bpe_simple_vocab_16e6.txt.gz", folder], check=True)
        tokenizer = transformers.CLIPTokenizer(vocab=folder + "/vocab.json", merges=folder + "/merges.txt")
    return lambda text: tokenizer(text, truncation=True, max_length=77)["input_ids"]


def bert():
    tokenizer = transformers.BertTokenizer(str(data / "tokenizers/bert-base-uncased-vocab.txt"))
    return lambda text: tokenizer(text, truncation=True, max_length=35)["input_ids"]


def t5():
    tokenizer = transformers.T5Tokenizer.from_pretrained(str(here / "text"))
    return lambda text: tokenizer(text, truncation=True, max_length=512)["input_ids"]


def fnv_1a(numbers):
    h = 0xCBF29CE484222325
    for byte in struct.pack(f"<{len(numbers)}i", *numbers):
        h = (h ^ byte) * 0x100000001B3 & (1 << 64) - 1
    return h


files = {"drawbench/goldennoise_drawbench.csv": drawbench()}
for name in sets:
    files[f"t2i_compbench/{name}_val.txt"] = lines(data / f"t2i_compbench/{name}_val.txt")
with open(here / "text/prompt_hashes.txt", "w") as out:
    for name, encode in ("clip", clip()), ("bert", bert()), ("t5", t5()):
        for path, prompts in files.items():
            ids = [encode(prompt) for prompt in prompts]
            numbers = [n for row in ids for n in [len(row)] + row]
            out.write(f"{path} {name} {len(prompts)} {len(numbers) - len(ids)} {fnv_1a(numbers):016x}\n")
print(sum(map(len, files.values())), "prompts, transformers", transformers.__version__)
