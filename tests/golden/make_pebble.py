"""Makes tests/golden/models/pebble: what diffusers computes with examples/pebble, float32. To be run again whenever the
weights there change.

    python tests/golden/make_pebble.py [PIPELINE_FOLDER]
"""
import os
import sys

import numpy as np
import torch
from diffusers import FluxPipeline
from make_models import HERE, golden
from safetensors.numpy import save_file

folder = sys.argv[1] if len(sys.argv) > 1 else os.path.join(HERE, "../../../examples/pebble")
torch.set_grad_enabled(False)
pipe = FluxPipeline.from_pretrained(folder, torch_dtype=torch.float32)
case = dict(size=(64, 64), guidance=None, flux=pipe.transformer.config, clip_length=pipe.tokenizer.model_max_length,
            t5_length=pipe.tokenizer_2.model_max_length)
g = golden(pipe, "pebble", case)
os.makedirs(f"{HERE}/pebble", exist_ok=True)
save_file(g, f"{HERE}/pebble/golden.safetensors")
print({k: (v.shape, float(np.abs(v).mean())) for k, v in g.items()})
