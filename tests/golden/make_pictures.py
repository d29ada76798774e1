#!/usr/bin/env python3
"""Makes tests/image/pictures: small JPEG and WebP files of every kind that is read or refused, and prints what Pillow
reads from them: width, height, FNV-1a hash of the RGB bytes, for the table of tests/image/image_file.c. With a folder
DATA of published pictures it prints theirs too. Development only.

    make_pictures.py [DATA]
"""
import pathlib
import sys

import numpy as np
import PIL
from PIL import Image, features

out = pathlib.Path(__file__).parent.parent / "image/pictures"
PUBLISHED = ["imagereward/1.webp", "imagereward/2.webp", "imagereward/3.webp", "imagereward/4.webp",
             "clipscore/image1.jpg", "clipscore/image2.jpg", "hpsv2/demo_image.jpg", "clip/CLIP.png",
             "simple_aesthetics/astronaut.png"]


def picture(width, height):
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    image = np.stack([127 + 120 * np.sin(x / 5 + y / 9), 255 * x / max(width - 1, 1), 127 + 127 * np.cos(y / 4)], -1)
    image[(x + 2 * y) % 23 < 6] = (250, 10, 40)
    return Image.fromarray(image.astype(np.uint8))


def fnv_1a(data):
    h = 0xCBF29CE484222325
    for byte in data:
        h = (h ^ byte) * 0x100000001B3 & (1 << 64) - 1
    return h


def show(name, path):
    image = Image.open(path).convert("RGB")
    print('    { "%s", %d, %d, 0x%016x },' % (name, *image.size, fnv_1a(image.tobytes())))


out.mkdir(exist_ok=True)
p = picture(53, 37)
rotated = Image.Exif()
rotated[0x0112] = 6
p.save(out / "420.jpg", quality=80, subsampling=2)
p.save(out / "422.jpg", quality=80, subsampling=1, restart_marker_blocks=2)
p.save(out / "444.jpg", quality=95, subsampling=0, optimize=True)
p.save(out / "progressive.jpg", quality=80, progressive=True)
p.save(out / "rotated.jpg", quality=80, exif=rotated)
p.convert("L").save(out / "gray.jpg", quality=80)
p.convert("CMYK").save(out / "cmyk.jpg", quality=80)
p.save(out / "lossy.webp", quality=80)
p.resize((14, 9)).save(out / "lossless.webp", lossless=True)
faded = p.copy()
faded.putalpha(Image.fromarray(np.tile(np.linspace(0, 255, 53).astype(np.uint8), (37, 1))))
faded.save(out / "alpha.webp", quality=80, exact=True)
p.resize((14, 9)).save(out / "animated.webp", save_all=True, append_images=[picture(14, 9)], lossless=True)

print("/* Pillow", PIL.__version__, "libjpeg-turbo", features.version("libjpeg_turbo"), "libwebp",
      features.version("webp"), "*/")
for path in sorted(out.iterdir()):
    if path.name not in ("cmyk.jpg", "animated.webp"):
        show(path.name, path)
for name in PUBLISHED if len(sys.argv) > 1 else []:
    show(name, pathlib.Path(sys.argv[1]) / "goldens" / name)
