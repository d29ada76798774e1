"""Makes tests/weights/data/blocks.gguf: every quantised type that is read, beside its values as the gguf package has them.

Development only (gguf, numpy): `pip install gguf`, into an environment of its own. For each type there is a tensor NAME
[4, 512] of random blocks, scales of all sizes among them, and NAME.f32 with what gguf.quants makes of it; the tests
want the same bits. The metadata hold a value of each type.

    python tests/golden/make_gguf.py
"""
import os

import numpy as np
from gguf import GGMLQuantizationType as T
from gguf import GGUFValueType as V
from gguf import GGUFWriter, quants

HERE = os.path.dirname(os.path.abspath(__file__))
ROWS, COLS = 4, 512
# Where the halves (scales) of a block are.
HALVES = {T.Q8_0: [0], T.Q4_0: [0], T.Q4_K: [0, 2], T.Q5_K: [0, 2], T.Q6_K: [208]}
random = np.random.default_rng(20)


def blocks(kind):
    values, size = quants.GGML_QUANT_SIZES[kind]
    count = ROWS * COLS // values
    data = random.integers(0, 256, (count, size), dtype=np.uint8)
    for at in HALVES[kind]:
        scale = random.standard_normal(count) * 10.0 ** random.uniform(-6, 3, count)
        scale[0] = 6e-8  # the smallest half
        scale[1] = 0
        data[:, at : at + 2] = scale.astype("<f2").view(np.uint8).reshape(count, 2)
    return data.reshape(ROWS, -1)


w = GGUFWriter(os.path.join(HERE, "../weights/data/blocks.gguf"), "flux")
w.add_quantization_version(2)
w.add_string("test.string", "h\u00e9llo")
w.add_array("test.array", [1, 2, 3])
w.add_array("test.strings", ["a", "b"])
for name, value, kind in (("u8", 250, V.UINT8), ("i8", -5, V.INT8), ("u16", 65000, V.UINT16), ("i16", -3000, V.INT16),
                          ("u32", 4000000000, V.UINT32), ("i32", -2000000000, V.INT32), ("f32", 0.25, V.FLOAT32),
                          ("bool", True, V.BOOL), ("u64", 2**64 - 1, V.UINT64), ("i64", -(2**63), V.INT64),
                          ("f64", -1.5, V.FLOAT64)):
    w.add_key_value("test." + name, value, kind)
for kind in HALVES:
    data = blocks(kind)
    w.add_tensor(kind.name, data, raw_dtype=kind)
    w.add_tensor(kind.name + ".f32", quants.dequantize(data, kind).astype(np.float32))
plain = random.standard_normal((3, 5)).astype(np.float32)
w.add_tensor("plain.f32", plain)
w.add_tensor("plain.f16", plain.astype(np.float16))
w.add_tensor("plain.bf16", quants.quantize(plain, T.BF16), raw_dtype=T.BF16)
w.add_tensor("plain.i8", np.arange(-3, 4, dtype=np.int8))
w.add_tensor("deep", np.arange(24, dtype=np.float32).reshape(2, 1, 3, 4))
w.write_header_to_file()
w.write_kv_data_to_file()
w.write_tensors_to_file()
w.close()
