#!/usr/bin/env python3
"""Makes tests/golden/text/spiece.model, a small SentencePiece unigram model laid out as T5's (pad 0, end 1, unknown 2),
and t5_cases.txt, what the Python SentencePiece library makes of some texts with it. Development only.

A line of cases: the ids (without the end token) | the text, bytes other than letters, digits and spaces as %XX.
"""
import io
import pathlib
import random
import re
import tempfile

import sentencepiece as spm

here = pathlib.Path(__file__).parent / "text"
random.seed(20)
colours = "red green blue yellow purple orange white black".split()
shapes = "circle square triangle star heart moon".split()
places = "above,below,to the left of,to the right of,next to,on top of,behind,in front of".split(",")
counts = "one two three four five six".split()


def caption():
    a, b = random.sample(shapes, 2)
    kind = random.randrange(3)
    if kind == 0:
        return f"a {random.choice(colours)} {a} {random.choice(places)} a {random.choice(colours)} {b}"
    if kind == 1:
        return f"{random.choice(counts)} {random.choice(colours)} {a}s"
    return f"A photograph of {random.choice(counts)} {a}s, and the {random.choice(colours)} {b}'s shadow."


# Rules in the manner of nmt_nfkc, but few, so that the model stays small.
rules = [("\t", " "), ("\n", " "), ("\u00a0", " "), ("\u3000", " "), ("\ufb01", "fi"), ("\u2026", "..."), ("\u00ad", ""),
         ("A\u030a", "\u00c5")]
rules += [(chr(0xFEE0 + c), chr(c)) for c in range(0x21, 0x7F)]
with tempfile.NamedTemporaryFile("w", suffix=".tsv") as tsv:
    for source, target in rules:
        tsv.write(" ".join(f"{ord(c):X}" for c in source) + "\t" + " ".join(f"{ord(c):X}" for c in target) + "\n")
    tsv.flush()
    model = io.BytesIO()
    spm.SentencePieceTrainer.train(
        sentence_iterator=iter([caption() for _ in range(5000)]), model_writer=model, model_type="unigram",
        vocab_size=180, hard_vocab_limit=False, pad_id=0, eos_id=1, unk_id=2, bos_id=-1, pad_piece="<pad>", eos_piece="</s>",
        unk_piece="<unk>", normalization_rule_tsv=tsv.name, num_threads=1, minloglevel=2)
(here / "spiece.model").write_bytes(model.getvalue())
sp = spm.SentencePieceProcessor(model_proto=model.getvalue())

texts = ["", " ", "a", "a red circle above a blue square", "  three   yellow stars ", "A photograph of two moons.",
         "a\tred\ncircle", "\uff41 \uff52\uff45\uff44 circle", "\ufb01ve hearts\u2026", "caf\u00e9", "\u4e2d\u6587 circle",
         "red \U0001f600\U0001f600 star", "{~<>}", "circlecirclecircle", "RED CIRCLE", "a \u2581 b", "so\u00adft",
         "A\u030angstr\u00f6m", "a\u00a0\u3000b", "the heart's shadow,the moon's", "0123456789"]
letters = "abcdefghijklmnopqrstuvwxyz   .,'AR\u00e9\t\u3000"
texts += ["".join(random.choice(letters) for _ in range(random.randint(1, 40))) for _ in range(40)]
texts += [caption() for _ in range(20)]


def quote(text):
    return re.sub(rb"[^A-Za-z0-9 ]", lambda m: b"%%%02X" % m.group()[0], text.encode()).decode()


with open(here / "t5_cases.txt", "w") as out:
    for text in texts:
        out.write(" ".join(map(str, sp.encode(text))) + "|" + quote(text) + "\n")
print(len(model.getvalue()), "bytes,", len(texts), "cases, sentencepiece", spm.__version__)
