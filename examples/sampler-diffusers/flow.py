"""Any flow pipeline of diffusers as a sampler: FLUX, Stable Diffusion 3, Qwen-Image, ... whatever DiffusionPipeline loads.

A pipeline is written as one loop from a prompt to a picture. winnow owns the loop, so it wants the parts: noise levels, the
velocity at a latent, the picture of a latent. No pipeline has them as functions, and all have the same four seams: they encode
prompts with encode_prompt, draw noise with randn_tensor, ask a transformer, and step with a scheduler. So the pipeline's own
code is run with these in our hands, for one step at a time: noise is the latent in question, the step ends the run with what
it was told, and for a picture the transformer is left out and the step returns the latent.
"""
import contextlib
import pathlib
import sys

import diffusers
import numpy
import torch
import winnow_worker


class Done(Exception):
    """Ends a pipeline's run with what was to be found out."""


class Scheduler(diffusers.FlowMatchEulerDiscreteScheduler):
    """One step, from any level. `real` is the pipeline's own, which knows the levels."""

    def set_timesteps(self, num_inference_steps=None, device=None, sigmas=None, mu=None, timesteps=None):
        if self.wanted == "schedule":
            given = {"sigmas": sigmas, "mu": mu, "timesteps": timesteps}
            given = {name: value for name, value in given.items() if value is not None}
            count = {} if "sigmas" in given or "timesteps" in given else {"num_inference_steps": num_inference_steps}
            self.real.set_timesteps(**count, device="cpu", **given)
            raise Done(self.real.sigmas)
        self.sigmas = torch.tensor([self.level, 0.0], device=device)
        self.timesteps = self.sigmas[:1] * self.config.num_train_timesteps
        self.num_inference_steps = 1

    def step(self, model_output, timestep, sample, **ignored):
        if self.wanted == "velocity":
            raise Done(model_output)
        return (sample,)


@winnow_worker.sampler
class Flow:
    """model: a folder or hub id; dtype: float32, bfloat16, float16; call: further arguments of the pipeline's call, such as
    {"guidance_scale": 3.5}; batch: latents in one call of the transformer. torch's results depend a little on how many those are:
    with 1 they do not, and a resumed run is equal to the last bit."""

    has_preview = True

    def __init__(self, model: str, device: str = "cpu", dtype: str = "float32", call: dict = {}, batch: int = 16):
        self.pipe = diffusers.DiffusionPipeline.from_pretrained(model, torch_dtype=getattr(torch, dtype)).to(device)
        self.pipe.set_progress_bar_config(disable=True)
        self.call = call
        self.max_batch = batch
        folder = model if pathlib.Path(model).is_dir() else diffusers.DiffusionPipeline.download(model)
        for file in sorted(pathlib.Path(folder).rglob("*.safetensors")):
            winnow_worker.uses_file(file)
        real = self.pipe.scheduler
        self.pipe.scheduler = self.scheduler = Scheduler.from_config(real.config)
        self.scheduler.real, self.scheduler.level = real, 1.0
        self.encoded, self.orders = {}, {}
        self._remember_prompts()
        self._measure()

    def _remember_prompts(self):
        """A prompt is encoded once, however often the pipeline is run on it, and repeated for each latent of a call."""
        encode = self.pipe.encode_prompt

        def remembering(*args, **kwargs):
            count = kwargs.pop("num_images_per_prompt", 1)
            if self.prompt not in self.encoded:
                self.encoded[self.prompt] = encode(*args, num_images_per_prompt=1, **kwargs)
            return tuple(part.repeat_interleave(count, 0) if torch.is_tensor(part) and len(part) == 1 else part
                         for part in self.encoded[self.prompt])
        self.pipe.encode_prompt = remembering

    def forget(self, prompt):
        self.encoded.pop(prompt, None)

    # ---- one run of the pipeline ----

    @contextlib.contextmanager
    def _seams(self, noise, transformer):
        module, forward = sys.modules[type(self.pipe).__module__], self.pipe.transformer.forward
        draw = module.randn_tensor
        module.randn_tensor = noise
        if transformer:
            self.pipe.transformer.forward = transformer
        try:
            yield
        finally:
            module.randn_tensor, self.pipe.transformer.forward = draw, forward

    def _run(self, wanted, prompt, canvas, noise, count=1, steps=1, transformer=None, **more):
        self.scheduler.wanted, self.prompt = wanted, prompt
        with self._seams(noise, transformer), torch.inference_mode():
            try:
                return self.pipe(prompt=str(prompt), height=canvas.height, width=canvas.width, num_inference_steps=steps,
                                 num_images_per_prompt=count, **{**self.call, **more})
            except Done as done:
                return done.args[0]

    def _zeros(self, hidden_states, **ignored):
        self.evals_seen += len(hidden_states)
        return (torch.zeros_like(hidden_states),)

    def _measure(self):
        """Numbered latents through a small run tell the latents' shape, and where the pipeline's own layout puts each value."""
        def numbered(shape, generator=None, device=None, dtype=None, layout=None):
            self.shape = tuple(shape[1:])
            return torch.arange(numpy.prod(self.shape), dtype=torch.float32).reshape(shape).to(device)

        canvas, self.evals_seen = winnow_worker.Canvas(64, 64, 1), 0
        self._run("velocity", "", canvas, lambda *a, **k: numbered(*a, **k).to(k["dtype"]), transformer=self._zeros)
        self.latent_channels, self.latent_stride_px = self.shape[-3], 64 // self.shape[-1]
        processor = getattr(self.pipe, "image_processor", None)
        self.size_multiple_px = processor.config.vae_scale_factor if processor else 2 * self.latent_stride_px
        self.evals_per_velocity = self.evals_seen
        self.numbered = numbered

    def _order(self, canvas):
        """order[i] is the place in a latent of value i in the pipeline's layout."""
        if canvas in self.orders:
            return self.orders[canvas]
        prepare = self.pipe.prepare_latents

        def prepared(*args, **kwargs):
            made = prepare(*args, **kwargs)
            raise Done(made[0] if isinstance(made, tuple) else made)
        self.pipe.prepare_latents = prepared
        try:
            self.orders[canvas] = self._run("velocity", "", canvas, self.numbered).flatten().long().cpu()
            return self.orders[canvas]
        finally:
            self.pipe.prepare_latents = prepare

    def _latents(self, x, canvas):
        """A noise function that hands out these latents."""
        rows = numpy.stack([numpy.frombuffer(latent, "f4") for latent in x])

        def noise(shape, generator=None, device=None, dtype=None, layout=None):
            return torch.from_numpy(rows).reshape(shape).to(device, dtype)
        return noise

    # ---- what winnow asks ----

    def schedule(self, canvas):
        return self._run("schedule", "", canvas, self.numbered, steps=canvas.steps).tolist()

    def encode(self, prompt, canvas, sigmas):
        return prompt

    def velocity(self, canvas, x, sigmas, conds):
        order, out = self._order(canvas), [None] * len(x)
        for prompt, sigma in dict.fromkeys(zip(conds, sigmas)):
            group = [i for i in range(len(x)) if (conds[i], sigmas[i]) == (prompt, sigma)]
            self.scheduler.level = sigma
            v = self._run("velocity", prompt, canvas, self._latents([x[i] for i in group], canvas), len(group))
            v = v.float().reshape(len(group), -1).cpu()
            for i, row in zip(group, v):
                out[i] = torch.empty_like(row).scatter_(0, order, row).numpy()
        return out

    def decode(self, canvas, x0, is_preview):
        self.evals_seen = 0
        made = self._run("picture", "", canvas, self._latents(x0, canvas), len(x0), transformer=self._zeros, output_type="np")
        return [numpy.ascontiguousarray((image * 255).round().astype("u1")) for image in made.images]


winnow_worker.serve()
