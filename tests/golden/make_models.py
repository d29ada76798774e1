"""Makes tests/golden/models/CASE: tiny random FLUX pipelines and what diffusers and transformers compute with them.

Development only (torch, diffusers, transformers, sentencepiece, safetensors); the tests read what it wrote. Weights are
not stored: every value is a function of (name, index), see value(), which the test computes again; weights.txt lists the
tensors of each file and where their values come from. The original (BFL, Comfy) layouts are derived here from the
diffusers names by an independent mapping, as ranges of the same values.

    python tests/golden/make_models.py
"""
import json
import math
import os
import shutil
import sys

import numpy as np
import torch
from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel
from safetensors.numpy import save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer, T5Config, T5EncoderModel, T5TokenizerFast

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "models")
torch.set_num_threads(1)
torch.set_grad_enabled(False)


def value(name, count, a, b):
    """float32 values: a * uniform(-1, 1) + b from FNV-1a of the name and SplitMix64 of the index."""
    key = 0xCBF29CE484222325
    for byte in name.encode():
        key = ((key ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    with np.errstate(over="ignore"):
        z = np.uint64(key) + (np.arange(count, dtype=np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    u = (z >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-23) - np.float32(1)
    return np.float32(a) * u + np.float32(b)


class Manifest:
    """The lines of weights.txt: `[file]`, then its tensors: name, shape, (source, a, b, first, count) for each range."""

    def __init__(self):
        self.lines = []
        self.file = None
        self.source = {}

    def fill(self, file, model, tag, scale):
        """Gives a torch model its values and lists its tensors under `file`."""
        for name, p in model.state_dict().items():
            if p.dtype != torch.float32 or name == "encoder.embed_tokens.weight": # T5's is shared.weight again
                continue
            a, b = scale(name, tuple(p.shape))
            src = f"{tag}.{name}"
            a, b = float(np.float32(a)), float(np.float32(b))
            p.copy_(torch.from_numpy(value(src, p.numel(), a, b)).reshape(p.shape))
            self.source[src] = (a, b, tuple(p.shape))
            if file:
                self.add(file, name, tuple(p.shape), [(src, 0, p.numel())])

    def add(self, file, name, shape, ranges):
        if file != self.file:
            self.file = file
            self.lines.append(f"[{file}]")
        words = [name, "x".join(map(str, shape)) or "-"]
        for src, first, count in ranges:
            a, b, _ = self.source[src]
            words += [src, "%.9g" % a, "%g" % b, str(first), str(count)]
        self.lines.append(" ".join(words))

    def rows(self, file, name, sources):
        """A tensor made of whole sources, or (source, first row, rows), one above the other."""
        ranges, total, tail = [], 0, None
        for s in sources:
            src, first, count = s if isinstance(s, tuple) else (s, 0, self.source[s][2][0])
            shape = self.source[src][2]
            width = int(np.prod(shape[1:], dtype=np.int64))
            ranges.append((src, first * width, count * width))
            total += count
            tail = shape[1:]
        self.add(file, name, (total, *tail), ranges)


def layer_scale(gain=1.0):
    def scale(name, shape):
        leaf = name.rsplit(".", 1)[-1]
        if leaf == "bias":
            return 0.1, 0.0
        if len(shape) == 1:
            return 0.3, 1.0
        if "embedding" in name or "shared" in name or "embed_tokens" in name or "relative_attention_bias" in name:
            return 1.0, 0.0
        g = 0.4 if ("norm" in name and "linear" in name) else gain
        if "conv_out" in name:
            g = 1.4
        return g * math.sqrt(3.0 / float(np.prod(shape[1:]))), 0.0
    return scale


def bfl_transformer(m, file, prefix, tag, config):
    """black-forest-labs' names, written down from their repository's model.py."""
    d = config["num_attention_heads"] * config["attention_head_dim"]

    def both(new, olds):
        for part in ("weight", "bias"):
            m.rows(file, f"{prefix}{new}.{part}", [f"{tag}.{o}.{part}" for o in olds])

    both("img_in", ["x_embedder"])
    both("txt_in", ["context_embedder"])
    embedders = {"time_in": "timestep_embedder", "vector_in": "text_embedder"}
    if config["guidance_embeds"]:
        embedders["guidance_in"] = "guidance_embedder"
    for new, old in embedders.items():
        both(f"{new}.in_layer", [f"time_text_embed.{old}.linear_1"])
        both(f"{new}.out_layer", [f"time_text_embed.{old}.linear_2"])
    for i in range(config["num_layers"]):
        o, n = f"transformer_blocks.{i}", f"double_blocks.{i}"
        for s, mod, q, norm, proj, ff in (("img", "norm1", ("to_q", "to_k", "to_v"), ("norm_q", "norm_k"),
                                           "to_out.0", "ff"),
                                          ("txt", "norm1_context", ("add_q_proj", "add_k_proj", "add_v_proj"),
                                           ("norm_added_q", "norm_added_k"), "to_add_out", "ff_context")):
            both(f"{n}.{s}_mod.lin", [f"{o}.{mod}.linear"])
            both(f"{n}.{s}_attn.qkv", [f"{o}.attn.{x}" for x in q])
            m.rows(file, f"{prefix}{n}.{s}_attn.norm.query_norm.scale", [f"{tag}.{o}.attn.{norm[0]}.weight"])
            m.rows(file, f"{prefix}{n}.{s}_attn.norm.key_norm.scale", [f"{tag}.{o}.attn.{norm[1]}.weight"])
            both(f"{n}.{s}_attn.proj", [f"{o}.attn.{proj}"])
            both(f"{n}.{s}_mlp.0", [f"{o}.{ff}.net.0.proj"])
            both(f"{n}.{s}_mlp.2", [f"{o}.{ff}.net.2"])
    for i in range(config["num_single_layers"]):
        o, n = f"single_transformer_blocks.{i}", f"single_blocks.{i}"
        both(f"{n}.modulation.lin", [f"{o}.norm.linear"])
        both(f"{n}.linear1", [f"{o}.attn.to_q", f"{o}.attn.to_k", f"{o}.attn.to_v", f"{o}.proj_mlp"])
        both(f"{n}.linear2", [f"{o}.proj_out"])
        m.rows(file, f"{prefix}{n}.norm.query_norm.scale", [f"{tag}.{o}.attn.norm_q.weight"])
        m.rows(file, f"{prefix}{n}.norm.key_norm.scale", [f"{tag}.{o}.attn.norm_k.weight"])
    for part in ("weight", "bias"):
        src = f"{tag}.norm_out.linear.{part}"
        m.rows(file, f"{prefix}final_layer.adaLN_modulation.1.{part}", [(src, d, d), (src, 0, d)])
    both("final_layer.linear", ["proj_out"])


def bfl_vae(m, file, prefix, tag, levels):
    """The names of ae.safetensors: the same tensors, renamed; the decoder's levels are counted the other way."""
    for src in [s for s in m.source if s.startswith(tag + ".")]:
        a, b, shape = m.source[src]
        name = src[len(tag) + 1:]
        words = name.split(".")
        if "down_blocks" in name:
            level, leaf = words[2], words[3:]
            name = f"encoder.down.{level}." + (f"block.{leaf[1]}." + ".".join(leaf[2:]) if leaf[0] == "resnets"
                                               else "downsample." + ".".join(leaf[2:]))
        elif "up_blocks" in name:
            level, leaf = levels - 1 - int(words[2]), words[3:]
            name = f"decoder.up.{level}." + (f"block.{leaf[1]}." + ".".join(leaf[2:]) if leaf[0] == "resnets"
                                             else "upsample." + ".".join(leaf[2:]))
        elif "mid_block.resnets" in name:
            name = f"{words[0]}.mid.block_{int(words[3]) + 1}." + ".".join(words[4:])
        elif "mid_block.attentions" in name:
            leaf = ".".join(words[4:])
            for old, new in (("group_norm", "norm"), ("to_q", "q"), ("to_k", "k"), ("to_v", "v"), ("to_out.0", "proj_out")):
                leaf = leaf.replace(old, new)
            name = f"{words[0]}.mid.attn_1.{leaf}"
            if len(shape) == 2:
                shape = (*shape, 1, 1)
        name = name.replace("conv_shortcut", "nin_shortcut").replace("conv_norm_out", "norm_out")
        m.add(file, prefix + name, shape, [(src, 0, int(np.prod(shape)))])


def clip_tokenizer(folder, length, end_last):
    """Letters, a few merges, and the two special tokens."""
    merges = ["t h", "th e</w>", "r e", "re d</w>", "b l", "bl u", "blu e</w>", "o n", "on e</w>", "a n", "an d</w>"]
    letters = [chr(c) for c in range(97, 123)]
    vocab = letters + [c + "</w>" for c in letters] + [x.replace(" ", "") for x in merges]
    special = ["<|startoftext|>", "<|endoftext|>"]
    vocab += special if end_last else special[::-1]
    os.makedirs(folder)
    json.dump({w: i for i, w in enumerate(vocab)}, open(f"{folder}/vocab.json", "w"))
    open(f"{folder}/merges.txt", "w").write("#version: 0.2\n" + "\n".join(merges) + "\n")
    special = {"bos_token": special[0], "eos_token": special[1], "unk_token": special[1], "pad_token": special[1]}
    json.dump({"tokenizer_class": "CLIPTokenizer", "model_max_length": length, **special},
              open(f"{folder}/tokenizer_config.json", "w"))
    return CLIPTokenizer.from_pretrained(folder), len(vocab), vocab.index("<|endoftext|>")


def t5_tokenizer(folder, length):
    import io

    import sentencepiece as spm
    text = ["a red circle", "the blue square and a red one", "three yellow triangles", "one", "two green circles"] * 20
    model = io.BytesIO()
    spm.SentencePieceTrainer.train(sentence_iterator=iter(text), model_writer=model, vocab_size=30, pad_id=0, eos_id=1,
                                   unk_id=2, bos_id=-1,
                                   minloglevel=2, normalization_rule_name="identity")
    os.makedirs(folder)
    open(f"{folder}/spiece.model", "wb").write(model.getvalue())
    json.dump({"tokenizer_class": "T5Tokenizer", "model_max_length": length, "extra_ids": 0, "pad_token": "<pad>",
               "eos_token": "</s>", "unk_token": "<unk>", "additional_special_tokens": []},
              open(f"{folder}/tokenizer_config.json", "w"))
    return T5TokenizerFast.from_pretrained(folder)


PROMPTS = ["a red circle", "the blue square and a red one"]

CASES = {
    "guided": dict(
        flux=dict(in_channels=16, num_layers=5, num_single_layers=3, attention_head_dim=16, num_attention_heads=3,
                  joint_attention_dim=40, pooled_projection_dim=24, guidance_embeds=True, axes_dims_rope=(4, 6, 6)),
        clip=dict(hidden_size=24, intermediate_size=40, num_hidden_layers=2, num_attention_heads=3,
                  max_position_embeddings=20, hidden_act="quick_gelu", layer_norm_eps=1e-5),
        end_last=False, clip_length=20,
        t5=dict(d_model=40, d_kv=7, d_ff=56, num_layers=3, num_heads=5, feed_forward_proj="gated-gelu"),
        t5_length=37,
        vae=dict(block_out_channels=(8, 16, 24), layers_per_block=1, norm_num_groups=4, latent_channels=4,
                 scaling_factor=0.7, shift_factor=0.1, use_quant_conv=False, use_post_quant_conv=False),
        scheduler=dict(use_dynamic_shifting=True, base_image_seq_len=8, max_image_seq_len=64, base_shift=0.5,
                       max_shift=1.15, shift=3.0),
        size=(40, 24), guidance=4.25),
    "plain": dict(
        flux=dict(in_channels=24, num_layers=1, num_single_layers=4, attention_head_dim=20, num_attention_heads=5,
                  joint_attention_dim=24, pooled_projection_dim=40, guidance_embeds=False, axes_dims_rope=(4, 10, 6)),
        clip=dict(hidden_size=40, intermediate_size=72, num_hidden_layers=1, num_attention_heads=4,
                  max_position_embeddings=77, hidden_act="gelu", layer_norm_eps=1e-3),
        end_last=True, clip_length=77,
        t5=dict(d_model=24, d_kv=8, d_ff=40, num_layers=2, num_heads=2, feed_forward_proj="relu",
                relative_attention_num_buckets=12, relative_attention_max_distance=20),
        t5_length=16,
        vae=dict(block_out_channels=(8, 24), layers_per_block=2, norm_num_groups=8, latent_channels=6,
                 scaling_factor=0.9, shift_factor=0.0, use_quant_conv=True, use_post_quant_conv=True, mid_block_add_attention=False),
        scheduler=dict(use_dynamic_shifting=False, shift=2.5), size=(20, 28), guidance=None),
    "single_file": dict(
        flux=dict(in_channels=16, num_layers=1, num_single_layers=2, attention_head_dim=128, num_attention_heads=1,
                  joint_attention_dim=24, pooled_projection_dim=64, guidance_embeds=True),
        clip=dict(hidden_size=64, intermediate_size=72, num_hidden_layers=2, num_attention_heads=1,
                  max_position_embeddings=77),
        end_last=True, clip_length=77,
        t5=dict(d_model=24, d_kv=8, d_ff=40, num_layers=2, num_heads=2, feed_forward_proj="gated-gelu"),
        t5_length=64,
        vae=dict(block_out_channels=(32, 32), layers_per_block=2, norm_num_groups=32, latent_channels=4,
                 scaling_factor=0.3611, shift_factor=0.1159, use_quant_conv=False, use_post_quant_conv=False),
        scheduler=dict(use_dynamic_shifting=True), size=(16, 24), guidance=None),
}


def save_config(folder, config, name="config.json", drop=()):
    os.makedirs(folder, exist_ok=True)
    config = {k: v for k, v in config.items() if k not in drop and not k.startswith("_name_or_path")}
    json.dump(config, open(f"{folder}/{name}", "w"), indent=1)


def make(case, c):
    out = f"{HERE}/{case}"
    shutil.rmtree(out, ignore_errors=True)
    os.makedirs(out)
    m = Manifest()
    tokenizer, vocab, end = clip_tokenizer(f"{out}/tokenizer", c["clip_length"], c["end_last"])
    tokenizer_2 = t5_tokenizer(f"{out}/tokenizer_2", c["t5_length"])
    eos = 2 if c["end_last"] else end
    clip = CLIPTextModel(CLIPTextConfig(vocab_size=vocab, eos_token_id=eos, bos_token_id=0, pad_token_id=1,
                                        **c["clip"])).eval()
    t5 = T5EncoderModel(T5Config(vocab_size=60, **c["t5"])).eval()
    flux = FluxTransformer2DModel(**c["flux"]).eval()
    levels = len(c["vae"]["block_out_channels"])
    vae = AutoencoderKL(down_block_types=["DownEncoderBlock2D"] * levels,
                        up_block_types=["UpDecoderBlock2D"] * levels, **c["vae"]).eval()
    scheduler = FlowMatchEulerDiscreteScheduler(**c["scheduler"])
    single = case == "single_file"
    f = "diffusion_pytorch_model.safetensors"
    m.fill(f"transformer/{f}", flux, "f", layer_scale(0.8))
    m.fill(None if single else f"vae/{f}", vae, "v", layer_scale())
    m.fill(None if single else "text_encoder/model.safetensors", clip, "c", layer_scale())
    m.fill(None if single else "text_encoder_2/model.safetensors", t5, "t", layer_scale())
    if single:
        file = "all.safetensors"
        bfl_transformer(m, file, "model.diffusion_model.", "f", c["flux"])
        bfl_vae(m, file, "vae.", "v", levels)
        for tag, prefix in (("c", "text_encoders.clip_l.transformer.text_model."),
                            ("t", "text_encoders.t5xxl.transformer.")):
            for src in [s for s in m.source if s.startswith(f"{tag}.")]:
                name = src[len(tag) + 1:]
                m.rows(file, prefix + name, [src])
    else:
        prefix = "model.diffusion_model." if case == "plain" else ""
        bfl_transformer(m, f"transformer_bfl/{f}", prefix, "f", c["flux"])
        bfl_vae(m, f"vae_bfl/{f}", "", "v", levels)
    open(f"{out}/weights.txt", "w").write("\n".join(m.lines) + "\n")

    flux_config = dict(flux.config)
    if case != "guided":
        flux_config.pop("out_channels")
    if single:
        flux_config.pop("axes_dims_rope")
    for folder in ["transformer"] + ([] if single else ["transformer_bfl"]):
        save_config(f"{out}/{folder}", flux_config)
    if not single:
        for folder in ("vae", "vae_bfl"):
            save_config(f"{out}/{folder}", dict(vae.config))
        save_config(f"{out}/text_encoder", clip.config.to_diff_dict())
        save_config(f"{out}/text_encoder_2", t5.config.to_diff_dict())
        save_config(f"{out}/scheduler", dict(scheduler.config), "scheduler_config.json")
        json.dump({"_class_name": "FluxPipeline"}, open(f"{out}/model_index.json", "w"))

    pipe = FluxPipeline(scheduler, vae, clip, tokenizer, t5, tokenizer_2, flux)
    g = golden(pipe, case, c)
    save_file(g, f"{out}/golden.safetensors")
    print(case, {k: (v.shape, float(np.abs(v).mean())) for k, v in g.items()})


def golden(pipe, case, c):
    """Inputs, and what the reference makes of them, float32."""
    width, height = c["size"]
    latent = pipe.vae.config.latent_channels
    h, w = height // pipe.vae_scale_factor, width // pipe.vae_scale_factor
    length = c["t5_length"]
    g = {}
    guidance = 3.5 if c["guidance"] is None else c["guidance"]
    x = value(f"{case}.x", 2 * latent * h * w, 1.7, 0.0).reshape(2, latent, h, w)
    sigma = np.array([1.0, 0.3125], np.float32)
    g["velocity.x"], g["velocity.sigma"], vs, states, pooleds = x, sigma, [], [], []
    for i, prompt in enumerate(PROMPTS):
        t5, pooled, text_ids = pipe.encode_prompt(prompt, prompt, max_sequence_length=length)
        packed = pipe._pack_latents(torch.from_numpy(x[i:i + 1]), 1, latent, h, w)
        ids = pipe._prepare_latent_image_ids(1, h // 2, w // 2, "cpu", torch.float32)
        v = pipe.transformer(hidden_states=packed, encoder_hidden_states=t5, pooled_projections=pooled,
                             timestep=torch.tensor([sigma[i] * np.float32(1000)]) / 1000, img_ids=ids, txt_ids=text_ids,
                             guidance=torch.tensor([guidance]) if c["flux"]["guidance_embeds"] else None,
                             return_dict=False)[0]
        vs.append(pipe._unpack_latents(v, height, width, pipe.vae_scale_factor)[0].numpy())
        states.append(t5[0].numpy())
        pooleds.append(pooled[0].numpy())
    ids = pipe.tokenizer(PROMPTS, padding="max_length", truncation=True, max_length=c["clip_length"]).input_ids
    g["clip.ids"] = np.array(ids, np.float32)
    ids = pipe.tokenizer_2(PROMPTS, padding="max_length", truncation=True, max_length=length).input_ids
    g["t5.ids"] = np.array(ids, np.float32)
    g["velocity.v"], g["t5"], g["clip"] = np.stack(vs), np.stack(states), np.stack(pooleds)

    z = value(f"{case}.z", latent * h * w, 1.5, 0.0).reshape(1, latent, h, w)
    g["vae.z"] = z[0]
    g["vae.image"] = pipe.vae.decode(torch.from_numpy(z), return_dict=False)[0][0].permute(1, 2, 0).numpy().copy()
    image = value(f"{case}.image", 3 * height * width, 1.0, 0.0).reshape(1, 3, height, width)
    g["vae.input"] = image[0].transpose(1, 2, 0).copy()
    g["vae.moments"] = pipe.vae.encode(torch.from_numpy(image)).latent_dist.parameters[0].permute(1, 2, 0).numpy().copy()

    noise = value(f"{case}.noise", latent * h * w, 1.7, 0.0).reshape(1, latent, h, w)
    packed = pipe._pack_latents(torch.from_numpy(noise), 1, latent, h, w)
    run = dict(prompt=PROMPTS[0], height=height, width=width, num_inference_steps=8, guidance_scale=guidance,
               latents=packed, max_sequence_length=length)
    pipe.set_progress_bar_config(disable=True)
    last = pipe(output_type="latent", **run).images
    picture = pipe(output_type="pil", **run).images[0]
    g["run.noise"] = noise[0]
    g["run.sigmas"] = pipe.scheduler.sigmas.numpy().copy()
    g["run.latent"] = pipe._unpack_latents(last, height, width, pipe.vae_scale_factor)[0].numpy().copy()
    g["run.image"] = np.array(picture)
    return {k: np.ascontiguousarray(v) for k, v in g.items()}


if __name__ == "__main__":
    for name in sys.argv[1:] or CASES:
        make(name, CASES[name])
