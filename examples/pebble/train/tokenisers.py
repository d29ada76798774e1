"""The two tokenisers: a byte-level CLIP BPE and a SentencePiece unigram, both learnt from captions.

Both can write any text (all bytes; all printable ASCII characters), so a prompt outside of the
grammar is tokenised too, only into smaller pieces.
"""
import collections
import io
import json
import math

import numpy as np
import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from transformers import CLIPTokenizer, T5Tokenizer

import world
from common import OUT

LENGTH = 32
EXTRA = ["a picture of", "the shapes on a plain ground", "one circle under the square",
         "zero, one, two, three, four, five", "next to, inside of, on top of, between",
         "white black grey pink brown dark light big small"]


def corpus(n=20000):
    rng = np.random.default_rng(5)
    lines = [world.sample_caption(rng, held_out=bool(i % 2)).text() for i in range(n)]
    return lines + EXTRA * 40


def byte_symbols():
    """GPT-2's printable stand-ins for the 256 bytes, in vocabulary order."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [b for b in range(256) if b not in plain]
    return [chr(b) for b in plain] + [chr(256 + i) for i in range(len(rest))]


def learn_merges(lines, enough=2):
    """Plain byte-pair encoding over words; stops when no pair occurs `enough` times."""
    words = collections.Counter(w for line in lines for w in line.replace(",", " , ").split())
    split = {w: [*w[:-1], w[-1] + "</w>"] for w in words}
    merges = []
    while True:
        pairs = collections.Counter()
        for w, parts in split.items():
            for pair in zip(parts, parts[1:]):
                pairs[pair] += words[w]
        best = max(pairs, key=lambda p: (pairs[p], p), default=None)
        if best is None or pairs[best] < enough:
            return merges
        merges.append(best)
        for w, parts in split.items():
            out, i = [], 0
            while i < len(parts):
                joined = tuple(parts[i:i + 2]) == best
                out.append(parts[i] + parts[i + 1] if joined else parts[i])
                i += 2 if joined else 1
            split[w] = out


def write_clip(folder):
    merges = learn_merges(corpus())
    symbols = byte_symbols()
    vocab = symbols + [s + "</w>" for s in symbols] + [a + b for a, b in merges]
    vocab += ["<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps({v: i for i, v in enumerate(vocab)}))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges))
    tokenizer = CLIPTokenizer.from_pretrained(folder, model_max_length=LENGTH)
    tokenizer.save_pretrained(folder)
    # The slow files are what C readers use: a save may replace them by tokenizer.json alone.
    (folder / "vocab.json").write_text(json.dumps({v: i for i, v in enumerate(vocab)}))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges))
    return tokenizer


def write_t5(folder):
    """A unigram model whose pieces are the whole words of the corpus, with their log
    frequencies, and every printable character. (The trainer makes a piece only of what is shared
    by several different words; it gives us the normaliser and the characters.)"""
    folder.mkdir(parents=True, exist_ok=True)
    lines, trained = corpus(), io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines), model_writer=trained, model_type="unigram", vocab_size=192,
        character_coverage=1.0, required_chars="".join(map(chr, range(33, 127))), pad_id=0, eos_id=1,
        unk_id=2, bos_id=-1, normalization_rule_name="nmt_nfkc", hard_vocab_limit=False,
        num_threads=1, minloglevel=1)
    proto = sentencepiece_model_pb2.ModelProto.FromString(trained.getvalue())
    kept = [p for p in proto.pieces if p.type != p.NORMAL or len(p.piece) == 1]
    del proto.pieces[:]
    words = collections.Counter(w for line in lines for w in line.replace(",", " ").split())
    total = sum(words.values())
    proto.pieces.extend(p for p in kept if p.type != p.NORMAL)
    for word, n in words.most_common():
        proto.pieces.add(piece="\u2581" + word, score=math.log(n / total))
    for p in kept:
        if p.type == p.NORMAL:
            proto.pieces.add(piece=p.piece, score=min(p.score, -5.0) - 5.0)
    proto.trainer_spec.vocab_size = len(proto.pieces)
    (folder / "spiece.model").write_bytes(proto.SerializeToString())
    T5Tokenizer.from_pretrained(folder, extra_ids=0, model_max_length=LENGTH).save_pretrained(folder)
    (folder / "spiece.model").write_bytes(proto.SerializeToString())


def tokenizers():
    """(CLIP, T5) tokenisers, written to OUT on the first call."""
    clip, t5 = OUT / "tokenizer", OUT / "tokenizer_2"
    if not (clip / "vocab.json").exists():
        write_clip(clip)
        write_clip(OUT / "clip")
    if not (t5 / "spiece.model").exists():
        write_t5(t5)
    return CLIPTokenizer.from_pretrained(clip), T5Tokenizer.from_pretrained(t5)


if __name__ == "__main__":
    for t in tokenizers():
        for text in ("a red circle to the left of an orange square", "three yellow triangles, Zebra {~}"):
            print(len(t), t.convert_ids_to_tokens(t(text, padding="max_length", max_length=20).input_ids))
