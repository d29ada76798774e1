"""Verifiers, samplers and searches for winnow, in Python, each in a process of its own.

    import winnow_worker

    @winnow_worker.verifier(metric="brightness", low=0, high=255)
    def score(image, prompt, weight: float = 1.0):
        return weight * sum(image.rgb) / len(image.rgb)

    winnow_worker.serve()

A program decorates one function or class and calls serve(). winnow starts it (plugin `worker`), tells it its options, asks
it, and starts it anew when it dies. Whatever the program prints goes to winnow's log. Needs nothing but Python 3.9.
"""
from .frames import Gone, log, progress
from .options import Refusal
from .sampler import Canvas, sampler
from .search import BudgetSpent, search
from .service import serve, uses_file
from .verifier import Image, Metric, Prompt, verifier

__all__ = ["BudgetSpent", "Canvas", "Gone", "Image", "Metric", "Prompt", "Refusal", "log", "progress", "sampler", "search",
           "serve", "uses_file", "verifier"]
