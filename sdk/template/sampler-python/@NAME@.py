"""@NAME@.py - a model of gray pictures, as a sampler: put your own in the place of `velocity` and `decode`.

Clean latents are x0 ~ N(m, s^2), m told by the prompt's length. At sigma, x ~ N((1 - sigma) m, V) with V = (1 - sigma)^2 s^2 +
sigma^2, so E[x0 | x] = m + (1 - sigma) s^2 / V (x - (1 - sigma) m), and v = (x - E[x0 | x]) / sigma.
"""
import array

import winnow_worker

STRIDE = 8


@winnow_worker.sampler
class Gray:
    latent_channels, latent_stride_px, size_multiple_px, has_preview = 1, STRIDE, STRIDE, True

    def __init__(self, spread: float = 0.5):  # keyword arguments with defaults are the options of a spec; load weights here
        self.variance = spread * spread

    def schedule(self, canvas):
        return [1 - i / canvas.steps for i in range(canvas.steps + 1)]  # 1 .. 0

    def encode(self, prompt, canvas, sigmas):
        return len(prompt) % 8 / 4 - 1

    def velocity(self, canvas, x, sigmas, means):  # latents are float32 in a buffer: numpy.frombuffer(x[0], "f4")
        answers = []
        for latent, sigma, mean in zip(x, sigmas, means):
            clean = 1 - sigma
            gain = clean * self.variance / (clean * clean * self.variance + sigma * sigma)
            answers.append(array.array("f", [(a - mean - gain * (a - clean * mean)) / sigma for a in latent.cast("f")]))
        return answers

    def decode(self, canvas, x0, is_preview):
        pictures = []
        for latent in x0:
            levels, columns = [min(max(int(128 + 48 * a), 0), 255) for a in latent.cast("f")], canvas.width // STRIDE
            rows = [b"".join(bytes([level] * 3 * STRIDE) for level in levels[at:at + columns]) * STRIDE
                    for at in range(0, len(levels), columns)]
            pictures.append(b"".join(rows))
        return pictures


winnow_worker.serve()
