"""Makes tests/golden/models/taef1: a narrow AutoencoderTiny with random weights and what diffusers decodes with it.

    python tests/golden/make_taef1.py
"""
import os
import shutil

import torch
from diffusers import AutoencoderTiny
from make_models import HERE, Manifest, layer_scale, value
from safetensors.numpy import save_file

torch.set_grad_enabled(False)
out = f"{HERE}/taef1"
shutil.rmtree(out, ignore_errors=True)
os.makedirs(f"{out}/diffusers")
model = AutoencoderTiny(latent_channels=16, encoder_block_out_channels=(8,) * 4, decoder_block_out_channels=(8,) * 4).eval()
m = Manifest()
m.fill(None, model, "y", layer_scale(0.7))
for src, (a, b, shape) in m.source.items():
    if not src.startswith("y.decoder."):
        continue
    name = src[2:]
    m.add("diffusers/diffusion_pytorch_model.safetensors", name, shape, [(src, 0, torch.Size(shape).numel())])
for src, (a, b, shape) in m.source.items():
    if src.startswith("y.decoder."):
        index, _, rest = src[len("y.decoder.layers."):].partition(".")  # the original's list begins with a clamp
        m.add("taef1_decoder.safetensors", f"{int(index) + 1}.{rest}", shape, [(src, 0, torch.Size(shape).numel())])
open(f"{out}/weights.txt", "w").write("\n".join(m.lines) + "\n")
z = torch.from_numpy(value("taef1.z", 16 * 3 * 5, 3.0, 0.0)).reshape(1, 16, 3, 5)
image = model.decode(z, return_dict=False)[0][0].permute(1, 2, 0)
save_file({"z": z[0].numpy(), "image": ((image + 1) / 2).contiguous().numpy()}, f"{out}/golden.safetensors")
print(image.abs().mean())
