"""rescore.py WINNOW DIRECTORY - other verifiers score a run's pictures: with the scores that the run would have had, had it
named them, without sampling, killed at random moments and continued. WINNOW_KILLS times (8).
"""
import json
import os
import pathlib
import random
import shutil
import signal
import sqlite3
import subprocess
import sys

SPEC = {"winnow": 0, "name": "rescore", "seed": 7, "output": "run", "prompts": {"list": ["one", "two", "three"]},
        "canvas": {"width": 64, "height": 64, "steps": 3}, "sampler": {"use": "analytic"},
        "verifiers": {"near": {"use": "analytic"}},
        "search": {"use": "random", "guide": "near", "options": {"candidates": 20}}}
LATER = {"winnow": 0, "verifiers": {"far": {"use": "analytic", "options": {"target": 90, "delay_us": 4000}}}}
RANKS = {"winnow": 0, "verifiers": {
    "a": {"use": "analytic"}, "b": {"use": "analytic", "options": {"target": 90}},
    "ranks": {"use": "ensemble", "inputs": ["a", "b"], "options": {"method": "rank"}}}}
INTERRUPTED = 75


def run(winnow, folder, *words, want=0):
    done = subprocess.run([winnow, *map(str, words)], cwd=folder, capture_output=True, text=True)
    if done.returncode != want:
        sys.exit(f"{words}: status {done.returncode}, want {want}\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def check(condition, text):
    if not condition:
        sys.exit(text)


def scores(folder, verifier):
    db = sqlite3.connect(folder / "ledger.db")
    rows = db.execute("SELECT trial, candidate, metric, value FROM scores WHERE verifier=? ORDER BY 1, 2, 3", [verifier])
    found = rows.fetchall()
    db.close()
    return found


def counts(folder):
    db = sqlite3.connect(folder / "ledger.db")
    found = [db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("candidates", "offers", "trials")]
    db.close()
    return found


def write(folder, name, spec):
    (folder / name).write_text(json.dumps(spec))


def check_equal(winnow, folder):
    """As if the run had named it; the report calls it a judge, also after the run was started again."""
    write(folder, "whole.json", SPEC | {"output": "whole", "verifiers": SPEC["verifiers"] | LATER["verifiers"],
                                        "judge": ["far"]})
    run(winnow, folder, "run", "whole.json")
    run(winnow, folder, "run", "spec.json")
    before = counts(folder / "run")
    said = run(winnow, folder, "rescore", "run", "--spec", "later.json")
    check("60 pictures scored, 0 recorded before, 0 evaluations sampled" in said, said)
    check(counts(folder / "run") == before, "a rescore adds scores and nothing else")
    check(len(scores(folder / "run", "far")) == 60, "60 candidates have the score")
    check(scores(folder / "run", "far") == scores(folder / "whole", "far"), "the scores are not those of a run")
    said = run(winnow, folder, "rescore", "run", "--spec", "later.json")
    check("0 pictures scored, 60 recorded before" in said, said)
    for again in (False, True):
        if again:
            said = run(winnow, folder, "run", "spec.json")
            check("evaluations: 0 sampled, 180 from the ledger" in said, said)
        metrics = json.loads((folder / "run/manifest.json").read_text())["report"]["metrics"]
        check([(m["verifier"], m["role"]) for m in metrics] == [("near", "guide"), ("far", "judge")], metrics)
    whole, later = (json.loads((folder / name / "summary.json").read_text()) for name in ("whole", "run"))
    check(whole["metrics"] == later["metrics"] if "metrics" in whole else True, "the reports differ")
    rows = (folder / "run/results.jsonl").read_text(), (folder / "whole/results.jsonl").read_text()
    check(rows[0] == rows[1], "results.jsonl is not that of a run with the judge")


def check_refusals(winnow, folder):
    other = ("rescore", "run", "--verifier", "analytic", "--set", "verifiers.v1.options.target=30")
    check("another verifier far" in run(winnow, folder, *other, "--as", "far", want=2), "another of one name")
    check("another verifier near" in run(winnow, folder, *other, "--as", "near", want=2), "the guide's name")
    check("another verifier search" in run(winnow, folder, *other, "--as", "search", want=2), "a name of the run's")
    check("60 pictures scored" in run(winnow, folder, *other, "--as", "mid"), "another name")
    check("scored by what?" in run(winnow, folder, "rescore", "run", want=2), "no verifier")
    check("is not a run" in run(winnow, folder, "rescore", "nowhere", "--verifier", "analytic", want=3), "no run")
    run(winnow, folder, "run", "spec.json", "--output", "few", "--set", "engine.save_images=false")
    said = run(winnow, folder, "rescore", "few", "--spec", "later.json", want=2)
    check("have no picture" in said and "--kept" in said, said)
    said = run(winnow, folder, "rescore", "few", "--spec", "later.json", "--kept")
    check("candidates have no picture" in said and 3 <= len(scores(folder / "few", "far")) < 60, said)
    picture = next((folder / "few/images/p0001").glob("*.png"))
    picture.write_bytes(picture.read_bytes()[:300])
    said = run(winnow, folder, *["few" if w == "run" else w for w in other], "--as", "mid", "--kept", want=1)
    check("1 without an opinion" in said, said)


def check_sets(winnow, folder):
    """One that compares sees a prompt's candidates together: ranks of 20 are 20 different numbers or ties of them."""
    said = run(winnow, folder, "rescore", "run", "--spec", "ranks.json")
    check("60 pictures scored" in said, said)
    found = scores(folder / "run", "ranks")
    per_trial = [len({row[3] for row in found if row[0] == trial and row[2] == "ensemble"}) for trial in range(3)]
    check(len(found) == 180 and min(per_trial) > 5, per_trial)
    check(not scores(folder / "run", "a"), "inputs of others are not asked for themselves")
    db = sqlite3.connect(folder / "run/ledger.db")
    db.execute("DELETE FROM scores WHERE verifier='ranks' AND candidate IN (SELECT id FROM candidates WHERE ordinal % 3 = 0)")
    db.commit()
    db.close()
    run(winnow, folder, "rescore", "run", "--spec", "ranks.json")
    check(scores(folder / "run", "ranks") == found, "a set that was torn is not made whole")


def check_kills(winnow, folder, kills, rng):
    want = scores(folder / "run", "far")
    done = 0
    for _ in range(20 * kills):
        if done >= kills:
            break
        shutil.rmtree(folder / "killed", ignore_errors=True)
        run(winnow, folder, "run", "spec.json", "--output", "killed")
        for how in rng.sample([signal.SIGKILL, signal.SIGKILL, signal.SIGINT], 2):
            process = subprocess.Popen([winnow, "rescore", "killed", "--spec", "later.json"], cwd=folder,
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                process.wait(rng.uniform(0.03, 0.4))
            except subprocess.TimeoutExpired:
                process.send_signal(how)
            code = process.wait()
            check(code in (0, INTERRUPTED, -how), f"after signal {how} a rescore ended with {code}")
            done += code != 0
        run(winnow, folder, "rescore", "killed", "--spec", "later.json")
        check(scores(folder / "killed", "far") == want, f"after {done} kills the scores differ")
    return done


def main():
    winnow, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    write(folder, "spec.json", SPEC)
    write(folder, "later.json", LATER)
    write(folder, "ranks.json", RANKS)
    check_equal(winnow, folder)
    check_refusals(winnow, folder)
    check_sets(winnow, folder)
    kills = check_kills(winnow, folder, int(os.environ.get("WINNOW_KILLS", "8")), random.Random(3))
    print(f"{kills} kills of a rescore, each continued to the same scores")


main()
