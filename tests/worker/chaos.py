"""chaos.py WINNOW DIRECTORY CHAOTIC.so - workers and isolated plugins that are killed all through a run change nothing of it.

Each kind is run once undisturbed and once with processes that crash, abort, hang, end, lie and write nonsense again and
again, WINNOW_KILLS times (20) at least; results and pictures must be the same bytes. A plugin that dies of
some pictures costs those their scores. No process is left behind.
"""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).parent
KILLS = int(os.environ.get("WINNOW_KILLS", "20"))
PATIENCE = {"patience_s": 0.5, "attempts": 20}


def spec(name, prompts, verifier=None, sampler=None, search=None, judge=()):
    return {
        "winnow": 0, "name": name, "seed": 7,
        "prompts": {"list": [f"prompt {i}" for i in range(prompts)]},
        "canvas": {"width": 32, "height": 32, "steps": 6},
        "sampler": sampler or {"use": "analytic"},
        "verifiers": {"guide": verifier or {"use": "analytic"}, **dict(judge)},
        "search": {"guide": "guide", **(search or {"use": "random", "options": {"candidates": 4, "wave": 2}})},
        "judge": [name for name, _ in judge],
        "budget": {"candidates": 100}, "engine": {"batch": 4, "live": 2},
    }


def worker(script):
    return {"use": "worker", "options": {"script": str(HERE / script), **PATIENCE}}


def kinds(chaotic):
    yield "verifier", spec("verifier", -(-KILLS // 4), verifier=worker("verifier.py"))
    yield "sampler", spec("sampler", -(-KILLS // 4), sampler=worker("sampler.py"))
    yield "search", spec("search", -(-KILLS // 3), search=worker("search.py"))
    yield "isolate", spec("isolate", -(-KILLS // 4), verifier={"use": chaotic, "isolate": True, "patience_s": 0.5},
                          search={"use": "random", "options": {"candidates": 8, "wave": 1}})


def contents(run):
    names = [run / "results.jsonl", run / "summary.json", *sorted((run / "images").rglob("*"))]
    return {str(p.relative_to(run)): p.read_bytes() for p in names if p.is_file()}


class Winnow:
    def __init__(self, command, folder):
        self.command, self.folder = command, folder

    def start(self, name, what, trouble=None):
        path, out = self.folder / f"{name}.json", self.folder / name
        path.write_text(json.dumps(what))
        env = {**os.environ, "WINNOW_CHAOS_MARK": str(self.folder),
               "ASAN_OPTIONS": "handle_segv=0:handle_abort=0:detect_leaks=0:" + os.environ.get("ASAN_OPTIONS", "")}
        if trouble:
            env["WINNOW_TROUBLE"] = str(trouble)
        return out, subprocess.Popen([self.command, "run", str(path), "--output", str(out)], env=env, text=True,
                                     stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def run(self, name, what, trouble=None):
        out, process = self.start(name, what, trouble)
        stderr = process.communicate()[1]
        if process.returncode != 0:
            sys.exit(f"{name}: winnow run ended with {process.returncode}:\n{stderr[-3000:]}")
        return out

    def leftovers(self):
        """Processes of these runs that are still there, or were never reaped."""
        mark = f"WINNOW_CHAOS_MARK={self.folder}".encode()
        for process in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                if mark in (process / "environ").read_bytes():
                    yield process.name, (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue


def check_kind(winnow, name, what):
    want = contents(winnow.run(f"{name}-calm", what))
    trouble = winnow.folder / f"{name}.trouble"
    got = contents(winnow.run(f"{name}-wild", what, trouble))
    kills = os.path.getsize(f"{trouble}.kills")
    wrong = [key for key in sorted(want.keys() | got.keys()) if want.get(key) != got.get(key)]
    if wrong:
        sys.exit(f"{name}: after {kills} kills these differ from an undisturbed run: {', '.join(wrong[:9])}")
    if kills < KILLS:
        sys.exit(f"{name}: only {kills} kills of {KILLS}")
    print(f"{name}: {kills} kills, the same {len(want)} files")


def scores(run, verifier):
    rows = [json.loads(line) for line in (run / "results.jsonl").read_text().splitlines()]
    return {row["candidate"]: row["scores"].get(f"{verifier}.brightness") for row in rows}


def check_poison(winnow, chaotic):
    """As a judge: what kills it has no score, the others have theirs."""
    judges = [("well", {"use": chaotic}), ("poisoned", {"use": chaotic, "isolate": True, "options": {"poison": 7}})]
    run = winnow.run("poison", spec("poison", 3, judge=judges))
    well, poisoned = scores(run, "well"), scores(run, "poisoned")
    for candidate, value in well.items():
        want = None if int(value) % 7 == 0 else value
        if poisoned[candidate] != want:
            sys.exit(f"poison: candidate {candidate} of brightness {value} was given {poisoned[candidate]}")
    lost = sum(value is None for value in poisoned.values())
    if not 0 < lost < len(well):
        sys.exit(f"poison: {lost} of {len(well)} candidates were lost; the test shows nothing")
    print(f"poison: {lost} of {len(well)} candidates without a score, the others with the one they should have")


def check_rebuilt(winnow, chaotic):
    """A plugin that is built anew while its process is at work: the next process must not go on with the other build."""
    mine = winnow.folder / "mine.so"
    shutil.copy(chaotic, mine)
    out, run = winnow.start("rebuilt", spec("rebuilt", 3, sampler={"use": "analytic", "options": {"delay_us": 30000}},
                                            judge=[("isolated", {"use": str(mine), "isolate": True})]))
    while not list(out.glob("images/*/*.png")):
        time.sleep(0.02)
    shutil.copy(chaotic, f"{mine}.new")
    with open(f"{mine}.new", "ab") as file:
        file.write(b"another build")
    os.rename(f"{mine}.new", mine)
    for pid, command in winnow.leftovers():
        if " serve" in command:
            os.kill(int(pid), signal.SIGKILL)
    stderr = run.communicate()[1]
    told = scores(out, "isolated").values()
    if "mine.so is another build than the one that the run has loaded" not in stderr or None not in told:
        sys.exit(f"rebuilt: {sum(v is None for v in told)} of {len(told)} candidates without a score:\n{stderr[-3000:]}")
    print(f"rebuilt: {sum(v is None for v in told)} of {len(told)} candidates without a score of the new build")


def main():
    winnow = Winnow(sys.argv[1], pathlib.Path(sys.argv[2]))
    chaotic = sys.argv[3]
    shutil.rmtree(winnow.folder, ignore_errors=True)
    winnow.folder.mkdir(parents=True)
    for name, what in kinds(chaotic):
        check_kind(winnow, name, what)
    check_poison(winnow, chaotic)
    check_rebuilt(winnow, chaotic)
    left = list(winnow.leftovers())
    if left:
        sys.exit(f"left behind: {left}")


main()
