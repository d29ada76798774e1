"""sweep.py WINNOW DIRECTORY - sweeps as a user runs them: killed at random moments and continued, with a point added, wrong in
one point, planned and compared.

What a killed sweep ends as must equal an undisturbed one: every point's results.jsonl, summary.json and pictures byte for byte,
and compare.json but for what it says of seconds. WINNOW_KILLS (4 at least) and WINNOW_KILL_SEED as in kill.py.
"""
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import time

INTERRUPTED = 75

GRID = {"search.use": ["random", "zero_order"], "seed": [1, 2]}


def spec(grid=GRID, **more):
    return {
        "winnow": 0, "name": "sweep", "output": "unused",
        "prompts": {"list": [{"prompt": "one", "category": "a"}, {"prompt": "two", "category": "b"}, "three"]},
        "canvas": {"width": 64, "height": 64, "steps": 6},
        "sampler": {"use": "analytic", "options": {"delay_us": 2000}},
        "verifiers": {"near": {"use": "analytic"}, "far": {"use": "analytic", "options": {"target": 90}}},
        "search": {"use": "random", "guide": "near"}, "judge": ["far"],
        "budget": {"nfe": 48}, "engine": {"batch": 8, "live": 2},
        "sweep": {"grid": grid}, **more,
    }


def fail(text):
    sys.exit(f"sweep.py: {text}")


class Sweep:
    def __init__(self, winnow, folder, name):
        self.winnow, self.folder, self.output = winnow, folder, folder / name
        self.file = folder / f"{name}.json"
        self.log = folder / f"{name}.log"

    def command(self, verb, *options):
        return [self.winnow, verb, str(self.file), "--output", str(self.output), *options]

    def write(self, value):
        self.file.write_text(json.dumps(value))

    def run(self, verb="run", *options):
        return subprocess.run(self.command(verb, *options), capture_output=True, text=True)

    def finish(self):
        done = self.run()
        if done.returncode:
            fail(f"winnow run ended with {done.returncode}:\n{done.stderr[-3000:]}")
        return done

    def disturb(self, after, how):
        with open(self.log, "ab") as log:
            process = subprocess.Popen(self.command("run"), stdout=log, stderr=log)
        try:
            process.wait(after)
        except subprocess.TimeoutExpired:
            pass
        ended = process.poll() is not None
        if not ended:
            process.send_signal(how)
        code = process.wait()
        if code not in ((0,) if ended else (0, INTERRUPTED, -how)):
            fail(f"after signal {how} winnow run ended with {code}:\n{self.log.read_text()[-3000:]}")
        return code

    def points(self):
        return json.loads((self.output / "sweep.json").read_text())["points"]

    def contents(self):
        files = {}
        for point in self.points():
            run = self.output / point["folder"]
            for p in [run / "results.jsonl", run / "summary.json", *sorted((run / "images").rglob("*"))]:
                if p.is_file():
                    files[str(p.relative_to(self.output))] = p.read_bytes()
        files["compare.json"] = without_seconds((self.output / "compare.json").read_text(), str(self.output))
        return files


def without_seconds(text, output):
    value = json.loads(text.replace(output, "OUTPUT"))
    value["curves"] = [c for c in value["curves"] if c["against"] != "seconds"]
    value["differences"] = [d for d in value["differences"] if d["at"] != "equal_seconds"]
    for a in value["algorithms"]:
        del a["spent_per_prompt"]["seconds"]
    return json.dumps(value).encode()


def check_kills(winnow, folder, rng, kills):
    whole = Sweep(winnow, folder, "whole")
    whole.write(spec())
    began = time.monotonic()
    whole.finish()
    seconds = time.monotonic() - began
    want = whole.contents()
    if len(want) < 4 * (2 + 3):
        fail(f"only {len(want)} files: {sorted(want)}")
    done = 0
    broken = Sweep(winnow, folder, "broken")
    broken.write(spec())
    while done < kills:
        shutil.rmtree(broken.output, ignore_errors=True)
        for how in rng.choices([signal.SIGKILL, signal.SIGKILL, signal.SIGINT, signal.SIGTERM], k=rng.choice([1, 2, 3])):
            done += broken.disturb(rng.uniform(0, seconds), how) != 0
        broken.finish()
        got = broken.contents()
        wrong = [name for name in sorted(got.keys() | want.keys()) if got.get(name) != want.get(name)]
        if wrong:
            fail(f"after {done} disturbances these differ from an undisturbed sweep: {', '.join(wrong[:9])}")
    print(f"{done} disturbances, each sweep continued to the same {len(want)} files")
    return whole


def check_added(whole):
    """A point that is added runs; the others are not touched, not even loaded: their manifests stay as they are."""
    before = {p["folder"]: (whole.output / p["folder"] / "manifest.json").stat().st_mtime_ns for p in whole.points()}
    whole.write(spec({**GRID, "seed": [3, 2, 1]}))
    plan = json.loads(whole.run("run", "--dry-run", "--json").stdout)
    states = [p["state"] for p in plan["points"]]
    if states.count("done") != 4 or states.count("new") != 2:
        fail(f"states before the points are added: {states}")
    if not plan["seconds_left"] or plan["nfe_left"] != 2 * 3 * 48:
        fail(f"left: {plan['seconds_left']} s, {plan['nfe_left']} evaluations")
    whole.finish()
    points = whole.points()
    if len(points) != 6 or any(p["state"] != "done" for p in points):
        fail(f"points after one is added: {points}")
    for folder, stamp in before.items():
        if (whole.output / folder / "manifest.json").stat().st_mtime_ns != stamp:
            fail(f"{folder} was run again")
    compared = json.loads((whole.output / "compare.json").read_text())
    if [len(a["runs"]) for a in compared["algorithms"]] != [3, 3]:
        fail(f"algorithms: {compared['algorithms']}")
    whole.write(spec())
    whole.finish()
    if [len(a["runs"]) for a in json.loads((whole.output / "compare.json").read_text())["algorithms"]] != [2, 2]:
        fail("a point that left the sweep is still compared")


def check_point_is_a_run(winnow, whole, folder):
    """A point is what the plain spec would be: its resolved spec, run elsewhere, gives the same results."""
    point = whole.points()[0]["folder"]
    alone = folder / "alone"
    done = subprocess.run([winnow, "run", str(whole.output / point / "spec.resolved.json"), "-o", str(alone)],
                          capture_output=True, text=True)
    if done.returncode or (alone / "results.jsonl").read_bytes() != (whole.output / point / "results.jsonl").read_bytes():
        fail(f"a point run by itself: {done.returncode}\n{done.stderr[-2000:]}")
    again = subprocess.run([winnow, "compare", str(whole.output / point), str(alone), "-o", str(folder / "cmp")],
                           capture_output=True, text=True)
    if again.returncode != 2 or "are the same experiment, seed 1" not in again.stderr:
        fail(f"one experiment twice: {again.returncode}\n{again.stderr}")


def check_mixed(winnow, whole):
    """A sweep's folder takes no single run, and a run's folder no sweep."""
    point = whole.output / whole.points()[0]["folder"]
    for source, output in ((point / "spec.resolved.json", whole.output), (whole.file, point)):
        done = subprocess.run([winnow, "run", str(source), "-o", str(output)], capture_output=True, text=True)
        if done.returncode != 2 or "choose another output" not in done.stderr:
            fail(f"{source} into {output}: {done.returncode}\n{done.stderr}")


def check_wrong(winnow, folder):
    """Nothing runs when one point is wrong, and the message says which."""
    apart = folder / "apart"  # where no run lies beside it that could say how long evaluations take
    apart.mkdir()
    wrong = Sweep(winnow, apart, "wrong")
    wrong.write(spec({"search.use": ["random", "zero_ordr"]}))
    done = wrong.run()
    if done.returncode != 3 or "(point 2 of 2: zero_ordr)" not in done.stderr or "zero_order" not in done.stderr:
        fail(f"a wrong point: {done.returncode}\n{done.stderr}")
    if wrong.output.exists():
        fail("something ran although a point is wrong")
    wrong.write(spec({"seed": list(range(40)), "canvas.steps": list(range(1, 41))}))
    done = wrong.run()
    if done.returncode != 2 or "40 x 40 = 1600 points, where max_points allows 100" not in done.stderr:
        fail(f"an absurd product: {done.returncode}\n{done.stderr}")
    wrong.write(spec())
    done = wrong.run("run", "--dry-run")
    if done.returncode or wrong.output.exists() or "time: unknown for 4 of 4" not in done.stdout:
        fail(f"a dry run: {done.returncode}\n{done.stdout}{done.stderr}")
    if wrong.run("check").stdout != done.stdout:
        fail("winnow check and --dry-run say different things")
    if len(json.loads(wrong.run("check", "--resolved").stdout)) != 4:
        fail("winnow check --resolved does not list the points")


COUNTING = """import os, sys
import winnow_worker
open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "starts.txt"), "a").write(f"{os.getpid()}\\n")

@winnow_worker.verifier(metric="brightness", low=0, high=255)
def score(image, prompt, weight: float = 1.0):
    return weight * sum(image.rgb) / len(image.rgb)

winnow_worker.serve()
"""


def starts(sweep, folder, verifier, grid):
    """How often the verifier was made for a sweep, which is to end as its points do by themselves."""
    (folder / "starts.txt").unlink(missing_ok=True)
    sweep.write(spec(grid, verifiers={"near": {"use": "analytic"}, "far": verifier}))
    sweep.finish()
    count = len((folder / "starts.txt").read_text().split())
    for point in sweep.points():
        there, alone = sweep.output / point["folder"], folder / "alone-again"
        shutil.rmtree(alone, ignore_errors=True)
        done = subprocess.run([sweep.winnow, "run", str(there / "spec.resolved.json"), "-o", str(alone)], capture_output=True, text=True)
        if done.returncode or (alone / "results.jsonl").read_bytes() != (there / "results.jsonl").read_bytes():
            fail(f"{point['name']} by itself: {done.returncode}\n{done.stderr[-2000:]}")
    return count


def check_models_stay(winnow, folder):
    """Sampler and verifiers are made once for all points that want the same."""
    script = folder / "counting.py"
    script.write_text(COUNTING)
    worker = {"use": "worker", "options": {"script": str(script)}}
    cases = [("searches", worker, {"search.use": ["random", "zero_order"], "seed": [1, 2], "canvas.steps": [6, 3]}, 1),
             ("spread", worker, {"search.use": ["random", "zero_order"], "sampler.options.spread": [0.3, 0.5]}, 4),
             ("sorted", worker, {"sampler.options.spread": [0.3, 0.5], "search.use": ["random", "zero_order"]}, 2)]
    for name, verifier, grid, want in cases:
        got = starts(Sweep(winnow, folder, name), folder, verifier, grid)
        if got != want:
            fail(f"{name}: the verifier was made {got} times, want {want}")


def check_failing_point(winnow, folder):
    """A point that cannot run does not keep the others from it; the exit code tells."""
    failing = Sweep(winnow, folder, "failing")
    failing.write({**spec({"seed": [1]}), "sweep": {"list": [
        {"name": "broken", "sampler": {"use": "flux", "options": {"model": "nowhere"}}},
        {"name": "fine"}]}})
    done = failing.run()
    states = {p["name"]: p["state"] for p in failing.points()}
    if done.returncode == 0 or states.get("broken") != "failed" or states.get("fine") != "done":
        fail(f"a failing point: {done.returncode}, {states}\n{done.stderr}")


def main():
    winnow, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    kills = max(4, int(os.environ.get("WINNOW_KILLS", "14")) // 3)
    seed = int(os.environ.get("WINNOW_KILL_SEED", time.time_ns() % 1000000))
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    print(f"seed {seed}")
    whole = check_kills(winnow, folder, random.Random(seed), kills)
    check_added(whole)
    check_point_is_a_run(winnow, whole, folder)
    check_mixed(winnow, whole)
    check_wrong(winnow, folder)
    check_failing_point(winnow, folder)
    check_models_stay(winnow, folder)
    print("added points, a point alone, wrong points, failing points: as they should be")


main()
