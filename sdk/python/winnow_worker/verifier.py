"""Verifiers: a function of one image, or of a set of them; or a class with such a `score`.

Its parameters say what it wants: `image` or `images` (a list), `prompt` or `prompts`, `preview` or `previews`. What else
it takes are its options; a class takes them in __init__, where it loads its model.
"""
import array
import inspect
import math
from dataclasses import dataclass

from . import options, service

_OWN = ("self", "image", "images", "prompt", "prompts", "preview", "previews")


@dataclass(frozen=True)
class Metric:
    """One number that a verifier gives. across_prompts: it means the same for every prompt."""
    name: str
    low: float = -math.inf
    high: float = math.inf
    help: str = ""
    higher_is_better: bool = True
    across_prompts: bool = True

    def row(self):
        bound = lambda value: value if math.isfinite(value) else None
        return {**self.__dict__, "low": bound(self.low), "high": bound(self.high)}


class Image:
    """8-bit sRGB. rgb: height * width * 3 bytes, rows top to bottom."""

    def __init__(self, width, height, rgb):
        self.width, self.height, self.rgb = width, height, rgb

    def numpy(self):
        import numpy
        return numpy.frombuffer(self.rgb, numpy.uint8).reshape(self.height, self.width, 3)

    def pil(self):
        from PIL import Image as pillow
        return pillow.frombytes("RGB", (self.width, self.height), bytes(self.rgb))


class Prompt(str):
    """The text, with what else the prompt file says: id, category, record (all its fields)."""

    @classmethod
    def of(cls, row):
        prompt = cls(row["text"])
        prompt.id, prompt.category, prompt.record = row.get("id", ""), row.get("category", ""), row.get("record") or {}
        return prompt


def _cut(sizes, data, at):
    images = []
    for size in sizes:
        if size is None:
            images.append(None)
            continue
        width, height = size
        end = at + 3 * width * height
        images.append(Image(width, height, data[at:end]))
        at = end
    return images, at


class _Verifier:
    kind = "verifier"

    def __init__(self, target, metrics, says):
        self.target, self.metrics, self.says = target, metrics, says
        score = target.score if inspect.isclass(target) else target
        self.wants = [name for name in inspect.signature(score).parameters if name in _OWN]
        self.takes_sets = "images" in self.wants
        if not self.takes_sets and "image" not in self.wants:
            raise TypeError("score needs a parameter `image`, or `images` for whole sets")

    def open(self, given):
        if inspect.isclass(self.target):
            self.score, self.bound = self.target(**options.bind(self.target.__init__, given, ("self",))).score, {}
        else:
            self.score, self.bound = self.target, options.bind(self.target, given, _OWN)
        needs_preview = "preview" in self.wants or "previews" in self.wants
        return {"metrics": [metric.row() for metric in self.metrics],
                "needs_prompt": "prompt" in self.wants or "prompts" in self.wants,
                "needs_preview": needs_preview, **self.says}

    def _call(self, images, prompts, previews):
        if self.takes_sets:
            own = {"images": images, "prompts": prompts, "previews": previews}
            return list(self.score(**{k: v for k, v in own.items() if k in self.wants}, **self.bound))
        rows = []
        for image, prompt, preview in zip(images, prompts, previews):
            own = {"image": image, "prompt": prompt, "preview": preview}
            rows.append(self.score(**{k: v for k, v in own.items() if k in self.wants}, **self.bound))
        return rows

    def _numbers(self, row):
        values = list(row) if isinstance(row, (list, tuple)) else [row]
        if len(values) != len(self.metrics):
            raise TypeError(f"score returned {len(values)} values for {len(self.metrics)} metrics")
        return [math.nan if value is None else float(value) for value in values]

    def answer(self, request, data):
        if request["op"] != "score":
            raise options.Refusal(f"a verifier is not asked to \"{request['op']}\"", "unsupported")
        images, at = _cut(request["images"], data, 0)
        previews, _ = _cut(request.get("previews") or [None] * len(images), data, at)
        known = [Prompt.of(row) for row in request["prompts"]]
        rows = self._call(images, [known[i] for i in request["prompt"]], previews)
        if len(rows) != len(images):
            raise TypeError(f"score returned {len(rows)} rows for {len(images)} images")
        return {"op": "scores"}, [array.array("d", [value for row in rows for value in self._numbers(row)])]


def verifier(metric=None, low=-math.inf, high=math.inf, help="", higher_is_better=True, across_prompts=True, *,
             metrics=None, comparative=False, needs_network=False, max_batch=0, preview_sigma=0.4, name=None, version="1"):
    """Makes a function or class the program's verifier. Several metrics: metrics=[Metric(...), ...]; a score is then a
    list of as many. None is "no opinion". comparative: scores have a meaning only within one set."""
    says = {"comparative": comparative, "needs_network": needs_network, "max_batch": max_batch,
            "preview_sigma": preview_sigma, "version": version}

    def decorate(target):
        text = help or (inspect.getdoc(target) or f"what {target.__name__} returns").splitlines()[0]
        rows = metrics or [Metric(metric or "score", low, high, text, higher_is_better, across_prompts)]
        service.register(_Verifier(target, rows, {"name": name or target.__name__, **says}))
        return target
    return decorate
