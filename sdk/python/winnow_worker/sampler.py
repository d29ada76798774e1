"""Samplers: a class with schedule, encode, velocity and decode, as sampler.h says it, with lists for arrays.

    class Flow:                                          # __init__ takes the options
        latent_channels, latent_stride_px = 16, 8        # what describe says; the rest has defaults
        def schedule(self, canvas): ...                  # [steps + 1] levels, 1 .. 0
        def encode(self, prompt, canvas, sigmas): ...    # anything: it is handed to velocity
        def velocity(self, canvas, x, sigmas, conds): ...       # a list of latents -> a list of dx/dsigma
        def decode(self, canvas, x0, is_preview): ...           # a list of latents -> a list of RGB bytes
        def forget(self, cond): ...                             # may be left out: the prompt is no longer in use

A latent is float32 in a buffer ([channels, height / stride, width / stride]): numpy.frombuffer(x, "f4") reads it, and
whatever has a buffer is a latent.
"""
import array
import hashlib
import json
import os
import sys
from collections import namedtuple

from . import options, service
from .verifier import Prompt

Canvas = namedtuple("Canvas", "width height steps")

_SAYS = {"latent_channels": None, "latent_stride_px": None, "size_multiple_px": None, "min_size_px": 16, "max_size_px": 16384,
         "evals_per_velocity": 1, "max_batch": 64, "model_key": "", "usual_size_px": 0, "usual_steps": 0, "has_preview": False}


def _key(given):
    """Names what makes the results where the class does not: the program, its options and the files it told of."""
    told = hashlib.sha256(json.dumps(given, sort_keys=True).encode())
    with open(sys.argv[0], "rb") as program:
        told.update(program.read())
    for path in service.used_files():
        facts = os.stat(path)
        told.update(f"{facts.st_size} {facts.st_mtime_ns}".encode())
    return told.hexdigest()


class _Sampler:
    kind = "sampler"

    def __init__(self, target):
        self.target = target
        self.conds = {}

    def open(self, given):
        self.made = self.target(**options.bind(self.target.__init__, given, ("self",)))
        says = {key: getattr(self.made, key, fallback) for key, fallback in _SAYS.items()}
        for key in ("latent_channels", "latent_stride_px", "size_multiple_px"):
            if not isinstance(says[key], int) or says[key] < 1:
                raise options.Refusal(f"the sampler does not say its {key}", "format")
        return {"name": self.target.__name__, **says, "model_key": says["model_key"] or _key(given)}

    def answer(self, request, data):
        handle = getattr(self, "_" + str(request["op"]), None)
        if handle is None:
            raise options.Refusal(f"a sampler is not asked to \"{request['op']}\"", "unsupported")
        return handle(request, data, Canvas(*request["canvas"]) if "canvas" in request else None)

    def _schedule(self, request, data, canvas):
        return {"op": "schedule"}, [array.array("f", self.made.schedule(canvas))]

    def _encode(self, request, data, canvas):
        self.conds[request["cond"]] = self.made.encode(Prompt.of(request["prompt"]), canvas, list(data.cast("f")))
        return {"op": "encoded"}, []

    def _forget(self, request, data, canvas):
        cond = self.conds.pop(request["cond"], None)
        if hasattr(self.made, "forget"):
            self.made.forget(cond)
        return {"op": "forgotten"}, []

    def _latents(self, data, count):
        size = len(data) // count
        return [data[i * size:(i + 1) * size] for i in range(count)]

    def _velocity(self, request, data, canvas):
        x = self._latents(data, len(request["sigmas"]))
        conds = [self.conds[cond] for cond in request["conds"]]
        return {"op": "velocities"}, list(self.made.velocity(canvas, x, request["sigmas"], conds))

    def _decode(self, request, data, canvas):
        return {"op": "pictures"}, list(self.made.decode(canvas, self._latents(data, request["count"]), request["preview"]))


def sampler(target):
    """Makes a class the program's sampler."""
    service.register(_Sampler(target))
    return target
