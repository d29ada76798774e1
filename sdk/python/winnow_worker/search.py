"""Searches: a function run(env, ...) that reads like its paper; what else it takes are its options.

    @winnow_worker.search
    def best_of_n(env, candidates: int = 16):
        for i in range(candidates):
            sample = env.spawn(env.noise(i))
            env.advance([sample], env.steps)
            env.score([sample])
            env.offer(sample)

As search.h says: a function of (options, env), with no clock and no randomness of its own. Should the process die, the search is
run again in another, its calls answered as before.
"""
import array
import math

from . import frames, options, service
from .verifier import Prompt

AUX = 1 << 32  # streams from here on are for a search's own draws
CPS, CONSTANT, GRPO, RBF, RBF_VP = 1, 2, 3, 4, 5  # kernels of kick


class BudgetSpent(Exception):
    """The call would pass the budget; nothing was done. A search that lets it through has ended well."""


class Env:
    """What a search may do. Samples are numbers; points are places in sigma, 0 = noise, steps = image."""

    def __init__(self, run):
        self.prompt = Prompt.of(run["prompt"])
        self.steps, self.sigma = run["steps"], run["sigma"]
        self.latent_shape = tuple(run["latent_shape"])
        self.batch_hint, self.evals_per_velocity = run["batch_hint"], run["evals_per_velocity"]

    def _ask(self, op, parts=(), **members):
        stream = frames.stream()
        stream.send({"op": op, **members}, parts)
        answer, data = stream.receive()
        if answer["op"] == "error":
            raise BudgetSpent(answer["message"]) if answer["code"] == "budget" else options.Refusal(answer["message"], answer["code"])
        return answer, data

    def budget_left(self, currency="nfe"):
        """Of nfe, seconds, verifier_calls or candidates; infinite where the spec sets none."""
        left = self._ask("budget_left", currency=currency)[0]["value"]
        return math.inf if left is None else left

    def noise(self, stream):
        """Standard normal noise of a stream, as float32 in an array."""
        return array.array("f", bytes(self._ask("noise", stream=str(stream))[1]))

    def random(self, stream, index=0):
        """64 random bits as a number."""
        return int(self._ask("random", stream=str(stream), index=str(index))[0]["value"])

    def spawn(self, noise, parent=0):
        return int(self._ask("spawn", [array.array("f", noise) if isinstance(noise, list) else noise], parent=str(parent))[0]["sample"])

    def clone(self, sample):
        return int(self._ask("clone", sample=str(sample))[0]["sample"])

    def drop(self, sample):
        self._ask("drop", sample=str(sample))

    def advance(self, samples, point):
        self._ask("advance", samples=[str(sample) for sample in samples], point=point)

    def renoise(self, sample, point, stream):
        self._ask("renoise", sample=str(sample), point=point, stream=str(stream))

    def kick(self, sample, point, stream, kernel=CPS, scale=0.5):
        self._ask("kick", sample=str(sample), point=point, stream=str(stream), kernel=kernel, scale=scale)

    def cost(self, start, end):
        """NFE of advancing one sample from point to point, when no velocity on the way is paid for yet."""
        return int(self._ask("cost", **{"from": start, "point": end})[0]["value"])

    def blend(self, base, other, cosine):
        """A stream whose noise is cosine times that of base and the rest that of other, an auxiliary stream."""
        return int(self._ask("blend", base=str(base), cosine=cosine, **{"with": str(other)})[0]["value"])

    def peek(self, sample):
        """The state and its x0-prediction, each float32 in an array."""
        data = array.array("f", bytes(self._ask("peek", sample=str(sample))[1]))
        return data[:len(data) // 2], data[len(data) // 2:]

    def score(self, samples):
        """The guide's word on each, higher is better; NaN where it has none."""
        return list(array.array("d", bytes(self._ask("score", samples=[str(sample) for sample in samples])[1])))

    def offer(self, sample):
        self._ask("offer", sample=str(sample))


class _Search:
    kind = "search"

    def __init__(self, target):
        self.target = target

    def open(self, given):
        self.bound = options.bind(self.target, given, ("env",))
        return {"name": self.target.__name__}

    def answer(self, request, data):
        if request["op"] != "run":
            raise options.Refusal(f"a search is not asked to \"{request['op']}\"", "unsupported")
        try:
            self.target(Env(request), **self.bound)
        except BudgetSpent:
            pass
        return {"op": "done"}, []


def search(target):
    """Makes a function the program's search."""
    service.register(_Search(target))
    return target
