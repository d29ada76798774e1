import trouble
import winnow_worker


@winnow_worker.verifier(metric="brightness", low=0, high=255, max_batch=1)
def score(image, prompt):
    trouble.every(2)
    return sum(image.rgb) / len(image.rgb)


winnow_worker.serve()
