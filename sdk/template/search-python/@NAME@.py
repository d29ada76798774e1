"""@NAME@.py - climbs from a noise to a better one near it, as a search: put your own idea in the place of its lines."""
import winnow_worker
from winnow_worker.search import AUX


@winnow_worker.search
def climb(env, tries: int = 8, cosine: float = 0.8):  # keyword arguments with defaults are the options of a spec
    best, most, stream = 0, -float("inf"), 0  # streams: 0, 1, ... are fresh noises, and blend makes those near one
    for i in range(tries):
        if i > 0:
            stream = env.blend(best, AUX + i, cosine)
        sample = env.spawn(env.noise(stream))
        env.advance([sample], env.steps)  # where the budget ends, the function ends: that is fine
        score = env.score([sample])[0]  # nan = no opinion
        env.offer(sample)
        env.drop(sample)
        if score > most:
            best, most = stream, score


winnow_worker.serve()
