"""devices.py WINNOW DIRECTORY - several devices for one sampler: who computes an item changes no bit, and devices that would are
refused before a picture is made."""
import json
import os
import pathlib
import shutil
import struct
import subprocess
import sys

PEBBLE = os.environ["WINNOW_PEBBLE"]
OTHER = "vulkan:llvmpipe"


def fail(text):
    sys.exit(text)


def winnow(*words, want=0):
    done = subprocess.run([sys.argv[1], *map(str, words)], capture_output=True, text=True)
    if want is not None and done.returncode != want:
        fail(f"{words}: status {done.returncode}, want {want}\n{done.stdout}{done.stderr}")
    return done


def write(folder, name, device, **options):
    spec = {
        "winnow": 0, "name": "devices", "seed": 4, "output": str(folder / name),
        "prompts": {"list": ["a red circle", "a blue square"]}, "canvas": {"width": 64, "height": 64, "steps": 3},
        "sampler": {"use": "flux", "options": {"model": PEBBLE, "device": device} | options},
        "verifiers": {"near": {"use": "analytic"}}, "search": {"use": "random", "guide": "near", "options": {"candidates": 5}},
        "engine": {"batch": 16, "live": 2},
    }
    (folder / f"{name}.json").write_text(json.dumps(spec))
    return folder / f"{name}.json"


def pixels(path):
    """The compressed pixels: the recipe beside them names the devices."""
    data, at, found = path.read_bytes(), 8, b""
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        found += data[at + 8:at + 8 + size] if kind == b"IDAT" else b""
        at += 12 + size
    return found


def rows(folder, name):
    found = [json.loads(line) for line in (folder / name / "results.jsonl").read_text().splitlines()]
    return {row["candidate"]: (row["scores"], pixels(folder / name / row["image"])) for row in found}


def main():
    folder = pathlib.Path(sys.argv[2])
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    winnow("run", write(folder, "one", "cpu"), "--quiet")
    winnow("run", write(folder, "two", "cpu,cpu"), "--quiet")
    winnow("run", write(folder, "three", "cpu,cpu,cpu", batch=2, encoders="swap"), "--quiet")
    one = rows(folder, "one")
    if len(one) != 10 or rows(folder, "two") != one or rows(folder, "three") != one:
        fail("several devices make other pictures than one")
    reuse = {"reuse": "steps", "reuse_every": 2}
    winnow("run", write(folder, "reuse-one", "cpu", **reuse), "--quiet")
    winnow("run", write(folder, "reuse-three", "cpu,cpu,cpu", batch=2, **reuse), "--quiet")
    reused = rows(folder, "reuse-one")
    if len(reused) != 10 or rows(folder, "reuse-three") != reused or reused.keys() & one.keys():
        fail("several devices that reuse steps make other pictures than one, or none of their own")
    said = winnow("run", write(folder, "one", "cpu,cpu"), "--quiet", want=2).stderr
    if "belongs to spec" not in said:
        fail(f"a run that was begun on one device goes on with two: {said}")
    for device in ("cpu,", ",cpu", "cpu,,cpu"):
        if "commas" not in winnow("run", write(folder, "wrong", device), "--quiet", want=None).stderr:
            fail(f'"{device}" is no list of devices')
    if OTHER.split(":")[1] not in winnow("devices", want=None).stdout.lower():
        print("equal bits; no second device to refuse")
        return
    said = winnow("run", write(folder, "mixed", f"cpu,{OTHER}"), "--quiet", want=3)  # the same command fails again
    if said.stderr.count("different bits") != 1 or "goes on from there" in said.stderr:
        fail(f"devices of different bits: {said.stderr}")
    print("equal bits; devices that differ are refused")


main()
