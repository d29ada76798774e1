"""Writes files as torch does, with nothing but the standard library: torch.save's zip archives and TorchScript's.

A file is `<name>/data.pkl`, a pickle whose storages are persistent ids, and `<name>/data/<key>`, their bytes. The pickle
names torch's functions and types; modules of those names are made up here, so that Python's own pickler writes them.
"""
import collections
import io
import json
import pickle
import struct
import sys
import types
import zipfile

SIZES = {"Float": 4, "Half": 2, "BFloat16": 2, "Double": 8, "Long": 8, "Int": 4, "Byte": 1, "Bool": 1}
FROM_SAFETENSORS = {"F32": "Float", "F16": "Half", "BF16": "BFloat16", "F64": "Double", "I64": "Long", "I32": "Int",
                    "U8": "Byte", "BOOL": "Bool"}


def made_up(module, name, kind=type):
    """A class or function that pickles as module.name."""
    parts = module.split(".")
    for i in range(len(parts)):
        path = ".".join(parts[:i + 1])
        if path not in sys.modules:
            sys.modules[path] = types.ModuleType(path)
    if not hasattr(sys.modules[module], name):
        thing = type(name, (), {}) if kind is type else lambda *a: None
        thing.__module__, thing.__qualname__, thing.__name__ = module, name, name
        setattr(sys.modules[module], name, thing)
    return getattr(sys.modules[module], name)


REBUILD = made_up("torch._utils", "_rebuild_tensor_v2", types.FunctionType)
PARAMETER = made_up("torch._utils", "_rebuild_parameter", types.FunctionType)
STORAGES = {kind: made_up("torch", kind + "Storage") for kind in SIZES}


class Storage:
    def __init__(self, kind, data, key=None, count=None):
        self.kind, self.data, self.key = kind, data, key
        self.count = len(data) // SIZES[kind] if count is None else count


class Tensor:
    """storage[offset + sum index * stride]; strides of a dense tensor unless given."""

    def __init__(self, storage, shape, stride=None, offset=0, is_parameter=False):
        if stride is None:
            stride = []
            for n in reversed(shape):
                stride.insert(0, stride[0] * after if stride else 1)
                after = n
        self.storage, self.shape, self.stride, self.offset = storage, tuple(shape), tuple(stride), offset
        self.is_parameter = is_parameter

    def __reduce__(self):
        if self.is_parameter:
            return PARAMETER, (Tensor(self.storage, self.shape, self.stride, self.offset), True,
                               collections.OrderedDict())
        return REBUILD, (self.storage, self.offset, self.shape, self.stride, False, collections.OrderedDict())


class Pickler(pickle.Pickler):
    def __init__(self, file, protocol):
        super().__init__(file, protocol)
        self.storages = []

    def persistent_id(self, thing):
        if not isinstance(thing, Storage):
            return None
        if thing not in self.storages:
            self.storages.append(thing)
        key = thing.key if thing.key is not None else str(self.storages.index(thing))
        return "storage", STORAGES[thing.kind], key, "cpu", thing.count


def dumps(thing, protocol=2):
    """(pickle, storages)"""
    file = io.BytesIO()
    pickler = Pickler(file, protocol)
    pickler.dump(thing)
    return file.getvalue(), pickler.storages


def members(thing, name="archive", protocol=2):
    """The archive's members, name to bytes, in torch's order."""
    text, storages = dumps(thing, protocol)
    files = {f"{name}/data.pkl": text, f"{name}/byteorder": b"little"}
    for i, storage in enumerate(storages):
        files[f"{name}/data/{i}"] = bytes(storage.data)
    files[f"{name}/version"] = b"3\n"
    return files


def write(path, files, compressed=()):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, data in files.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED if name in compressed else zipfile.ZIP_STORED
            with archive.open(info, "w", force_zip64=True) as member:
                member.write(data)


def save(path, thing, **options):
    write(path, members(thing, **options))


def script(names):
    """The object of a TorchScript archive whose attributes are tensors by their dotted names."""
    root = made_up("__torch__.clip.model", "CLIP")()
    for name, tensor in names.items():
        *path, leaf = name.split(".")
        at = root
        for i, part in enumerate(path):
            if part not in at.__dict__:
                at.__dict__[part] = made_up(f"__torch__.torch.nn.modules.___torch_mangle_{i}", "Module")()
                at.__dict__[part].__dict__["training"] = False
            at = at.__dict__[part]
        at.__dict__[leaf] = tensor
    return root


def read_safetensors(path):
    """Name to (dtype, shape, bytes)."""
    with open(path, "rb") as file:
        size = struct.unpack("<Q", file.read(8))[0]
        header = json.loads(file.read(size))
        data = file.read()
    header.pop("__metadata__", None)
    return {name: (t["dtype"], t["shape"], data[slice(*t["data_offsets"])]) for name, t in header.items()}


def write_safetensors(path, tensors):
    header, data = {}, b""
    for name, (dtype, shape, values) in tensors.items():
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [len(data), len(data) + len(values)]}
        data += values
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


def tensors(named):
    """Tensor objects for (dtype, shape, bytes)."""
    return {name: Tensor(Storage(FROM_SAFETENSORS[dtype], data), shape) for name, (dtype, shape, data) in named.items()}
