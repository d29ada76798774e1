"""Counts on pebble what winnow promises of its engine, and prints it; the tests hold the same on smaller runs.

    python3 tests/bench/counted.py build/release /a/folder/with/room

- batches stay full while 16 prompts search sequentially (zero_order);
- another search samples nothing that the cache has, and rescoring samples nothing;
- 20 random pictures of each of five searches come out of `winnow replay` bit for bit.

The pictures are drawn with --seed. Ends with status 1 if a promise is not kept.
"""
import argparse
import json
import pathlib
import random
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
QUICKSTART = ROOT / "configs" / "quickstart.json"
SEARCHES = {
    "random": {"use": "random"},
    "zero_order": {"use": "zero_order"},
    "evolution": {"use": "evolution", "options": {"population": [6, 4, 4, 4, 4]}},
    "svdd": {"use": "svdd", "options": {"children": 6}},  # one picture for each prompt
    "tree_dts": {"use": "tree", "options": {"method": "dts", "samples": 16}},
}
SOURCES = re.compile(r"evaluations: (\d+) sampled, (\d+) from the ledger, (\d+) from the cache")
FULL = re.compile(r"batches (\d+) % full")
RESCORED = re.compile(r"(\d+) pictures scored, (\d+) recorded before, (\d+) evaluations sampled")


class Bench:
    def __init__(self, winnow, folder):
        self.winnow, self.folder, self.broken = winnow, folder, 0

    def call(self, *words):
        done = subprocess.run([self.winnow, *words], capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    def run(self, name, search, *, prompts, cache=None):
        """Directory and what was said."""
        spec = {"extends": str(QUICKSTART), "name": name, "prompts": {"limit": prompts}, "search": search | {"guide": "clip"}}
        if cache:
            spec["engine"] = {"cache": str(self.folder / cache)}
        path, run = self.folder / f"{name}.json", self.folder / name
        path.write_text(json.dumps(spec))
        code, said = self.call("run", str(path), "--output", str(run))
        if code:
            sys.exit(f"{path}: exit status {code}\n{said[-2000:]}")
        return run, said

    def tell(self, kept, text):
        self.broken += not kept
        print(f"{'' if kept else 'NOT KEPT: '}{text}", flush=True)


def fill(bench):
    _, said = bench.run("fill", SEARCHES["zero_order"], prompts=16)
    full = int(FULL.search(said)[1])
    bench.tell(full >= 90, f"batches of 16 prompts of zero_order: {full} % full")


def swap(bench):
    """random, another search, random again, with one cache."""
    sampled, kept = 0, {}
    for name in ("random", "zero_order", "random again"):
        run, said = bench.run(f"swap {name}", SEARCHES[name.split()[0]], prompts=4, cache="cache")
        counts = tuple(map(int, SOURCES.search(said).groups()))
        ids = {json.loads(line)["candidate"] for line in (run / "results.jsonl").open()}
        known = len(ids & kept.keys())
        kept |= dict.fromkeys(ids)
        bench.tell(counts[2] == 10 * known, f"{name}: {counts[0]} evaluations sampled, {counts[2]} from the cache; "
                   f"{known} of its {len(ids)} pictures were there")
        sampled += counts[0]
    bench.tell(sampled == 10 * len(kept), f"{len(kept)} different pictures, {sampled} evaluations in all")
    code, said = bench.call("rescore", str(bench.folder / "swap random"), "--verifier", "aesthetic", "--model", "pebble/aesthetic")
    found = RESCORED.search(said)
    bench.tell(code == 0 and int(found[3]) == 0, f"rescore: {found[0]}")


def replay(bench, rng):
    for name, search in SEARCHES.items():
        run, _ = bench.run(name, search, prompts=20 if name == "svdd" else 4)
        rows = [json.loads(line) for line in (run / "results.jsonl").open()]
        ids = sorted({row["candidate"] for row in rows if row["finished"]})
        chosen = rng.sample(ids, min(20, len(ids)))
        equal = sum(bench.call("replay", str(run), one)[0] == 0 for one in chosen)
        bench.tell(equal == len(chosen) == 20, f"{name}: {equal} of {len(chosen)} pictures, drawn from {len(ids)}, equal bit for bit")


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("build", help="a build tree of winnow")
    p.add_argument("folder", type=pathlib.Path, help="emptied first")
    p.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    a = p.parse_args()
    folder = a.folder.resolve()
    if folder.exists() and not (folder / "counted").exists() and any(folder.iterdir()):
        sys.exit(f"{folder} holds other files; name a new folder")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "counted").touch()
    print(f"seed {a.seed}")
    bench = Bench(str(pathlib.Path(a.build).resolve() / "bin" / "winnow"), folder)
    fill(bench)
    swap(bench)
    replay(bench, random.Random(a.seed))
    return bench.broken > 0


sys.exit(main())
