"""What the training scripts share: folders, threads, checkpoints that resume, a schedule, EMA."""
import os
import pathlib
import time

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "0")
import numpy as np   # noqa: E402
import torch         # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
WORK = pathlib.Path(os.environ.get("PEBBLE_WORK", HERE / "work"))   # checkpoints, caches
OUT = pathlib.Path(os.environ.get("PEBBLE_OUT", HERE.parent))       # the finished folder
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
torch.set_num_threads(int(os.environ.get("PEBBLE_THREADS", os.cpu_count())))


def autocast():
    return torch.autocast(DEVICE, dtype=torch.bfloat16)


def to_unit(images):
    """uint8 [n,h,w,3] -> float [n,3,h,w] in -1..1"""
    x = torch.from_numpy(np.ascontiguousarray(images)).to(DEVICE)
    return x.permute(0, 3, 1, 2).float() / 127.5 - 1


def to_bytes(images):
    """float [n,3,h,w] in -1..1 -> uint8 [n,h,w,3], rounded as diffusers does"""
    x = (images.float() / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1)
    return (x * 255).round().byte().cpu().numpy()


def trapezoid(step, steps, warm=100, cool=0.25):
    """Learning-rate factor: a short rise, a plateau, a linear fall over the last part."""
    return min((step + 1) / warm, 1.0, max(steps - step, 0) / (cool * steps))


class Ema:
    """A running average of the weights, with the ramp that forgets the start."""

    def __init__(self, module, decay):
        self.decay = decay
        self.shadow = {k: v.detach().clone() for k, v in module.state_dict().items()}

    def update(self, module, step):
        d = min(self.decay, (1 + step) / (10 + step))
        with torch.no_grad():
            for k, v in module.state_dict().items():
                if v.is_floating_point():
                    self.shadow[k].lerp_(v.float(), 1 - d)


def save(name, state):
    WORK.mkdir(parents=True, exist_ok=True)
    torch.save(state, WORK / f"{name}.tmp")
    os.replace(WORK / f"{name}.tmp", WORK / name)


def load(name):
    path = WORK / name
    return torch.load(path, map_location=DEVICE, weights_only=False) if path.exists() else None


START = time.time()


def log(*words):
    print(f"[{time.time() - START:7.0f}s]", *words, flush=True)
