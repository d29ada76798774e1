"""diffusers.py WINNOW DIRECTORY - pebble through diffusers, as a worker, and through winnow's own FLUX: the same pictures.

Needs a Python with torch and diffusers: WINNOW_TEST_PYTHON names it. Skipped where it is not set.
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys

SOURCE = pathlib.Path(__file__).parents[2]
MOST = 1  # of 255, in any byte of any picture; measured 1


def spec(name, sampler):
    return {
        "winnow": 0, "name": name, "seed": 7,
        "prompts": {"list": ["a red circle to the left of a blue square", "three yellow stars"]},
        "canvas": {"width": 64, "height": 64, "steps": 6}, "sampler": sampler,
        "verifiers": {"says": {"use": "shapes"}},
        "search": {"use": "random", "guide": "says", "options": {"candidates": 3}},
        "budget": {"candidates": 3},
    }


def run(winnow, folder, name, sampler):
    path, out = folder / f"{name}.json", folder / name
    path.write_text(json.dumps(spec(name, sampler)))
    done = subprocess.run([winnow, "run", str(path), "--output", str(out)], text=True, capture_output=True)
    if done.returncode != 0:
        sys.exit(f"{name}: winnow run ended with {done.returncode}:\n{done.stderr[-3000:]}")
    rows = map(json.loads, (out / "results.jsonl").read_text().splitlines())
    return {(row["prompt_id"], row["lineage"]["stream"]): out / row["image"] for row in rows}


def pixels(python, path):
    code = "import sys; from PIL import Image; sys.stdout.buffer.write(Image.open(sys.argv[1]).convert('RGB').tobytes())"
    return subprocess.run([python, "-c", code, str(path)], check=True, capture_output=True).stdout


def main():
    winnow, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    python = os.environ.get("WINNOW_TEST_PYTHON")
    if not python:
        print("skipped: WINNOW_TEST_PYTHON names no Python with torch and diffusers")
        sys.exit(77)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    program = {"script": str(SOURCE / "examples/sampler-diffusers/flow.py"), "command": [python],
               "options": {"model": str(SOURCE / "examples/pebble"), "call": {"max_sequence_length": 32}}}
    theirs = run(winnow, folder, "theirs", {"use": "worker", "options": program})
    ours = run(winnow, folder, "ours", {"use": "flux", "options": {"model": str(SOURCE / "examples/pebble")}})
    if theirs.keys() != ours.keys() or len(ours) != 6:
        sys.exit(f"not the same candidates: {sorted(theirs)} and {sorted(ours)}")
    most = max(max(abs(a - b) for a, b in zip(pixels(python, theirs[key]), pixels(python, ours[key]))) for key in ours)
    print(f"{len(ours)} pictures, at most {most} of 255 apart")
    if most > MOST:
        sys.exit(f"that is more than {MOST}")


main()
