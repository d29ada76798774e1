"""shared_cache.py WINNOW DIRECTORY - runs that name a cache sample nothing twice, counted; their results are those without one,
whatever the cache holds: nothing, all, a part, damage, what another run writes or forgets at the same time, a kill.
"""
import json
import pathlib
import random
import re
import shutil
import subprocess
import sys
import time

SPEC = {"winnow": 0, "name": "cache", "seed": 7, "output": "unused", "prompts": {"list": ["one", "two"]},
        "canvas": {"width": 64, "height": 64, "steps": 6}, "sampler": {"use": "analytic"},
        "verifiers": {"near": {"use": "analytic"}, "far": {"use": "analytic", "options": {"target": 90}}},
        "search": {"use": "random", "guide": "near", "options": {"candidates": 16}}, "judge": ["far"]}
SEARCHES = {
    "zero_order": {"use": "zero_order", "options": {"iterations": 4}},
    "paths": {"use": "paths", "options": {"expansions": 2}},
    "svdd": {"use": "svdd", "options": {"children": 4}},
    "fk": {"use": "fk", "options": {"lambda": 1000}},
    "evolution": {"use": "evolution", "options": {"population": [8, 5, 5, 5, 5]}},
    "halving": {"use": "halving"},
    "epsilon_greedy": {"use": "epsilon_greedy", "options": {"iterations": 3, "candidates": 3}},
    "stages": {"use": "stages", "options": {"stages": [
        {"use": "random", "options": {"candidates": 8}, "steps": 3, "keep": 2}, {"use": "zero_order", "options": {"iterations": 3}}]}},
    "shrunk": {"use": "stages", "options": {"stages": [
        {"use": "zero_order", "options": {"iterations": 3}, "shrink": 2, "keep": 2}, {"use": "random", "options": {"candidates": 3}}]}},
}
SOURCES = re.compile(r"evaluations: (\d+) sampled, (\d+) from the ledger, (\d+) from the cache")


def check(condition, text):
    if not condition:
        sys.exit(str(text))


class Runs:
    def __init__(self, winnow, folder):
        self.winnow, self.folder, self.count = winnow, folder, 0

    def command(self, cache, sets, **changes):
        self.count += 1
        spec = SPEC | changes | {"output": f"run-{self.count}"}
        spec["engine"] = {"cache": cache} if cache else {}
        (self.folder / f"{self.count}.json").write_text(json.dumps(spec))
        words = [self.winnow, "run", f"{self.count}.json"]
        for one in sets:
            words += ["--set", one]
        return words, self.folder / spec["output"]

    def __call__(self, cache, *sets, **changes):
        """(sampled, from the ledger, from the cache), results, the account in the ledger"""
        words, run = self.command(cache, sets, **changes)
        done = subprocess.run(words, cwd=self.folder, capture_output=True, text=True)
        check(done.returncode == 0, f"{words}: {done.returncode}\n{done.stderr}")
        return tuple(map(int, SOURCES.search(done.stderr).groups())), contents(run), done.stderr


def contents(run):
    files = [run / "results.jsonl", *sorted((run / "images").rglob("*.png"))]
    return {str(f.relative_to(run)): f.read_bytes() for f in files}


def files_of(cache):
    return [f for f in cache.rglob("*") if f.is_file()]


def check_pool(runs):
    """The same pool under another search: what is there is not sampled, whoever guides and judges."""
    first, plain, _ = runs("pool")
    check(first == (192, 0, 0), first)
    check(runs(None)[1] == plain, "a cache changes the results")
    again, same, said = runs("pool")
    check(again == (0, 0, 192) and same == plain, again)
    check("32 pictures, 64 scores" in said, said)
    check(runs("pool", "search.options.wave=3")[0] == (0, 0, 192), "other waves")
    check(runs("pool", "search.guide=far", "judge=[]")[0] == (0, 0, 192), "another guide")
    check(runs("pool", "search.options.candidates=24")[0] == (96, 0, 192), "more candidates")
    check(runs("pool", search=SEARCHES["zero_order"] | {"guide": "near"})[0][2] > 0, "a search with the same start")
    other = runs("pool", "verifiers.far.options.target=20", "judge=[\"far\"]")
    check(other[0] == (0, 0, 192) and "32 pictures, 32 scores" in other[2], f"another judge is asked: {other[2]}")
    for change in ("seed=8", "canvas.steps=5", "canvas.solver=heun", "noise=torch-cpu", "sampler.options.spread=0.9"):
        check(runs("pool", change)[0][2] == 0, f"{change} makes other pictures")


def check_searches(runs):
    for name, search in SEARCHES.items():
        search = search | {"guide": "near"}
        _, plain, _ = runs(None, search=search)
        first, filled, _ = runs(f"of-{name}", search=search)
        again, same, _ = runs(f"of-{name}", search=search)
        check(again[0] == 0 and again[2] > 0, f"{name}: {again}")
        check(filled == plain and same == plain, f"{name}: results differ with a cache")
        print(f"{name}: {first[0]} evaluations sampled, then {again[0]}")


def check_damage(runs, rng):
    _, plain, _ = runs("pool")
    files = files_of(runs.folder / "pool")
    for f in files:
        data = bytearray(f.read_bytes())
        kind = rng.randrange(4)
        if kind == 0:
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        elif kind == 1:
            data = data[:rng.randrange(len(data))]
        elif kind == 2:
            data = rng.choice(files).read_bytes()
        f.write_bytes(data)
    said = runs("pool")
    check(said[1] == plain and said[0][0] > 0, f"damage is not seen: {said[0]}")
    check("damaged" in said[2] or "computed again" in said[2], said[2])
    check(runs("pool")[0] == (0, 0, 192), "damage is not mended")


def check_limit(runs):
    """16 KiB a picture: 1 MiB holds a part of the 24; the oldest go, results stay."""
    plain = runs(None, "search.options.candidates=64")[1]
    mine = runs.folder / "small" / "mine.txt"
    mine.parent.mkdir()
    mine.write_text("not a record")
    for _ in range(2):
        counts, results, _ = runs("small", "search.options.candidates=64", "engine.cache_size=1")
        check(results == plain, "a small cache changes the results")
    used = sum((f.stat().st_size + 4095) // 4096 * 4096 for f in files_of(runs.folder / "small") if f != mine)
    check(200_000 < used <= 1 << 20, f"{used} bytes in a cache of 1 MiB")
    check(mine.read_text() == "not a record", "a file that is not the cache's is gone")
    check(counts[0] > 0, f"more is remembered than fits: {counts}")


def check_together(runs):
    """Four at once, of one small cache: none harms another."""
    plain = runs(None, "search.options.candidates=64")[1]
    started = []
    for _ in range(4):
        words, run = runs.command("shared", ["search.options.candidates=64", "engine.cache_size=1"])
        started.append((subprocess.Popen(words, cwd=runs.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL), run))
    for process, run in started:
        check(process.wait() == 0 and contents(run) == plain, f"{run.name}, one of four, ends otherwise")


def check_kills(runs, rng):
    changes = {"sampler": {"use": "analytic", "options": {"delay_us": 2000}}}
    plain = runs(None, **changes)[1]
    kills = 0
    for _ in range(8):
        words, run = runs.command("killed", [], **changes)
        process = subprocess.Popen(words, cwd=runs.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(rng.uniform(0.05, 0.3))
        process.kill()
        kills += process.wait() != 0
        check(subprocess.run(words, cwd=runs.folder, capture_output=True).returncode == 0, "a killed run goes on")
        check(contents(run) == plain, "a killed run that had a cache ends otherwise")
    print(f"{kills} runs killed, each continued to the same results")


def main():
    folder = pathlib.Path(sys.argv[2])
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    runs, rng = Runs(sys.argv[1], folder), random.Random(9)
    check_pool(runs)
    check_searches(runs)
    check_damage(runs, rng)
    check_limit(runs)
    check_together(runs)
    check_kills(runs, rng)


main()
