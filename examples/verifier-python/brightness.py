import winnow_worker

@winnow_worker.verifier(metric="brightness", low=0, high=255)
def score(image, prompt, weight: float = 1.0):
    return weight * sum(image.rgb) / len(image.rgb)

winnow_worker.serve()
