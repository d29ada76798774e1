"""Best of n in waves, with a look at what it samples: every call of env that a search can make."""
import math

import trouble
import winnow_worker
from winnow_worker.search import AUX, Env

if trouble.COUNTER:  # each process lives for some calls longer than the one before, up to a whole search of 63
    left = [4 * (trouble.count() % 20 + 1)]
    ask = Env._ask

    def _ask(self, op, *args, **members):
        left[0] -= 1
        if left[0] == 0:
            trouble.strike()
        return ask(self, op, *args, **members)
    Env._ask = _ask


@winnow_worker.search
def waves(env, candidates: int = 6):
    assert env.budget_left("candidates") > 0
    for i in range(0, candidates, 2):
        pair = [env.spawn(env.noise(i + k)) for k in range(2)]
        env.advance(pair, env.steps // 2)
        assert env.cost(0, env.steps) == env.steps * env.evals_per_velocity
        x, x0 = env.peek(pair[0])
        assert len(x) == len(x0) == math.prod(env.latent_shape)
        twin = env.clone(pair[0])
        env.renoise(twin, 1, AUX + env.random(i) % 1000)
        env.kick(twin, 2, env.blend(i, AUX + i, 0.5))
        for group in (pair, [twin]):
            env.advance(group, env.steps)
            scores = env.score(group)
            env.offer(group[scores.index(max(scores))])
            for sample in group:
                env.drop(sample)


winnow_worker.serve()
