"""Makes tests/golden/models/{imagereward,blip_vqa,vit,dinov2*}: tiny random models of odd sizes and what transformers
computes with them in float64, from the pictures of make_clip.py and one of a single pixel.

Development only. Weights are functions of their names as in make_models.py. ImageReward is transformers' BLIP image
model and BLIP text model, the latter as an encoder (is_decoder False), under ImageReward's names, with torchvision's
preparation as in ImageReward's code; texts are padded and masked there, which shows that leaving the padding out, as
winnow does, is the same.

    python tests/golden/make_verifiers.py
"""
import json
import os
import shutil
import tempfile

import numpy as np
import torch
import torchvision.transforms as T
import transformers
from make_models import HERE, Manifest, layer_scale, value
from PIL import Image
from safetensors.numpy import load_file, save_file
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

torch.set_num_threads(1)
torch.set_grad_enabled(False)

PICTURES = ["37x53", "64x31", "8x8", "200x111"]
PROMPTS = ["a red circle", "The blue square, and a red one: left of a green star!", ""]
PHRASES = [["a red circle", "the side", "a blue square"], ["Star!"]]
CLIP_MEAN, CLIP_STD = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]
WORDS = """a the of and red green blue circle square star one left yes no in to ##s ##ed""".split()


def images():
    files = [Image.open(f"{HERE}/picture_{p}.png").convert("RGB") for p in PICTURES]
    return files + [Image.new("RGB", (1, 1), (200, 30, 90))]


def folder(case):
    out = f"{HERE}/{case}"
    shutil.rmtree(out, ignore_errors=True)
    os.makedirs(out)
    return out


def vocabulary(out):
    """97 words, so that with [DEC] and [ENC] a table has 99 rows."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters = [chr(c) for c in range(97, 123)] + list("!?,.:;") + ["##" + chr(c) for c in range(97, 123)]
    words = list(dict.fromkeys(special + WORDS + letters))
    words += [f"filler{i}" for i in range(97 - len(words))]
    assert len(words) == len(set(words)) == 97
    with open(f"{out}/vocab.txt", "w") as f:
        f.write("\n".join(words) + "\n")
    return transformers.BertTokenizer(vocab={w: i for i, w in enumerate(words)}, do_lower_case=True)


def fill(m, file, case, tensors, rename=lambda n: n):
    """New values for tensors {name: shape}; lists them in the manifest under their new names."""
    scale, out = layer_scale(), {}
    for name in sorted(tensors):
        shape, new = tuple(tensors[name]), rename(name)
        a, b = scale(new, shape)
        a, b = float(np.float32(a)), float(np.float32(b))
        source = f"{case}.{new}"
        out[name] = value(source, int(np.prod(shape)), a, b).reshape(shape)
        m.source[source] = (a, b, shape)
        m.add(file, new, shape, [(source, 0, int(np.prod(shape)))])
    return out


def saved(m, file, case, cls, config, rename=lambda n: n):
    """A model with new values, by way of what it saves: its names in files may differ from those in memory."""
    with tempfile.TemporaryDirectory() as d:
        cls(config).save_pretrained(d)
        path = f"{d}/model.safetensors"
        shapes = {k: v.shape for k, v in load_file(path).items()}
        save_file(fill(m, file, case, shapes, rename), path, metadata={"format": "pt"})
        return cls.from_pretrained(d).double().eval()


def timm(name):
    for a, b in (("embeddings.class_embedding", "cls_token"), ("embeddings.position_embedding", "pos_embed"),
                 ("embeddings.patch_embedding", "patch_embed.proj"), ("encoder.layers.", "blocks."),
                 ("layer_norm", "norm"), ("self_attn.projection", "attn.proj"), ("self_attn.qkv", "attn.qkv"),
                 ("post_layernorm", "norm")):
        name = name.replace(a, b)
    return name


def finish(out, m, golden):
    with open(f"{out}/weights.txt", "w") as f:
        f.write("\n".join(m.lines) + "\n")
    save_file({k: np.ascontiguousarray(np.asarray(v, np.float32)) for k, v in golden.items()},
              f"{out}/golden.safetensors")


def dump(out, name, data):
    with open(f"{out}/{name}", "w") as f:
        json.dump(data, f, indent=1)


def imagereward():
    case = "imagereward"
    out, m = folder(case), Manifest()
    tokenizer = vocabulary(out)
    vision = transformers.BlipVisionConfig(hidden_size=30, num_hidden_layers=2, num_attention_heads=5,
                                           intermediate_size=37, image_size=30, patch_size=2, layer_norm_eps=1e-6)
    text = dict(hidden_size=32, num_hidden_layers=3, num_attention_heads=4, intermediate_size=37, vocab_size=99,
                max_position_embeddings=40)
    config = transformers.BlipTextConfig(**text, encoder_hidden_size=30, is_decoder=True)
    file = "model.safetensors"
    eye = saved(m, file, case, transformers.BlipVisionModel, vision, lambda n: "blip.visual_encoder." + timm(n))
    with tempfile.TemporaryDirectory() as d:
        transformers.BlipTextModel(config, add_pooling_layer=False).save_pretrained(d)
        shapes = {k: v.shape for k, v in load_file(f"{d}/model.safetensors").items()}
        values = fill(m, file, case, shapes, lambda n: "blip.text_encoder." + n)
        reader = transformers.BlipTextModel(config, add_pooling_layer=False)
        missing = reader.load_state_dict({k: torch.from_numpy(v) for k, v in values.items()}, strict=False)
        assert not missing.unexpected_keys and not missing.missing_keys, missing
        reader = reader.double().eval()
    head = fill(m, file, case, {f"mlp.layers.{i}.{p}": s if p == "weight" else s[:1] for i, s in
                                ((0, (20, 32)), (2, (13, 20)), (4, (7, 13)), (6, (5, 7)), (7, (1, 5)))
                                for p in ("weight", "bias")})
    dump(out, "med_config.json", dict(architectures=["BertModel"], hidden_act="gelu", layer_norm_eps=1e-12,
                                      add_type_embeddings=False, encoder_width=30, add_cross_attention=True, **text))
    dump(out, "config.json", dict(vision_heads=5, max_length=16, mean=0.25, std=1.5))
    prepare = T.Compose([T.Resize(30, interpolation=T.InterpolationMode.BICUBIC), T.CenterCrop(30), T.ToTensor(),
                         T.Normalize(CLIP_MEAN, CLIP_STD)])
    ids = tokenizer(PROMPTS, padding="max_length", truncation=True, max_length=16, return_tensors="pt")
    rewards = np.zeros((len(PROMPTS), len(PICTURES) + 1))
    golden = {}
    for j, image in enumerate(images()):
        states = eye(pixel_values=prepare(image)[None].double()).last_hidden_state
        for i in range(len(PROMPTS)):
            x = reader(input_ids=ids.input_ids[i:i + 1], attention_mask=ids.attention_mask[i:i + 1],
                       encoder_hidden_states=states,
                       encoder_attention_mask=torch.ones(states.shape[:-1], dtype=torch.long),
                       is_decoder=False).last_hidden_state
            if i == 0 and j == 0:
                golden["vision"], golden["text"] = states[0], x[0][:int(ids.attention_mask[0].sum())]
            r = x[:, 0]
            for k in (0, 2, 4, 6, 7):
                w, b = (torch.from_numpy(head[f"mlp.layers.{k}.{p}"]).double() for p in ("weight", "bias"))
                r = r @ w.T + b
            rewards[i, j] = (float(r) - 0.25) / 1.5
    print(case, rewards)
    finish(out, m, dict(golden, reward=rewards))


def blip_vqa():
    case = "blip_vqa"
    out, m = folder(case), Manifest()
    tokenizer = vocabulary(out)
    config = transformers.BlipConfig(
        text_config=dict(vocab_size=99, hidden_size=24, encoder_hidden_size=24, num_hidden_layers=2,
                         num_attention_heads=3, intermediate_size=37, max_position_embeddings=40, bos_token_id=97,
                         sep_token_id=3, eos_token_id=3, pad_token_id=0),
        vision_config=dict(hidden_size=24, intermediate_size=37, num_hidden_layers=2, num_attention_heads=3,
                           image_size=33, patch_size=8, layer_norm_eps=1e-6))
    model = saved(m, "model.safetensors", case, transformers.BlipForQuestionAnswering, config)
    shapes = [(n[len(case) + 1:], s) for n, (_, _, s) in m.source.items()]
    for name, shape in sorted(shapes):  # the same values under the original names
        new = "visual_encoder." + timm(name[len("vision_model."):]) if name.startswith("vision_model.") else name
        m.add("original/model.safetensors", new, shape, [(f"{case}.{name}", 0, int(np.prod(shape)))])
    words = f"{case}.text_decoder.bert.embeddings.word_embeddings.weight"
    m.add("original/model.safetensors", "text_decoder.cls.predictions.decoder.weight", (99, 24), [(words, 0, 99 * 24)])
    os.makedirs(f"{out}/original")
    shutil.copy(f"{out}/vocab.txt", f"{out}/original/vocab.txt")
    dump(out, "config.json", config.to_dict())
    dump(f"{out}/original", "config.json", dict(vision_heads=3))
    dump(f"{out}/original", "med_config.json",
         dict(hidden_size=24, num_hidden_layers=2, num_attention_heads=3, intermediate_size=37, vocab_size=99,
              max_position_embeddings=40, layer_norm_eps=1e-12, hidden_act="gelu", encoder_width=24))
    yes, no = tokenizer.convert_tokens_to_ids(["yes", "no"])
    normalize = T.Compose([T.ToTensor(), T.Normalize(CLIP_MEAN, CLIP_STD)])
    scores = np.zeros((len(PHRASES), len(PICTURES) + 1))
    for j, image in enumerate(images()):
        pixels = normalize(image.resize((50, 50), Image.BICUBIC))[None].double()
        states = model.vision_model(pixel_values=pixels, interpolate_pos_encoding=True).last_hidden_state
        for i, phrases in enumerate(PHRASES):
            product = 1.0
            for phrase in phrases:
                if phrase == "the side":
                    continue
                ids = tokenizer(phrase.lower().replace("!", "") + "?", return_tensors="pt").input_ids
                ids[:, 0] = 98
                ones = torch.ones(states.shape[:-1], dtype=torch.long)
                question = model.text_encoder(input_ids=ids, attention_mask=torch.ones_like(ids),
                                              encoder_hidden_states=states, encoder_attention_mask=ones,
                                              is_decoder=False)[0]
                logits = model.text_decoder(input_ids=torch.tensor([[97]]), encoder_hidden_states=question,
                                            encoder_attention_mask=torch.ones_like(ids)).logits[0, -1]
                p = logits.softmax(-1)
                product *= float(p[yes] / (p[yes] + p[no]))
            scores[i, j] = product
    print(case, scores)
    finish(out, m, dict(score=scores))


IMAGENET = dict(image_mean=[0.485, 0.456, 0.406], image_std=[0.229, 0.224, 0.225])
SMALL = dict(num_hidden_layers=2, num_attention_heads=3, hidden_size=21)
BIT = dict(image_processor_type="BitImageProcessor", do_resize=True, size={"shortest_edge": 46}, resample=3,
           do_center_crop=True, crop_size={"height": 40, "width": 40}, do_rescale=True, rescale_factor=1 / 255,
           do_normalize=True, **IMAGENET)
FEATURES = {
    "vit": (transformers.ViTModel, transformers.ViTConfig(**SMALL, intermediate_size=37, image_size=33, patch_size=7),
            dict(image_processor_type="ViTImageProcessor", size=33)),
    "dinov2": (transformers.Dinov2Model, transformers.Dinov2Config(**SMALL, image_size=56, patch_size=8), BIT),
    "dinov2_swiglu": (transformers.Dinov2Model, transformers.Dinov2Config(**SMALL, image_size=24, patch_size=8,
                                                                          use_swiglu_ffn=True), BIT),
    "dinov2_registers": (transformers.Dinov2WithRegistersModel, transformers.Dinov2WithRegistersConfig(
        **SMALL, image_size=56, patch_size=8, num_register_tokens=2), BIT),
}


def original(m, case):
    """DINOv2's own names for the same values, q, k and v as one."""
    file, fused = "timm/model.safetensors", "attention.attention."
    for source, (_, _, shape) in sorted(m.source.items()):
        name = source[len(case) + 1:]
        for a, b in (("embeddings.patch_embeddings.projection", "patch_embed.proj"),
                     ("embeddings.position_embeddings", "pos_embed"), ("embeddings.", ""),
                     ("encoder.layer.", "blocks."),
                     ("attention.output.dense", "attn.proj"), ("layer_scale1.lambda1", "ls1.gamma"),
                     ("layer_scale2.lambda1", "ls2.gamma"), ("weights_in", "w12"), ("weights_out", "w3"),
                     ("layernorm", "norm")):
            name = name.replace(a, b)
        n = int(np.prod(shape))
        if fused + "query" in name:
            parts = [(source.replace("query", p), 0, n) for p in ("query", "key", "value")]
            m.add(file, name.replace(fused + "query", "attn.qkv"), (3 * shape[0], *shape[1:]), parts)
        elif fused not in name:
            m.add(file, name, shape, [(source, 0, n)])


def features(case, cls, config, processor):
    out, m = folder(case), Manifest()
    model = saved(m, "model.safetensors", case, cls, config)
    dump(out, "config.json", config.to_dict())
    dump(out, "preprocessor_config.json", processor)
    if isinstance(processor["size"], int):  # ViTImageProcessor: to the square, bilinear, 0.5
        size = {"height": processor["size"], "width": processor["size"]}
        prepare = CLIPImageProcessorPil(size=size, resample=2, do_center_crop=False, image_mean=[0.5] * 3,
                                        image_std=[0.5] * 3)
    else:
        prepare = CLIPImageProcessorPil(**{k: v for k, v in processor.items() if k != "image_processor_type"})
    states = [model(pixel_values=prepare(i, return_tensors="pt").pixel_values.double()).last_hidden_state[0]
              for i in images()]
    f = torch.stack([s[0] for s in states])
    f = f / f.norm(dim=-1, keepdim=True)
    cosine = f @ f.T
    print(case, cosine.numpy())
    golden = dict(states=states[0], cosine=cosine)
    if case != "vit":
        original(m, case)
    if case == "dinov2":  # as DINO's own code enlarges or reduces its positions: by a factor, made larger by 0.1
        places = model.embeddings.position_embeddings[:, 1:].reshape(1, 7, 7, -1).permute(0, 3, 1, 2)
        grown = torch.nn.functional.interpolate(places, scale_factor=5.1 / 7, mode="bicubic")
        golden["grown"] = grown.permute(0, 2, 3, 1).reshape(25, -1)
    finish(out, m, golden)


if __name__ == "__main__":
    imagereward()
    blip_vqa()
    for name, (cls, config, processor) in FEATURES.items():
        features(name, cls, config, processor)
