"""@NAME@.py - how bright an image is, as a verifier: put your own measure in the place of the last line of `score`."""
import winnow_worker


@winnow_worker.verifier(metric="@NAME@", low=0, high=255, help="mean of all values")
def score(image, prompt, weight: float = 1.0):  # keyword arguments with defaults are the options of a spec
    return weight * sum(image.rgb) / len(image.rgb)  # also: image.width, image.height; rgb holds their bytes


winnow_worker.serve()
