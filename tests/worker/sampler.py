"""A flow whose data is one grey per prompt: x0 = g, so v = (x - g) / sigma. Each process is told of the prompts in use before
it is asked, so trouble comes more seldom than those are many."""
import array

import trouble
import winnow_worker


@winnow_worker.sampler
class Flow:
    latent_channels, latent_stride_px, size_multiple_px, has_preview, model_key = 1, 8, 8, True, "grey"

    def schedule(self, canvas):
        return [1 - i / canvas.steps for i in range(canvas.steps + 1)]

    def encode(self, prompt, canvas, sigmas):
        trouble.every(5)
        return len(prompt) / 10

    def velocity(self, canvas, x, sigmas, conds):
        trouble.every(5)
        return [array.array("f", [0.1 * (a - grey) / sigma for a in latent.cast("f")])
                for latent, sigma, grey in zip(x, sigmas, conds)]

    def decode(self, canvas, x0, is_preview):
        trouble.every(5)
        pictures = []
        for latent in x0:
            values, columns = latent.cast("f"), canvas.width // 8
            rows = [bytes(min(255, max(0, int(60 * values[r * columns + c // 8] + 128))) for c in range(canvas.width) for _ in range(3))
                    for r in range(canvas.height // 8)]
            pictures.append(b"".join(row for row in rows for _ in range(8)))
        return pictures


winnow_worker.serve()
