"""kill.py WINNOW DIRECTORY - kills runs at random moments and continues them; every one must end as if nothing had been.

SIGKILL WINNOW_KILLS times (14), SIGINT and SIGTERM a few times. Compared with a run that nobody disturbed: results.jsonl,
summary.json and every picture, byte for byte. WINNOW_KILL_SEED repeats a sequence of moments.
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

INTERRUPTED = 75  # exit code: the same command goes on

SEARCHES = {
    "random": {"use": "random", "guide": "near", "options": {"candidates": 16, "wave": 4}},
    "zero_order": {"use": "zero_order", "guide": "near", "options": {"iterations": 8, "patience": 2}},
    "paths": {"use": "paths", "guide": "near", "options": {"expansions": 2}},
    "halving": {"use": "halving", "guide": "near"},
    "svdd": {"use": "svdd", "guide": "near", "options": {"children": 4}},
    "fk": {"use": "fk", "guide": "near", "options": {"lambda": 1000}},
    "rbf": {"use": "rbf", "guide": "near", "options": {"nfe": 60, "initial": 5}},
    "spectral": {"use": "spectral", "guide": "near", "options": {"evaluations": 16, "population": 4}},
    "evolution": {"use": "evolution", "guide": "near", "options": {"population": [8, 5, 5, 5, 5]}},
    "verifier_threshold": {"use": "verifier_threshold", "guide": "near"},
    "epsilon_greedy": {"use": "epsilon_greedy", "guide": "near", "options": {"iterations": 3, "candidates": 3}},
    "tree_bfs": {"use": "tree", "guide": "near"},
    "tree_dfs": {"use": "tree", "guide": "near", "options": {"method": "dfs", "samples": 4}},
    "tree_dts": {"use": "tree", "guide": "near", "options": {"method": "dts"}},
}


def spec(search):
    return {
        "winnow": 0, "name": "kill", "seed": 7, "output": "unused",
        "prompts": {"list": ["one", "two", "three", "four"]},
        "canvas": {"width": 64, "height": 64, "steps": 6},
        "sampler": {"use": "analytic", "options": {"delay_us": 3000}},
        "verifiers": {"near": {"use": "analytic"},
                      "far": {"use": "analytic", "options": {"target": 90, "delay_us": 3000}}},
        "search": search, "judge": ["far"],
        "engine": {"batch": 8, "live": 2},
    }


def contents(run):
    """What must be equal, as {name: bytes}."""
    names = [run / "results.jsonl", run / "summary.json", *sorted((run / "images").rglob("*"))]
    return {str(p.relative_to(run)): p.read_bytes() for p in names if p.is_file()}


class Runs:
    def __init__(self, winnow, folder, name, search):
        self.winnow, self.run, self.spec = winnow, folder / name, folder / f"{name}.json"
        self.log = folder / f"{name}.log"
        self.spec.write_text(json.dumps(spec(search)))

    def start(self):
        with open(self.log, "ab") as log:
            return subprocess.Popen([self.winnow, "run", str(self.spec), "--output", str(self.run)], stdout=log, stderr=log)

    def fresh(self):
        shutil.rmtree(self.run, ignore_errors=True)

    def finish(self):
        code = self.start().wait()
        if code != 0:
            sys.exit(f"winnow run ended with {code}:\n{self.log.read_text()[-3000:]}")
        return contents(self.run)

    def disturb(self, after, how):
        """Sends a signal after some seconds; whether it came before the end."""
        process = self.start()
        try:
            process.wait(after)
        except subprocess.TimeoutExpired:
            pass
        ended = process.poll() is not None
        if not ended:
            process.send_signal(how)
        code = process.wait()
        if code not in ((0,) if ended else (0, INTERRUPTED, -how)):
            sys.exit(f"after signal {how} winnow run ended with {code}:\n{self.log.read_text()[-3000:]}")
        return not ended and code != 0


def differences(got, want):
    return [name for name in sorted(got.keys() | want.keys()) if got.get(name) != want.get(name)]


def check(runs, rng, kills):
    began = time.monotonic()
    runs.fresh()
    want = runs.finish()
    seconds = time.monotonic() - began
    done = 0
    while done < kills:
        runs.fresh()
        in_a_row = rng.choice([1, 1, 2, 3])
        how = [signal.SIGKILL] * in_a_row + [s for s in (signal.SIGINT, signal.SIGTERM) if rng.random() < 0.2]
        rng.shuffle(how)
        for s in how:
            done += runs.disturb(rng.uniform(0, seconds), s) and s == signal.SIGKILL
        wrong = differences(runs.finish(), want)
        if wrong:
            sys.exit(f"{runs.run}: after {done} kills these differ from an undisturbed run: {', '.join(wrong[:9])}")
    return done, len(want)


def main():
    winnow, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    kills = int(os.environ.get("WINNOW_KILLS", "14"))
    seed = int(os.environ.get("WINNOW_KILL_SEED", time.time_ns() % 1000000))
    rng = random.Random(seed)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for i, (name, search) in enumerate(SEARCHES.items()):
        share = (kills + i) // len(SEARCHES)
        done, files = check(Runs(winnow, folder, name, search), rng, share)
        print(f"{name}: {done} kills, each continued to the same {files} files (seed {seed})")


main()
