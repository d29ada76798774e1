"""swap.py WINNOW DIRECTORY - where memory is short the encoders of flux are loaded once for all prompts that wait, and the pictures stay
the same.
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys

PROMPTS = ["a red circle", "a blue square", "a green circle", "a red square", "a blue circle", "a green square"]
SPEC = {
    "winnow": 0, "name": "swap", "seed": 7, "prompts": {"list": PROMPTS}, "canvas": {"width": 64, "height": 64, "steps": 2},
    "sampler": {"use": "flux", "options": {"model": os.environ["WINNOW_PEBBLE"], "batch": 2}},
    "verifiers": {"says": {"use": "shapes"}}, "search": {"use": "random", "guide": "says", "options": {"candidates": 2}},
}


def pixels(path):
    """The packed values of a PNG, without its texts."""
    data, at, packed = path.read_bytes(), 8, b""
    while at < len(data):
        size = int.from_bytes(data[at:at + 4], "big")
        packed += data[at + 8:at + 8 + size] if data[at + 4:at + 8] == b"IDAT" else b""
        at += 12 + size
    return packed


def run(folder, encoders, live):
    """How often the encoders were loaded, and the pictures by prompt and noise."""
    name = f"{encoders}-{live}"
    done = subprocess.run([sys.argv[1], "run", "spec.json", "-o", name, "-s", f"sampler.options.encoders={encoders}",
                           "-s", f"engine.live={live}"], cwd=folder, text=True, capture_output=True)
    if done.returncode != 0:
        sys.exit(f"{name}: status {done.returncode}\n{done.stdout}{done.stderr}")
    rows = [json.loads(line) for line in (folder / name / "results.jsonl").read_text().splitlines()]
    made = {(row["prompt_id"], row["lineage"]["noise"]): pixels(folder / name / row["image"]) for row in rows}
    return (folder / name / "log.txt").read_text().count("the text encoders are loaded"), made


def main():
    folder = pathlib.Path(sys.argv[2])
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "spec.json").write_text(json.dumps(SPEC))
    _, want = run(folder, "keep", 6)
    for encoders, live, least, most in (("swap", 1, 6, 6), ("swap", 6, 1, 5), ("release", 6, 1, 5)):
        loads, made = run(folder, encoders, live)
        print(f"{encoders}, {live} prompts at once: loaded {loads} times for {len(PROMPTS)} prompts")
        if made != want or len(made) != 12:
            sys.exit("other pictures")
        if not least <= loads <= most:
            sys.exit(f"{least} to {most} times are needed")


main()
