"""Muon (Jordan et al., 2024) for matrices and convolutions, AdamW for everything else.

The update of a matrix is its momentum made nearly orthogonal by four Newton-Schulz iterations;
its size is set so that AdamW's learning rate fits both (Liu et al., 2025: 0.2 sqrt(max(m, n))).
"""
import torch


@torch.no_grad()
def orthogonal(g, steps=4):
    """g [k, m, n]: k matrices of one shape, done together."""
    x = g.bfloat16()
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    tall = x.size(1) > x.size(2)
    x = x.mT if tall else x
    for _ in range(steps):
        a = x @ x.mT
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return (x.mT if tall else x).float()


class Muon(torch.optim.Optimizer):
    """params: an iterable of (name, parameter). `plain(name, p)` says which ones AdamW gets."""

    def __init__(self, named, lr, adam_lr=None, momentum=0.95, betas=(0.9, 0.97), decay=0.02,
                 plain=lambda name, p: p.ndim < 2):
        hidden, rest = [], []
        for name, p in named:
            (rest if plain(name, p) else hidden).append(p)
        adam_lr = adam_lr or lr
        super().__init__([dict(params=hidden, muon=True, lr=lr, base=lr),
                          dict(params=rest, muon=False, lr=adam_lr, base=adam_lr)],
                         dict(momentum=momentum, betas=betas, decay=decay))

    def scale(self, factor):
        for group in self.param_groups:
            group["lr"] = group["base"] * factor

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            (self.step_muon if group["muon"] else self.step_adam)(group)

    def step_muon(self, group):
        shapes = {}
        for p in group["params"]:
            if p.grad is None:
                continue
            m = self.state[p].setdefault("momentum", torch.zeros_like(p))
            m.lerp_(p.grad, 1 - group["momentum"])
            update = p.grad.lerp(m, group["momentum"]).flatten(1)
            shapes.setdefault(update.shape, []).append((p, update))
        for shape, items in shapes.items():
            updates = orthogonal(torch.stack([u for _, u in items]))
            size = group["lr"] * 0.2 * max(shape) ** 0.5
            for (p, _), u in zip(items, updates):
                p.mul_(1 - group["lr"] * group["decay"]).add_(u.view_as(p), alpha=-size)

    def step_adam(self, group):
        b1, b2 = group["betas"]
        for p in group["params"]:
            if p.grad is None:
                continue
            s = self.state[p]
            s.setdefault("m", torch.zeros_like(p)).lerp_(p.grad, 1 - b1)
            s.setdefault("v", torch.zeros_like(p)).lerp_(p.grad.square(), 1 - b2)
            t = s["t"] = s.get("t", 0) + 1
            root = (s["v"] / (1 - b2 ** t)).sqrt_().add_(1e-8)
            p.addcdiv_(s["m"], root, value=-group["lr"] / (1 - b1 ** t))
