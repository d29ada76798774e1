"""turns.py WINNOW DIRECTORY FAULTY - pebble with drafts, `reuse` and batches of four where memory holds its weights, but not the
activations of all its programs: they take turns, and the pictures are those of a device that holds all.
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys

PEBBLE = pathlib.Path(os.environ["WINNOW_PEBBLE"])
DRAFTS = {"use": "random", "options": {"candidates": 4}, "shrink": 2, "steps": 3, "keep": 2}
SPEC = {
    "winnow": 0, "name": "turns", "seed": 7, "prompts": {"list": ["a red circle", "a blue square"]},
    "canvas": {"width": 64, "height": 64, "steps": 6},
    "sampler": {"use": "flux", "options": {"model": str(PEBBLE), "device": "vulkan:llvmpipe", "decode": "tiles", "reuse": "steps",
                                           "reuse_every": 2, "batch": 4}},
    "verifiers": {"clip": {"use": "clipscore", "options": {"model": str(PEBBLE / "clip")}}, "says": {"use": "shapes"}},
    "search": {"use": "stages", "guide": "clip",
               "options": {"stages": [DRAFTS, {"use": "random", "options": {"candidates": 4}}]}}, "judge": ["says"],
}


def run(folder, name, caps):
    """What was made, and how often a program gave way."""
    done = subprocess.run([sys.argv[1], "run", "spec.json", "-o", name], cwd=folder, text=True, capture_output=True,
                          env=dict(os.environ, WINNOW_VULKAN_CAPS=caps, WINNOW_VULKAN_LIBRARY=sys.argv[3]))
    if done.returncode == 3 and "llvmpipe" in done.stderr:
        print("SKIPPED: no software Vulkan driver (package mesa-vulkan-drivers)\n" + done.stderr)
        sys.exit(77)
    if done.returncode != 0:
        sys.exit(f"{name}: status {done.returncode}\n{done.stdout}{done.stderr}")
    rows = [json.loads(line) for line in (folder / name / "results.jsonl").read_text().splitlines()]
    made = {(row["prompt_id"], row["candidate"]): (row["scores"], row["image"] and (folder / name / row["image"]).read_bytes())
            for row in rows}
    log = (folder / name / "log.txt").read_text()
    if ("They take turns" in done.stderr) != ("gives way" in log):
        sys.exit(f"{name}: that programs take turns is told once\n{done.stderr}\n{log}")
    return made, log.count("gives way")


def main():
    folder = pathlib.Path(sys.argv[2])
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "spec.json").write_text(json.dumps(SPEC))
    large, no_turns = run(folder, "large", "")
    small, turns = run(folder, "small", "memory=24000000")
    print(f"{len(large)} candidates, {no_turns} and {turns} turns")
    if no_turns or not turns or len(large) < 8 or large != small:
        sys.exit("on a small device programs take turns, and make the same")


main()
