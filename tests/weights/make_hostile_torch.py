"""Writes torch files that lie, one for each way to lie.

usage: make_hostile_torch.py FOLDER

FOLDER/cases.txt has a line for each: file, tab, a part of the message that refuses it. The standard library only.
"""
import os
import struct
import sys

import torch_zip as tz

CASES = []


def case(name, data, reason):
    with open(os.path.join(FOLDER, name), "wb") as file:
        file.write(data)
    CASES.append((name, reason))


# ---- archives ----

LOCAL, ENTRY, END, END64, LOCATOR = b"PK\3\4", b"PK\1\2", b"PK\5\6", b"PK\6\6", b"PK\6\7"


class Archive:
    """An archive put together by hand, so that every field can be wrong. Members: name -> dict of fields to change."""

    def __init__(self, files, zip64=False, end=None, end64=None, locator=None, changes=None, order=None):
        self.data, self.directory = b"", b""
        offsets = {}
        for name, content in files:
            change = (changes or {}).get(name, {})
            key = change.get("local_name", name)
            offsets[name] = len(self.data)
            self.data += struct.pack("<4sHHHHHIIIHH", LOCAL, 20, 8, change.get("local_method", 0), 0, 0, 0, 0, 0,
                                     len(key), 0) + key.encode() + content
            at = change.get("offset", offsets[name])
            size, stored = change.get("size", len(content)), change.get("stored", change.get("size", len(content)))
            extra = change.get("extra", b"")
            shown = change.get("name", name).encode()
            self.directory += struct.pack("<4sHHHHHHIIIHHHHHII", ENTRY, 20, 20, change.get("flags", 8),
                                          change.get("method", 0), 0, 0, 0, stored, size, len(shown), len(extra), 0, 0, 0,
                                          0, at) + shown + extra
        count, begin, size = len(files), len(self.data), len(self.directory)
        self.tail = b""
        if zip64:
            f = {"length": 44, "here": count, "count": count, "size": size, "begin": begin, **(end64 or {})}
            self.tail += struct.pack("<4sQHHIIQQQQ", END64, f["length"], 30, 45, 0, 0, f["here"], f["count"], f["size"],
                                     f["begin"])
            f = {"at": begin + size, "disks": 1, **(locator or {})}
            self.tail += struct.pack("<4sIQI", LOCATOR, 0, f["at"], f["disks"])
        f = {"disk": 0, "here": count, "count": count, "size": size, "begin": begin, "comment": 0, **(end or {})}
        self.tail += struct.pack("<4sHHHHIIH", END, f["disk"], 0, f["here"], f["count"], f["size"], f["begin"],
                                 f["comment"])

    def bytes(self):
        return self.data + self.directory + self.tail


GOOD = list(tz.members({"a": tz.Tensor(tz.Storage("Float", bytes(24)), (2, 3))}).items())
PKL, DATA = "archive/data.pkl", "archive/data/0"


def archive(name, reason, **options):
    files = options.pop("files", GOOD)
    case(name, Archive(files, **options).bytes(), reason)


def changed(file, reason, member=PKL, **change):
    archive(file, reason, changes={member: change})


def archives():
    good = Archive(GOOD, zip64=True).bytes()
    case("empty", b"", "has 0 bytes")
    case("seven", b"PK\3\4aaa", "has 7 bytes")
    case("head", b"PK\3\4" + bytes(60), "has no end record")
    case("half", good[:len(good) // 2], "has no end record, so it is cut short")
    case("cut", good[:-1], "has no end record")
    case("tail", good + b"x", "has no end record")
    case("web", b"<!DOCTYPE html><html>", "no torch file")
    case("tar", b"pickle".ljust(512, b"\0"), "no torch file")
    case("legacy", b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.", "of the form before 1.6")
    archive("volumes", "one of several volumes", end={"disk": 1})
    archive("here", "one of several volumes", end={"here": 1})
    archive("more", "directory is shorter", end={"here": 60000, "count": 60000})
    archive("five", "directory is shorter", end={"here": 5, "count": 5})
    archive("fewer", "directory is longer", end={"here": 3, "count": 3})
    archive("begin", "directory does not end where", end={"begin": 0xFFFFFFF0})
    archive("size", "directory does not end where", end={"size": 7})
    archive("locator", "not where the locator puts it", zip64=True, locator={"at": 1 << 63})
    archive("locator2", "not where the locator puts it", zip64=True, locator={"at": 4})
    archive("disks", "one of several volumes", zip64=True, locator={"disks": 7})
    archive("length", "does not reach the locator", zip64=True, end64={"length": 1 << 62})
    archive("begin64", "directory does not end where its ZIP64", zip64=True, end64={"begin": (1 << 64) - 1})
    archive("size64", "directory does not end where its ZIP64", zip64=True, end64={"size": 1 << 60})
    archive("count64", "two end records contradict", zip64=True, end64={"here": 3, "count": 3})
    archive("crowd64", "directory is shorter", zip64=True, end64={"here": 1 << 60, "count": 1 << 60},
            end={"here": 65535, "count": 65535})
    changed("offset", "header is not where the directory puts it", offset=1 << 31)
    changed("offset2", "header is not where the directory puts it", offset=1)
    changed("header", "name it differently", local_name="archive/Data.pkl")
    changed("method", "different compressions", local_method=8)
    changed("encrypted", "is encrypted", flags=9)
    changed("beyond", "reach beyond the end", member=DATA, size=1 << 30)
    changed("wide", "reach beyond the end", member=DATA, size=0xFFFFFFFF,
            extra=struct.pack("<HHQQ", 1, 16, (1 << 64) - 1, (1 << 64) - 1))
    changed("lacks", "lacks a value", member=DATA, size=0xFFFFFFFF, extra=struct.pack("<HHQ", 1, 8, 24))
    changed("extra", "extra field is longer", extra=struct.pack("<HH", 1, 400))
    changed("sizes", "with two sizes", member=DATA, size=20, stored=24)
    changed("control", "control character 0x1b", name="archive/data\x1b[2J")
    changed("nameless", "a member has no name", name="")
    archive("twice", "it is there twice", files=GOOD + GOOD[:1])
    archive("overlap", "shares bytes with another", files=GOOD[:1] + [("archive/x", GOOD[0][1][:4])] + GOOD[1:],
            changes={PKL: {"size": len(GOOD[0][1]) + 10}})
    archive("none", "not one of torch", files=[("a", b"b")])
    archive("root", "not one of torch", files=[("data.pkl", GOOD[0][1])])
    archive("pair", "holds two pickles", files=GOOD + [("other/data.pkl", b"N.")])
    archive("order", "the other byte order", files=[(n, b"big" if "byteorder" in n else d) for n, d in GOOD])
    archive("missing", "are not in the archive", files=[f for f in GOOD if f[0] != DATA])
    archive("short", "of 6 F32 has 20 bytes", files=[(n, d[:20] if n == DATA else d) for n, d in GOOD])
    for name, member in (("packed", PKL), ("packed2", DATA)):
        tz.write(os.path.join(FOLDER, name), dict(GOOD), compressed=(member,))
        CASES.append((name, "is compressed (method 8)"))


# ---- pickles ----


def pickled(name, text, reason, storage=bytes(24)):
    """text: the whole pickle but for its protocol."""
    files = [("archive/data.pkl", b"\x80\x02" + text), ("archive/data/0", storage)]
    case(name, Archive(files).bytes(), reason)


def string(text):
    return b"X" + struct.pack("<I", len(text)) + text


def tensor(offset=b"K\0", shape=b"K\2K\3", stride=b"K\3K\1", storage=None, kind=b"FloatStorage", count=b"K\6"):
    if storage is None:
        storage = b"(" + string(b"storage") + b"ctorch\n" + kind + b"\n" + string(b"0") + string(b"cpu") + count + b"tQ"
    return (b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + offset + b"(" + shape + b"t(" + stride + b"t\x89N" +
            b"tR")


def named(key, value):
    return b"}(" + string(key) + value + b"u."


def number(n):
    data = n.to_bytes(8, "little", signed=True)
    return b"\x8a\x08" + data


def machines():
    pickled("system", b"cos\nsystem\n(" + string(b"true") + b"tR.", "wants 'os.system'")
    pickled("eval", string(b"builtins") + string(b"eval") + b"\x93.", "wants 'builtins.eval'")
    pickled("module", b"ctorch.nn.modules.linear\nLinear\n)\x81.", "wants 'torch.nn.modules.linear.Linear'")
    pickled("numpy", b"cnumpy.core.multiarray\nscalar\n.", "wants 'numpy.core.multiarray.scalar'")
    pickled("script", b"c__torch__evil\nA\n)\x81.", "wants '__torch__evil.A'")
    pickled("quantised", named(b"a", tensor(kind=b"QInt8Storage")), "wants 'torch.QInt8Storage'")
    pickled("nothing", b"", "it is cut short")
    pickled("unstopped", b"}(", "it is cut short")
    pickled("follow", b"N.N.", "something follows its end")
    pickled("many", b"NN.", "other than one object")
    pickled("mark", b"(.", "other than one object")
    pickled("protocol", b"\x80\x01N.", "protocol other than 2 to 5")
    pickled("protocol9", b"\x80\x09N.", "protocol other than 2 to 5")
    pickled("text", b"S'a'\n.", "opcode 0x53, which torch does not write")
    pickled("instance", b"(ios\nsystem\n.", "opcode 0x69, which torch does not write")
    pickled("extension", b"\x82\x01.", "opcode 0x82, which torch does not write")
    pickled("underflow", b"\x85.", "takes more from the stack")
    pickled("unmarked", b"Nt.", "a mark that is not there")
    pickled("marked", b"N(\x86.", "takes a mark")
    pickled("unkept", b"h\0.", "what was never kept")
    pickled("unkept2", b"Nq\5h\3.", "what was never kept")
    pickled("keep", b"q\0.", "a value that is not there")
    pickled("memo", b"Nr\xff\xff\xff\xff.", "more than 524288 objects at once")
    pickled("long_text", b"X\xff\xff\xff\xffabc.", "it is cut short")
    pickled("line", b"ctorch", "it is cut short")
    pickled("zero", b"}(" + string(b"a\0b") + b"Nu.", "zero character")
    pickled("long", b"\x8a\x09" + bytes(9) + b".", "more than 64 bits")
    pickled("float", b"G\0\0.", "it is cut short")
    pickled("odd", b"}(Nu.", "no dict")
    pickled("set_list", b"](NNu.", "no dict")
    pickled("append_dict", b"}Na.", "no list")
    pickled("set_none", b"N(NNu.", "no dict")
    pickled("state", b"K\1}b.", "what is no object")
    pickled("call_none", b"N)R.", "calls something that is not a function")
    pickled("call_type", b"ctorch\nFloatStorage\n)R.", "calls a type of storage")
    pickled("call_class", b"c__torch__\nA\n)R.", "calls a class")
    pickled("new_call", b"ctorch._utils\n_rebuild_tensor_v2\n)\x81.", "makes an object of a function")
    pickled("arguments", b"ctorch._utils\n_rebuild_tensor_v2\n)R.", "other arguments than torch writes")
    pickled("no_tuple", b"ctorch._utils\n_rebuild_tensor_v2\n]R.", "other arguments than torch writes")
    pickled("dict_items", b"ccollections\nOrderedDict\n(]tR.", "other arguments than torch writes")
    pickled("id", b"NQ.", "other arguments than torch writes")
    pickled("id_kind", b"(" + string(b"module") + b"ctorch\nFloatStorage\n" + string(b"0") + string(b"cpu") + b"K\6tQ.",
            "not a storage of torch")
    pickled("id_count", named(b"a", tensor(count=number(-6))), "not a storage of torch")
    pickled("no_storage", named(b"a", tensor(storage=b"N")), "without a storage")
    pickled("offset_below", named(b"a", tensor(offset=number(-1))), "negative offset")
    pickled("shape_below", named(b"a", tensor(shape=b"K\2" + number(-3))), "a number from 0")
    pickled("shape_kind", named(b"a", tensor(shape=b"K\2N")), "a number from 0")
    pickled("ranks", named(b"a", tensor(stride=b"K\1")), "other numbers of sizes and strides")
    pickled("nine", named(b"a", tensor(shape=b"K\1" * 9, stride=b"K\1" * 9)), "a tensor of 9 dimensions")
    pickled("past", named(b"a", tensor(offset=b"K\1")), "reaches beyond its storage of 6")
    pickled("past2", named(b"a", tensor(shape=b"K\3K\3")), "reaches beyond its storage of 6")
    pickled("past3", named(b"a", tensor(offset=b"K\7", shape=b"K\0K\3")), "reaches beyond its storage of 6")
    pickled("huge_offset", named(b"a", tensor(offset=number((1 << 63) - 1))), "reaches beyond its storage")
    pickled("huge_shape", named(b"a", tensor(shape=number(1 << 40) + number(1 << 40), stride=b"K\0K\0")),
            "reaches beyond its storage")
    pickled("huge_stride", named(b"a", tensor(stride=number((1 << 63) - 1) + b"K\1", shape=b"K\3K\3")),
            "reaches beyond its storage")
    pickled("expanded", named(b"a", tensor(shape=number(1 << 30) + b"K\1", stride=b"K\0K\0")), "an expanded view")
    pickled("huge_storage", named(b"a", tensor(count=number(1 << 62))), "of 4611686018427387904 F32 has 24 bytes")
    pickled("key", named(b"a", tensor(storage=b"(" + string(b"storage") + b"ctorch\nFloatStorage\n" +
                                      string(b"../../x") + string(b"cpu") + b"K\6tQ")), "are not in the archive")
    pickled("objects", b"]" + b"(" + b"}" * 500000 + b"e" + b"(" + b"}" * 500000 + b"e.", "MiB of objects")
    pickled("stack", b"N" * 600000 + b".", "more than 524288 objects at once")
    pickled("deep", b"}" + (string(b"a") + b"}") * 100 + b"s" * 100 + b".", "more than 64 deep")
    pickled("circle", b"}q\0(" + string(b"a") + b"h\0u.", "more than 64 deep")
    laughs = b"]q\0"
    for i in range(40):
        laughs += b"](h" + bytes([i]) + b"h" + bytes([i]) + b"eq" + bytes([i + 1])
    pickled("laughs", b"(" + laughs + b"t.", "objects to walk through")
    pickled("same", b"}(" + string(b"a.b") + tensor() + string(b"a") + b"}(" + string(b"b") + tensor() + b"uu.",
            "tensor 'a.b' stands there twice")
    pickled("again", b"}(" + string(b"a") + tensor() + string(b"a") + tensor() + b"u.", "tensor 'a' stands there twice")
    pickled("escape", named(b"a\x1b[2J", tensor()), "control character 0x1b")
    pickled("long_name", named(b"a" * 2000, tensor()), "longer than 1023 bytes")
    pickled("integer", b"K\1.", "neither a dict nor a list")
    pickled("bare", b"}.", "holds no tensors")
    pickled("alone", tensor() + b".", "neither a dict nor a list")


FOLDER = sys.argv[1]
archives()
machines()
with open(os.path.join(FOLDER, "cases.txt"), "w", encoding="utf-8") as listing:
    listing.writelines(f"{name}\t{reason}\n" for name, reason in CASES)
