"""Makes tests/weights/data: small files written by torch itself. Development only.

    python tests/weights/make_torch_files.py
"""
import collections
import os
import zipfile

import torch

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data")
TYPES = [torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.int64, torch.int32, torch.int16, torch.int8,
         torch.uint8, torch.bool]


class Inner(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.lin = torch.nn.Linear(3, 2)
        self.lin.weight.data = torch.arange(6.0).reshape(2, 3)
        self.lin.bias.data = torch.tensor([-1.0, 2.5])
        self.sizes = [3, 2]

    def forward(self, x):
        return self.lin(x) + self.sizes[0]


class Outer(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = Inner()
        self.scale = torch.nn.Parameter(torch.tensor(0.5).half())
        self.register_buffer("input_resolution", torch.tensor(224))

    def forward(self, x):
        return self.inner(x) * self.scale.float()


def drop_paths(path):
    """Writes a TorchScript archive again without its debugging members, which hold paths of this machine."""
    with zipfile.ZipFile(path) as archive:
        files = [(m, archive.read(m)) for m in archive.infolist() if not m.filename.endswith(".debug_pkl")]
    with zipfile.ZipFile(path, "w") as archive:
        for member, data in files:
            archive.writestr(member.filename, data, member.compress_type)


os.makedirs(HERE, exist_ok=True)
base = torch.arange(24.0).reshape(2, 3, 4)
shared = torch.arange(10)
torch.save({f"t{i}": torch.tensor([0, 1, 1]).to(t) for i, t in enumerate(TYPES)}, f"{HERE}/types.pt")
torch.save({"all": base, "row": base[1], "turned": base.permute(2, 0, 1), "every": base[:, ::2, 1:],
            "empty": base[:, :0], "number": torch.tensor(7.0), "head": shared[:3], "tail": shared[3:],
            "nested": {"list": [torch.ones(1), {"x": torch.zeros(1)}], "text": "no", "none": None, 5: torch.ones(2)},
            "parameter": torch.nn.Parameter(torch.ones(2))}, f"{HERE}/views.pt")
model = Outer()
state = collections.OrderedDict(("module." + k, v) for k, v in model.state_dict().items())
torch.save({"epoch": 3, "state_dict": state, "optimizer": {"state": {}, "param_groups": [{"lr": 1e-3}]}},
           f"{HERE}/checkpoint.pt")
torch.jit.save(torch.jit.script(model), f"{HERE}/script.pt")
torch.jit.save(torch.jit.trace(model, torch.zeros(1, 3)), f"{HERE}/trace.pt")
drop_paths(f"{HERE}/script.pt")
drop_paths(f"{HERE}/trace.pt")
torch.save({"a": torch.ones(2)}, f"{HERE}/legacy.pt", _use_new_zipfile_serialization=False)
torch.save(model, f"{HERE}/module.pt")
