"""again.py WINNOW DIRECTORY - `winnow replay` makes 100 random candidates of eight algorithms again, bit for bit, and some of
pebble: noises drawn in every mode, blends, noises that a search made itself, kicks, jumps back, clones, heun, previews, samplers that reuse steps.
What cannot be made again is refused, each with its reason.
"""
import json
import os
import pathlib
import random
import shutil
import sqlite3
import subprocess
import sys

SEARCHES = {
    "random": ({"use": "random", "options": {"candidates": 24}}, {"noise": "torch-cpu"}),
    "zero_order": ({"use": "zero_order", "options": {"iterations": 6}}, {}),
    "paths": ({"use": "paths", "options": {"expansions": 2}}, {}),
    "svdd": ({"use": "svdd", "options": {"children": 4}}, {"noise": "torch-cpu-bf16"}),
    "fk": ({"use": "fk", "options": {"lambda": 1000}}, {"noise": "torch-cuda"}),
    "evolution": ({"use": "evolution", "options": {"population": [8, 5, 5, 5, 5]}}, {}),
    "epsilon_greedy": ({"use": "epsilon_greedy", "options": {"iterations": 3, "candidates": 3}}, {}),
    "stages": ({"use": "stages", "options": {"stages": [
        {"use": "random", "options": {"candidates": 8}, "steps": 3, "keep": 2}, {"use": "zero_order", "options": {"iterations": 3}}]}}, {}),
    "shrunk": ({"use": "stages", "options": {"stages": [
        {"use": "zero_order", "options": {"iterations": 3}, "shrink": 2, "keep": 2}, {"use": "random", "options": {"candidates": 3}}]}}, {}),
}
HEUN = ("paths", "zero_order")
REMEMBERS = ("paths", "fk", "svdd", "evolution", "peeker")  # with a sampler that reuses steps
EACH = 17


def fail(text):
    sys.exit(text)


class Winnow:
    def __init__(self, path, folder):
        self.path, self.folder = path, folder

    def __call__(self, *words, want=0, **more):
        done = subprocess.run([self.path, *map(str, words)], cwd=self.folder, capture_output=True, text=True, **more)
        if done.returncode != want:
            fail(f"{words}: status {done.returncode}, want {want}\n{done.stdout}{done.stderr}")
        return done

    def refuses(self, code, parts, *words, **more):
        said = self(*words, want=code, **more).stderr
        for part in parts:
            if part not in said:
                fail(f"{words}: {part!r} is not in {said!r}")


def make_run(winnow, name, **changes):
    search, more = SEARCHES[name]
    (winnow.folder / "prompts.txt").write_text("one\ntwo\nthree\n")
    spec = {"winnow": 0, "name": name, "seed": 11, "output": f"run-{name}", "prompts": {"file": "prompts.txt"},
            "canvas": {"width": 64, "height": 64, "steps": 6, "solver": "heun" if name in HEUN else "euler"},
            "sampler": {"use": "analytic", "options": {"memory": 0.4 if name in REMEMBERS else 0}},
            "verifiers": {"near": {"use": "analytic"}, "far": {"use": "analytic", "options": {"target": 90}}},
            "search": search | {"guide": "near"}, "judge": ["far"]} | more | changes
    (winnow.folder / f"{name}.json").write_text(json.dumps(spec))
    winnow("run", f"{name}.json", "--quiet")
    (winnow.folder / "prompts.txt").unlink()  # what a replay needs of it stands in the ledger
    return winnow.folder / spec["output"]


def rows_of(run):
    return [json.loads(line) for line in (run / "results.jsonl").read_text().splitlines()]


def replay(winnow, run, row):
    """Whether by picture or score, equal; with a picture the files are the same bytes."""
    told = json.loads(winnow("replay", run.name, row["candidate"], "--json", "-o", "again.png").stdout)
    if not told["equal"] or told["changed"] or told["candidate"] != row["candidate"]:
        fail(f"{run.name}: {row} is made again as {told}")
    if told["compared"] != ("picture" if row["image"] else "score"):
        fail(f"{run.name}: {row['candidate']} was compared by {told['compared']}")
    if row["image"] and (run / row["image"]).read_bytes() != (winnow.folder / "again.png").read_bytes():
        fail(f"{run.name}: {row['candidate']}: the files differ")
    return told


def check_searches(winnow, rng):
    total = sought = 0
    for name in SEARCHES:
        run = make_run(winnow, name)
        rows = rows_of(run)
        before = (run / "ledger.db").read_bytes()
        told = [replay(winnow, run, row) for row in rng.sample(rows, min(EACH, len(rows)))]
        if (run / "ledger.db").read_bytes() != before:
            fail(f"{name}: a replay wrote into the ledger")
        total += len(told)
        sought += sum(t["noise"] != "drawn" for t in told)
        print(f"{name}: {len(told)} of {len(rows)} candidates equal, {sum(t['compared'] == 'picture' for t in told)} by "
              f"their pictures, {sum(t['noise'] != 'drawn' for t in told)} of noises that the search made")
    if total < 100 or sought < 10:
        fail(f"{total} candidates, {sought} of them of the search's own noises, are too few")


PEEKER = '''
import winnow_worker

@winnow_worker.search
def peeker(env, rounds: int = 3):
    noise = env.noise(0)
    for i in range(rounds):
        sample = env.spawn(noise)
        env.advance([sample], env.steps // 2)
        x, x0 = env.peek(sample)
        noise = [a + 0.5 * b for a, b in zip(x, x0)]
        env.advance([sample], env.steps)
        env.score([sample])
        env.offer(sample)

winnow_worker.serve()
'''


def check_peeks(winnow):
    """Noises made of states on the way: what the search looks at is sampled again, and counted."""
    (winnow.folder / "peeker.py").write_text(PEEKER)
    SEARCHES["peeker"] = ({"use": "worker", "options": {"script": "./peeker.py"}}, {"budget": {"nfe": 100}})
    run = make_run(winnow, "peeker")
    told = [replay(winnow, run, row) for row in rows_of(run)]
    if [t["nfe"] for t in told] != [6, 10, 14] * 3:  # 6 steps; 4 for each look: 3 steps, and the velocity at their end
        fail(f"looks are not counted: {told}")
    winnow.folder.joinpath("peeker.py").write_text(PEEKER.replace("0.5 * b", "0.25 * b"))
    winnow.refuses(2, ["peeker.py has changed"], "replay", run.name, told[1]["candidate"])


def check_parts(winnow):
    """A prompt's part of the run's budget follows from what the prompts before it spent, also for the search run again."""
    SEARCHES["parts"] = ({"use": "zero_order", "options": {"iterations": 6, "patience": 1}}, {})
    run = make_run(winnow, "parts", budget={"run_nfe": 6000, "share": True}, engine={"live": 2},
                   prompts={"list": [str(i) for i in range(70)]})
    rows = [row for row in rows_of(run) if "stream" not in row["lineage"]]
    for row in [rows[0], rows[len(rows) // 2], rows[-1]]:
        replay(winnow, run, row)
    print(f"zero_order over 70 prompts that share a budget: {len(rows)} noises of its own, 3 made again")


def check_ground(winnow):
    """What is not as in the run is said."""
    run = make_run(winnow, "random", output="run-elsewhere")
    row = next(row for row in rows_of(run) if row["image"])
    text = (run / "manifest.json").read_text()
    manifest = json.loads(text)
    manifest["starts"][-1]["winnow"]["commit"] = "another"
    (run / "manifest.json").write_text(json.dumps(manifest))
    said = winnow("replay", run.name, row["candidate"]).stdout
    if "equal: the picture" not in said or "not made as in the run: winnow" not in said:
        fail(said)
    shutil.copy(next(run / r["image"] for r in rows_of(run) if r["image"] and r is not row and r["image"] != row["image"]),
                run / row["image"])
    winnow("replay", run.name, row["candidate"])  # no failure: another build may differ
    (run / "manifest.json").write_text(text)
    winnow("replay", run.name, row["candidate"], want=1)
    told = json.loads(winnow("replay", run.name, row["candidate"], "--json", "--set", "sampler.options.delay_us=1").stdout)
    if told["changed"] != "--set sampler.options.delay_us=1":
        fail(told)
    winnow.refuses(2, ["cannot be made here"], "replay", run.name, row["candidate"], "--set", "sampler.options.spread=0.5")


def check_names(winnow):
    run = make_run(winnow, "zero_order")
    row = next(row for row in rows_of(run) if row["image"])
    for name in (row["candidate"][:12], f"{run.name}/{row['image']}"):
        if "equal: the picture, bit for bit" not in winnow("replay", run.name, name).stdout:
            fail(f"{name} is not found")
    ids = [row["candidate"] for row in rows_of(run)]
    first = next(c for c in "0123456789abcdef" if sum(i[0] == c for i in ids) > 1)
    winnow.refuses(2, ["several candidates"], "replay", run.name, first)
    winnow.refuses(2, ["no candidate 0123456789"], "replay", run.name, "0123456789")
    winnow.refuses(2, ["no candidate's id"], "replay", run.name, "xyz")
    winnow.refuses(2, ["no recipe that names a candidate"], "replay", run.name, "zero_order.json")
    winnow.refuses(3, ["nowhere is not a run"], "replay", "nowhere", row["candidate"])
    winnow.refuses(3, ["absent"], "replay", run.name, row["candidate"], "-o", "absent/x.png")
    return run


def check_incomplete(winnow, run):
    """Without the scores that its search went by, a noise cannot be found; with a changed lineage, nothing is made."""
    db = sqlite3.connect(run / "ledger.db")
    derived = [row["candidate"] for row in rows_of(run) if "stream" not in row["lineage"]]
    first = db.execute("SELECT id FROM candidates WHERE trial=(SELECT trial FROM candidates WHERE id=?) ORDER BY ordinal",
                       [derived[-1]]).fetchone()[0]
    db.execute("DELETE FROM candidates WHERE id=?", [first])
    drawn = db.execute("SELECT id, lineage FROM candidates WHERE lineage LIKE '%\"stream\":%'").fetchone()
    db.execute("UPDATE candidates SET lineage=? WHERE id=?", [drawn[1].replace('"stream":', '"stream":1'), drawn[0]])
    cut = db.execute("SELECT id FROM candidates WHERE id NOT IN (?, ?)", [drawn[0], derived[-1]]).fetchone()[0]
    db.execute("UPDATE candidates SET lineage='{\"noise\":' WHERE id=?", [cut])
    db.commit()
    db.close()
    winnow.refuses(3, ["continue the run to its end", first], "replay", run.name, derived[-1])
    winnow.refuses(2, ["gives noise"], "replay", run.name, drawn[0])
    winnow.refuses(3, ["lineage: column"], "replay", run.name, cut)


def check_without_pictures(winnow):
    run = make_run(winnow, "random", engine={"save_images": False}, output="run-few")
    rows = rows_of(run)
    told = [replay(winnow, run, row) for row in rows[:20]]
    if not 0 < sum(t["compared"] == "score" for t in told) < 20:
        fail(f"save_images=false: {told}")


def check_drift(winnow):
    """A picture that is another: PSNR, drift, status 1."""
    run = make_run(winnow, "random")
    row, other = [row for row in rows_of(run) if row["image"]][:2]
    shutil.copy(run / other["image"], run / row["image"])
    told = json.loads(winnow("replay", run.name, row["candidate"], "--json", want=1).stdout)
    if told["equal"] or not 5 < told["psnr_db"] < 60 or told["score_recorded"] != told["score_now"]:
        fail(f"a wrong picture is told as {told}")


def check_pebble(winnow):
    """A model of one's own, whose weights change afterwards; the search has noises of its own."""
    models = winnow.folder / "models"
    shutil.copytree(os.environ["WINNOW_PEBBLE"], models / "own", ignore=shutil.ignore_patterns("train", "*.png"))
    spec = {"winnow": 0, "name": "pebble", "seed": 3, "output": "run-pebble",
            "prompts": {"list": ["a red circle above a blue square"]}, "canvas": {"width": 64, "height": 64, "steps": 4},
            "sampler": {"use": "flux", "options": {"model": "./models/own"}},
            "verifiers": {"clip": {"use": "clipscore", "options": {"model": "./models/own/clip"}}},
            "search": {"use": "zero_order", "guide": "clip", "options": {"iterations": 2, "neighbours": 2}}}
    (winnow.folder / "pebble.json").write_text(json.dumps(spec))
    winnow("run", "pebble.json", "--quiet")
    run = winnow.folder / "run-pebble"
    told = [replay(winnow, run, row) for row in rows_of(run)]
    if not any(t["noise"] != "drawn" for t in told):
        fail("zero_order made no noise of its own")
    print(f"pebble: {len(told)} candidates equal")
    weights = next((models / "own/transformer").glob("*.safetensors"))
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    files = json.loads((run / "manifest.json").read_text())["starts"][-1]["files"]
    old = next(f["sha256"] for f in files if f["path"].endswith(f"transformer/{weights.name}"))
    now = subprocess.run(["sha256sum", weights], capture_output=True, text=True).stdout
    winnow.refuses(2, ["has changed", old[:16], now[:16]], "replay", "run-pebble", told[0]["candidate"])


def main():
    folder = pathlib.Path(sys.argv[2])
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    winnow, rng = Winnow(sys.argv[1], folder), random.Random(5)
    check_searches(winnow, rng)
    check_incomplete(winnow, check_names(winnow))
    check_without_pictures(winnow)
    check_drift(winnow)
    check_peeks(winnow)
    check_parts(winnow)
    check_ground(winnow)
    check_pebble(winnow)


main()
