#!/usr/bin/env python3
"""Prints the table of tests/image/resize.c: FNV-1a hashes of images that Pillow (13 or later) resized. Development only.

Pixels come from a linear congruential generator seeded with width * 65536 + height, its high byte for each sample.
"""
import random

import PIL
from PIL import Image


def pixels(width, height):
    state, out = width * 65536 + height, bytearray()
    for _ in range(3 * width * height):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        out.append(state >> 24)
    return Image.frombytes("RGB", (width, height), bytes(out))


def fnv_1a(data):
    h = 0x811C9DC5
    for byte in data:
        h = ((h ^ byte) * 0x01000193) & 0xFFFFFFFF
    return h


random.seed(1)
sizes = [(128, 128, 224, 224), (256, 256, 224, 224), (131, 97, 302, 224), (97, 131, 224, 302), (333, 177, 40, 30),
         (177, 333, 40, 30), (1, 1, 5, 7), (5, 7, 1, 1), (64, 64, 64, 20), (64, 64, 20, 64), (2, 300, 3, 20),
         (300, 2, 20, 3), (31, 31, 31, 31)]
sizes += [tuple(random.randint(1, 60) for _ in range(4)) for _ in range(30)]
print("/* Pillow", PIL.__version__, "*/")
for size in sizes:
    source = pixels(*size[:2])
    hashes = [fnv_1a(source.resize(size[2:], f).tobytes()) for f in range(6)]
    print("    { %d, %d, %d, %d, { %s } }," % (*size, ", ".join("0x%08x" % h for h in hashes)))
