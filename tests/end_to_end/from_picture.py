"""from_picture.py WINNOW DIRECTORY - candidates that start from a picture: fewer evaluations, other ids for another picture,
the same bits when made again (`replay`, `generate`, states that were dropped), and what is refused.
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys

STEPS, STRENGTH, LEFT = 6, 0.5, 3
SEARCHES = {"random": {"use": "random", "options": {"candidates": 2}},
            "zero_order": {"use": "zero_order", "options": {"iterations": 2, "neighbours": 1}},
            "paths": {"use": "paths", "options": {"paths": 2, "expansions": 1}}}


def fail(text):
    sys.exit(text)


class Winnow:
    def __init__(self, path, folder):
        self.path, self.folder = path, folder

    def run(self, *words):
        return subprocess.run([self.path, *map(str, words)], cwd=self.folder, capture_output=True, text=True)

    def __call__(self, *words):
        done = self.run(*words)
        if done.returncode != 0:
            fail(f"{words}: status {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def refuses(self, part, *words):
        done = self.run(*words)
        if not 0 < done.returncode < 64 or part not in done.stderr:
            fail(f"{words}: status {done.returncode}, {part!r} is not in {done.stderr!r}")


def write(winnow, name, canvas=None, **changes):
    spec = {"winnow": 0, "name": name, "seed": 5, "output": f"run-{name}", "prompts": {"list": ["a blue circle"]},
            "canvas": {"width": 64, "height": 64, "steps": STEPS} | (canvas or {}),
            "sampler": {"use": "flux", "options": {"model": os.environ["WINNOW_PEBBLE"]}},
            "verifiers": {"near": {"use": "analytic"}}, "search": SEARCHES["random"] | {"guide": "near"}} | changes
    (winnow.folder / f"{name}.json").write_text(json.dumps(spec))
    return f"{name}.json"


def run(winnow, name, canvas, **changes):
    """The run's rows, and its folder."""
    winnow("run", write(winnow, name, canvas, **changes), "--quiet")
    folder = winnow.folder / f"run-{name}"
    return [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()], folder


def check_again(winnow, name, rows):
    for row in rows:
        told = json.loads(winnow("replay", f"run-{name}", row["candidate"], "--json", "-o", "again.png"))
        if not told["equal"] or told["changed"]:
            fail(f"{name}: {row} is made again as {told}")


def check_searches(winnow, start):
    for search in SEARCHES:
        changes = {"search": SEARCHES[search] | {"guide": "near"}}
        rows, _ = run(winnow, search, start, **changes)
        if search != "paths" and any(row["nfe"] != LEFT for row in rows):
            fail(f"{search}: evaluations {[row['nfe'] for row in rows]} are not those of {LEFT} steps")
        check_again(winnow, search, [rows[0], rows[-1]])
        if search == "zero_order":
            continue
        dropped, _ = run(winnow, f"{search}-dropped", start, engine={"state_memory": 0.001, "batch": 1}, **changes)
        if [(r["candidate"], r["scores"]) for r in rows] != [(r["candidate"], r["scores"]) for r in dropped]:
            fail(f"{search}: without room for states other candidates or scores came out")


def check_generate(winnow, start):
    """A run's candidate, made by the command line alone."""
    rows, folder = run(winnow, "one", start)
    row = rows[0]
    winnow("generate", "--model", os.environ["WINNOW_PEBBLE"], "--prompt", row["prompt"], "--seed", row["lineage"]["seed"],
           "--stream", row["lineage"]["stream"], "--steps", STEPS, "--image", "red.png", "--strength", STRENGTH, "-o", "same.png")
    told = json.loads(winnow("inspect", "--json", "same.png"))["recipe"]
    if told["candidate"] != row["candidate"] or told["nfe"] != LEFT or told["canvas"]["steps"] != STEPS:
        fail(f"generate made {told}, the run {row}")
    if told["canvas"]["strength"] != STRENGTH or len(told["canvas"]["image_sha256"]) != 64:
        fail(f"the recipe says nothing of the picture: {told['canvas']}")
    return rows


def check_identity(winnow, start, rows):
    """The name of the file is free, its content is not."""
    shutil.copy(winnow.folder / "red.png", winnow.folder / "copy.png")
    copied, _ = run(winnow, "copied", start | {"image": "copy.png"})
    if [r["candidate"] for r in copied] != [r["candidate"] for r in rows]:
        fail("a copy of the picture makes other candidates")
    other, _ = run(winnow, "other", start | {"image": "green.png"})
    if {r["candidate"] for r in other} & {r["candidate"] for r in rows}:
        fail("another picture makes candidates of the same id")
    plain, _ = run(winnow, "plain", {})
    whole, _ = run(winnow, "whole", start | {"strength": 1})
    if [r["scores"] for r in plain] != [r["scores"] for r in whole] or plain[0]["nfe"] != STEPS:
        fail("strength 1 is not the path from noise alone")


def check_refusals(winnow, start, candidate):
    def refused(part, canvas, **changes):
        winnow.refuses(part, "check", write(winnow, "refused", canvas, **changes))
    refused('/canvas/image: nothing.png', start | {"image": "nothing.png"})
    refused("names no file", start | {"image": ""})
    refused("strength", start | {"strength": 0})
    refused("strength", start | {"strength": 1.5})
    refused("says how a picture is used, and there is none", {"strength": 0.5})
    refused("it was changed", start | {"image_sha256": "0" * 64})
    winnow.refuses("64 x 64 px, the canvas 32 x 64", "run", write(winnow, "size", start | {"width": 32}), "--quiet")
    winnow.refuses("cannot start from a picture", "run", write(winnow, "none", start, sampler={"use": "analytic"}), "--quiet")
    shutil.copy(winnow.folder / "green.png", winnow.folder / "copy.png")
    winnow.refuses("results would mix", "run", write(winnow, "copied", start | {"image": "copy.png"}), "--quiet")
    winnow.refuses("it was changed", "replay", "run-copied", candidate)


def main():
    folder = pathlib.Path(sys.argv[2])
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    winnow = Winnow(sys.argv[1], folder)
    for colour in ("red", "green"):
        winnow("generate", "--model", os.environ["WINNOW_PEBBLE"], "--prompt", f"a {colour} circle", "--seed", 7, "--steps", STEPS,
               "-o", f"{colour}.png")
    start = {"image": "red.png", "strength": STRENGTH}
    check_searches(winnow, start)
    rows = check_generate(winnow, start)
    check_identity(winnow, start, rows)
    check_refusals(winnow, start, rows[0]["candidate"])


main()
