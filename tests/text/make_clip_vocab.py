"""make_clip_vocab.py BPE.txt.gz FOLDER: CLIP's vocab.json and merges.txt (and tokenizer.json) from OpenAI's one file."""
import gzip
import json
import sys

lines = gzip.open(sys.argv[1], "rt", encoding="utf-8").read().split("\n")
merges = lines[1:49152 - 256 - 2 + 1]
bytes_ = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
symbols = [chr(b) for b in bytes_] + [chr(256 + i) for i in range(256 - len(bytes_))]
tokens = symbols + [s + "</w>" for s in symbols] + [m.replace(" ", "") for m in merges]
vocab = {token: i for i, token in enumerate(tokens + ["<|startoftext|>", "<|endoftext|>"])}
with open(sys.argv[2] + "/vocab.json", "w", encoding="utf-8") as f:
    json.dump(vocab, f)
with open(sys.argv[2] + "/merges.txt", "w", encoding="utf-8") as f:
    f.write("#version: 0.2\n" + "\n".join(merges) + "\n")
