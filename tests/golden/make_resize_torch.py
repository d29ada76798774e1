#!/usr/bin/env python3
"""Makes tests/golden/resize_torch.safetensors: small images resized by torch.nn.functional.interpolate, bilinear and
bicubic, antialiased or not, and one prepared by torchvision's transforms as HPSv2 does it. Development only.

    make_resize_torch.py            the golden file; pixels as in make_resize.py, divided by 255
    make_resize_torch.py LIBRARY    compares libwinnow-nn.so at the sizes of photographs, prints the largest errors
"""
import ctypes
import pathlib
import sys

import torch
from safetensors.torch import save_file
from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Normalize, Resize

torch.set_num_threads(1)
SIZES = [(9, 7, 13, 11), (31, 17, 8, 5), (16, 16, 16, 7), (5, 40, 12, 9), (1, 3, 4, 2)]  # width, height, to
MEAN, STD = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]


def pixels(width, height):
    state, out = width * 65536 + height, []
    for _ in range(3 * width * height):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        out.append(state >> 24)
    return torch.tensor(out, dtype=torch.uint8).reshape(height, width, 3).permute(2, 0, 1).float().div(255)


def resize(image, width, height, mode, antialias):
    out = torch.nn.functional.interpolate(image[None], size=(height, width), mode=mode, antialias=antialias)
    return out[0].permute(1, 2, 0).contiguous()


def compare(library):
    nn = ctypes.CDLL(library)
    for mode, filter_ in ("bilinear", 3), ("bicubic", 4):
        for antialias in True, False:
            worst = 0
            for w, h, W, H in [(640, 480, 298, 224), (1024, 1024, 224, 224), (97, 131, 224, 302),
                               (1000, 333, 672, 224)]:
                image = torch.rand(3, h, w, generator=torch.Generator().manual_seed(w))
                source, got = image.permute(1, 2, 0).contiguous(), torch.zeros(H, W, 3)
                error = ctypes.create_string_buffer(4096)
                pointer = lambda t: ctypes.c_void_p(t.data_ptr())
                assert nn.nn_resize_f32(pointer(source), w, h, filter_, antialias, W, H, pointer(got), error) == 0
                worst = max(worst, float((got - resize(image, W, H, mode, antialias)).abs().max()))
            print(mode, "antialiased" if antialias else "plain", f"{worst:.1e}")


if len(sys.argv) == 2:
    compare(sys.argv[1])
    sys.exit()
out = {}
for w, h, W, H in SIZES:
    for mode in "bilinear", "bicubic":
        for antialias in True, False:
            out[f"{w}x{h}.{mode}.{'aa' if antialias else 'noaa'}"] = resize(pixels(w, h), W, H, mode, antialias)
for antialias in True, False:
    steps = Compose([Resize(8, interpolation=InterpolationMode.BICUBIC, antialias=antialias), CenterCrop(8),
                     Normalize(MEAN, STD)])
    out[f"prepared.{'aa' if antialias else 'noaa'}"] = steps(pixels(31, 17)).permute(1, 2, 0).contiguous()
path = pathlib.Path(__file__).parent / "resize_torch.safetensors"
save_file(out, path)
print(path.stat().st_size, "bytes, torch", torch.__version__)
