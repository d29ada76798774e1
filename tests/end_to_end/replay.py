"""replay.py WINNOW DIRECTORY - a candidate's lineage is enough to make its picture again: `winnow generate` with its prompt,
seed and stream gives the same pixels, in every noise mode and with each solver, for as many evaluations."""
import json
import pathlib
import shutil
import struct
import subprocess
import sys

SPEC = {
    "winnow": 0, "name": "replay", "seed": 18446744073709551615, "output": "unused",
    "prompts": {"list": ["one", "two"]},
    "canvas": {"width": 64, "height": 64, "steps": 5},
    "sampler": {"use": "analytic"},
    "verifiers": {"near": {"use": "analytic"}},
    "search": {"use": "random", "guide": "near", "options": {"candidates": 3}},
}
MODES = ["philox", "torch-cpu", "torch-cpu-bf16", "torch-cuda"]


def pixels(path):
    """The compressed pixels of a PNG: equal pixels from one encoder are equal bytes."""
    data, at, found = path.read_bytes(), 8, b""
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        if kind == b"IDAT":
            found += data[at + 8:at + 8 + size]
        at += 12 + size
    return found


def check(winnow, folder, mode, solver, memory):
    name = f"{mode}.{solver}.{memory}"
    spec, run, again = folder / f"{name}.json", folder / name, folder / "again.png"
    spec.write_text(json.dumps(SPEC | {"noise": mode, "canvas": SPEC["canvas"] | {"solver": solver},
                                       "sampler": SPEC["sampler"] | {"options": {"memory": memory}}}))
    subprocess.run([winnow, "run", spec, "--output", run, "--quiet"], check=True, stdout=subprocess.DEVNULL)
    rows = [json.loads(line) for line in (run / "results.jsonl").read_text().splitlines()]
    if len({row["lineage"]["noise"] for row in rows}) != (6 if mode == "philox" else 3):
        sys.exit(f"{mode}: the noises of prompts and candidates are not as different as they should be")
    for row in rows:
        origin = row["lineage"]
        told = subprocess.run([winnow, "generate", "--spec", spec, "--prompt", row["prompt"], "--seed",
                               str(origin["seed"]), "--stream", str(origin["stream"]), "--output", again, "--quiet",
                               "--json"], check=True, stdout=subprocess.PIPE)
        if not json.loads(told.stdout)["nfe"] == row["nfe"] == {"euler": 5, "heun": 9}[solver]:
            sys.exit(f"{solver}: {row['image']} took {row['nfe']} evaluations, its replay {told.stdout}")
        if pixels(again) != pixels(run / row["image"]):
            sys.exit(f"{mode}: {row['image']} and its replay differ")
    return len(rows)


def check_seeds(winnow, folder):
    """Two seeds are two pictures, on the streams of auxiliary draws too."""
    for stream in ("0", str(2**32)):
        pictures = set()
        for seed in ("1", "2"):
            path = folder / "seed.png"
            subprocess.run([winnow, "generate", "--sampler", "analytic", "--prompt", "one", "--width", "64", "--height", "64",
                            "--steps", "2", "--seed", seed, "--stream", stream, "--output", path, "--quiet"],
                           check=True, stdout=subprocess.DEVNULL)
            pictures.add(pixels(path))
        if len(pictures) != 2:
            sys.exit(f"--stream {stream}: --seed makes no difference")


def main():
    winnow, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    check_seeds(winnow, folder)
    for mode, solver, memory in [(mode, "euler", 0) for mode in MODES] + [("philox", "heun", 0), ("philox", "heun", 0.5)]:
        print(f"{mode}, {solver}, memory {memory}: {check(winnow, folder, mode, solver, memory)} pictures made again")


main()
