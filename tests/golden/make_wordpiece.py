#!/usr/bin/env python3
"""Makes tests/golden/text/wordpiece_vocab.txt, a small uncased vocabulary, and wordpiece_cases.txt, what transformers'
BertTokenizer makes of some texts with it. Development only.

    make_wordpiece.py                      the two committed files
    make_wordpiece.py VOCAB COUNT CASES    COUNT random texts with another vocabulary: test_wordpiece VOCAB CASES

A line of cases: the ids | the text, bytes other than letters, digits and spaces as %XX. Left out are characters that
the tokenizer's Unicode tables and ours may place differently by their age, and U+2B820..U+2B91F, CJK ideographs in
BERT's own code, where the fast tokenizer has a slip of one digit.
"""
import pathlib
import random
import re
import sys
import tempfile
import unicodedata

import transformers

here = pathlib.Path(__file__).parent / "text"
specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
words = """a an the of and red green blue yellow star stars circle square heart photo two three cafe ##ing ##ed ##s
##er want un run ##n low ##est uber ##ber stra straß ##e in front to left right naive ##ve ij ss ß ελλαδα σ ς κοσμος
привет и i""".split()


def small_vocabulary():
    signs = [chr(c) for c in range(33, 127) if not chr(c).isupper()] + list("“”’–…¿。、中文字한")
    pieces = ["##" + c for c in "abcdefghijklmnopqrstuvwxyz0123456789"]
    return list(dict.fromkeys(specials + signs + pieces + words + ["\u1112\u1161\u11ab", "\u4e3d", "がき", "##き"]))


def quote(text):
    return re.sub(rb"[^A-Za-z0-9 ]", lambda m: b"%%%02X" % m.group()[0], text.encode()).decode()


def is_settled(c):
    """The same in Unicode 3.2 and today, so in everybody's tables; surrogates are no text, 0 ends a C string."""
    point, category = ord(c), unicodedata.category(c)
    return (0 < point and not 0xD800 <= point < 0xE000 and not 0x2B820 <= point < 0x2B920 and
            category != "Cn" and category == unicodedata.ucd_3_2_0.category(c))


def random_char(kind):
    if kind == 0:
        return chr(random.randrange(1, 128))
    if kind == 1:
        return random.choice("abcdefghij ABC \t'-.,")
    if kind == 2:
        return chr(random.randrange(0x80, 0x600))
    if kind == 3:
        return chr(random.choice([random.randrange(0x1E00, 0x2200), random.randrange(0x300, 0x370), 0x3099, 0x200D]))
    if kind == 4:
        return chr(random.choice([random.randrange(0x3000, 0x3100), random.randrange(0x4E00, 0x4F00),
                                  random.randrange(0xAC00, 0xD7A4), random.randrange(0xF900, 0xFB10)]))
    return chr(random.randrange(0x110000))


def random_text():
    kinds = random.sample(range(6), 2)
    text = ""
    length = random.choice([5, 20, 60, 150])
    while len(text) < length:
        part = random.choice(words + specials) if random.random() < 0.1 else random_char(random.choice(kinds))
        text += "".join(c for c in part if is_settled(c))
    return text


def write_cases(vocabulary, texts, path):
    tokenizer = transformers.BertTokenizer(str(vocabulary))
    with open(path, "w") as out:
        for text in texts:
            ids = tokenizer(text, truncation=False, verbose=False)["input_ids"]
            out.write(" ".join(map(str, ids)) + "|" + quote(text) + "\n")
    print(len(texts), "cases, transformers", transformers.__version__)


random.seed(31)
if len(sys.argv) == 4:
    write_cases(sys.argv[1], [random_text() for _ in range(int(sys.argv[2]))], sys.argv[3])
else:
    vocabulary = here / "wordpiece_vocab.txt"
    vocabulary.write_text("\n".join(small_vocabulary()) + "\n", encoding="utf-8")
    texts = ["", " ", "a", "A red circle, and two STARS!", "UNwantéd,running", "un\u200bwant\u00aded\x0bing a\x0cb\x85c",
             "[SEP] a[MASK]b [sep] [ CLS] [UNK]ing", "中文字a中 가한 がき \uf900\u2f800", "İstanbul ΣΑΣ Ελλάδα straße ﬁ Å",
             "a" * 100, "a" * 101, "lowest" + "é" * 99, "$5.99^2 <b>`~|", "a\u0378b", "naïve café\u0301 re\u0301d",
             "привет\u2028мир\u3000a\u00a0b", "“curly” it’s – … ¿qué?", "\ufffd\ufeffa\U000e0001b \U0001f600\U0001f600 star"]
    write_cases(vocabulary, texts + [random_text() for _ in range(150)], here / "wordpiece_cases.txt")
