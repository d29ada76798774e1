"""picture.py WINNOW DIRECTORY FAULTY - pebble on the vulkan device makes the pictures that it makes on the cpu, and the
same candidates win: 2 prompts of 4 candidates, on the paths that the software driver can be made to take.

Seen: float32, one value of 98304 differs, by 1 of 255; bf16, by 4 of 255 at most (0.08 on average), as much as bf16
itself differs from float32 on the cpu (4, 0.07); clipscore by 4e-6 and 8e-4.
"""
import json
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import zlib

PEBBLE = pathlib.Path(os.environ["WINNOW_PEBBLE"])
SPEC = {
    "winnow": 0, "name": "picture", "seed": 7, "prompts": {"list": ["a red circle", "a blue square"]},
    "canvas": {"width": 64, "height": 64, "steps": 4},
    "sampler": {"use": "flux", "options": {"model": str(PEBBLE)}},
    "verifiers": {"clip": {"use": "clipscore", "options": {"model": str(PEBBLE / "clip")}}, "says": {"use": "shapes"}},
    "search": {"use": "random", "guide": "clip", "options": {"candidates": 4}}, "judge": ["says"],
}

# /devices/vulkan/caps, dtype, candidates (one: of the first prompt only), bound of a value of 255, of the mean, of clipscore.
RUNS = [("", "f32", 4, 1, 0.001, 1e-4), ("", "bf16", 1, 8, 0.2, 5e-3), ("no-unified", "f32", 1, 1, 0.001, 1e-4),
        ("gpu", "f32", 1, 1, 0.001, 1e-4), ("no-unified,block=1048576,memory=30000000", "f32", 1, 1, 0.001, 1e-4)]


def png_values(path):
    """The 8-bit RGB values of a PNG."""
    data, at, packed, width = path.read_bytes(), 8, b"", 0
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at:at + 8])
        if kind == b"IHDR":
            width = struct.unpack(">I", data[at + 8:at + 12])[0]
        elif kind == b"IDAT":
            packed += data[at + 8:at + 8 + size]
        at += 12 + size
    raw, line, out = zlib.decompress(packed), bytearray(3 * width), bytearray()
    for start in range(0, len(raw), 3 * width + 1):
        now = bytearray(raw[start + 1:start + 1 + 3 * width])
        for i in range(3 * width):
            left, up, corner = (now[i - 3], line[i], line[i - 3]) if i >= 3 else (0, line[i], 0)
            nearest = min((left, up, corner), key=lambda v: abs(left + up - corner - v))
            now[i] = (now[i] + (0, left, up, (left + up) // 2, nearest)[raw[start]]) & 255
        out += now
        line = now
    return out


class Runs:
    def __init__(self, winnow, folder, faulty):
        self.winnow, self.folder, self.faulty, self.made = winnow, folder, faulty, {}

    def rows(self, device, caps, dtype, candidates):
        name = f"{device.split(':')[0]}-{caps}-{dtype}-{candidates}"
        sets = [f"sampler.options.device={device}", f"sampler.options.dtype={dtype}", f"search.options.candidates={candidates}"]
        sets += [f"devices.vulkan.caps={caps}"] if caps else []
        limit = ["-n", "1"] if candidates == 1 else []
        done = subprocess.run([self.winnow, "run", "spec.json", "-o", name, *limit, *(w for s in sets for w in ("-s", s))],
                              cwd=self.folder, text=True, capture_output=True,
                              env=dict(os.environ, WINNOW_VULKAN_LIBRARY=self.faulty))
        if done.returncode == 3 and "llvmpipe" in done.stderr:
            print("SKIPPED: no software Vulkan driver (package mesa-vulkan-drivers)\n" + done.stderr)
            sys.exit(77)
        if done.returncode != 0:
            sys.exit(f"{name}: status {done.returncode}\n{done.stdout}{done.stderr}")
        if ("memory=" in caps) != ("stay in host memory" in done.stderr):
            sys.exit(f"{name}: weights are streamed where a device is small, and nowhere else\n{done.stderr}")
        if ("memory=" in caps) != ("encoders are released" in done.stderr):
            sys.exit(f"{name}: text encoders are released where the device is small, and nowhere else\n{done.stderr}")
        if caps and f"(caps: {caps})" not in (self.folder / name / "manifest.json").read_text():
            sys.exit(f"{name}: the manifest does not say what was in force")
        rows = [json.loads(line) for line in (self.folder / name / "results.jsonl").read_text().splitlines()]
        for row in rows:
            row["values"] = png_values(self.folder / name / row["image"])
        return {(row["prompt_id"], row["lineage"]["noise"]): row for row in rows}


def compare(runs, caps, dtype, candidates, bound, mean_bound, score_bound, cpu):
    mine = runs.rows("vulkan:llvmpipe", caps, dtype, candidates)
    differences, score = [], 0
    for key, row in mine.items():
        differences += [abs(a - b) for a, b in zip(row["values"], cpu[key]["values"])]
        score = max(score, abs(row["scores"]["clip.clipscore"] - cpu[key]["scores"]["clip.clipscore"]))
        if candidates == 4 and row["winner"] != cpu[key]["winner"]:
            sys.exit(f"{caps} {dtype}: {key} wins on one device only")
    worst, mean = max(differences), sum(differences) / len(differences)
    print(f"caps {caps or 'all'}, {dtype}: {len(mine)} pictures, worst {worst} of 255, mean {mean:.2g}, clipscore {score:.2g}")
    if len(mine) != (8 if candidates == 4 else 1) or worst > bound or mean > mean_bound or score > score_bound:
        sys.exit(f"bounds: {bound}, {mean_bound}, {score_bound}")


def told_apart(runs):
    """Two paths of one device are two algorithms in a comparison."""
    done = subprocess.run([runs.winnow, "compare", "vulkan-gpu-f32-1", "vulkan-no-unified-f32-1", "-o", "compared"],
                          cwd=runs.folder, text=True, capture_output=True)
    if done.returncode or not all(f"caps={caps} " in done.stdout + done.stderr for caps in ("gpu", "no-unified")):
        sys.exit(f"compare: status {done.returncode}\n{done.stdout}{done.stderr}")


def main():
    runs = Runs(sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3])
    shutil.rmtree(runs.folder, ignore_errors=True)
    runs.folder.mkdir(parents=True)
    (runs.folder / "spec.json").write_text(json.dumps(SPEC))
    cpu = {"f32": runs.rows("cpu", "", "f32", 4), "bf16": runs.rows("cpu", "", "bf16", 1)}
    for caps, dtype, *rest in RUNS:
        compare(runs, caps, dtype, *rest, cpu[dtype])
    told_apart(runs)


main()
