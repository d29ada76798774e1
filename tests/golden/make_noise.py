#!/usr/bin/env python3
"""Prints the hashes of torch.randn that tests/noise/noise.c expects. Development only: needs torch >= 2.15 on x86-64.

The hash runs over the float32 bits of the values: h = h * 31 + bits (mod 2^32).
"""
import numpy as np
import torch


def draw_hash(seed, n, dtype):
    torch.manual_seed(seed)
    values = torch.randn(n, dtype=dtype).float().numpy().view(np.uint32)
    h = 0
    for bits in values.tolist():
        h = (h * 31 + bits) & 0xFFFFFFFF
    return h


print("torch", torch.__version__, torch.backends.cpu.get_cpu_capability())
for dtype, name in ((torch.float32, "SPEC_NOISE_TORCH_CPU"), (torch.bfloat16, "SPEC_NOISE_TORCH_CPU_BF16")):
    for seed in (0, 42, 1234, 2**40 + 5):
        for n in (1, 7, 15, 16, 17, 31, 100, 4096, 16384, 262144):
            print(f"    {{ {name}, {seed}u, {n}, 0x{draw_hash(seed, n, dtype):08x} }},")
