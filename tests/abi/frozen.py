#!/usr/bin/env python3
"""frozen.py HEADERS PLUGINS WINNOW VERSION - plugins compiled long ago run in the host of today.

HEADERS is a folder of frozen headers, PLUGINS the modules that were compiled against them: one of each kind, and the template of
`winnow new`. Each says its ABI, conforms, and takes part in a run of which they do everything.
"""
import hashlib
import json
import os
import subprocess
import sys
import tempfile


def check_headers(folder):
    with open(os.path.join(folder, "SHA256SUMS"), encoding="utf-8") as file:
        sums = dict(reversed(line.split()) for line in file)
    names = sorted("winnow/" + name for name in os.listdir(os.path.join(folder, "winnow")))
    assert names == sorted(sums), f"{folder} has {names}, SHA256SUMS has {sorted(sums)}"
    for name, want in sums.items():
        with open(os.path.join(folder, name), "rb") as file:
            got = hashlib.sha256(file.read()).hexdigest()
        assert got == want, f"{folder}/{name} was edited: SHA-256 {got}, not {want}; frozen headers stay as they are"


def winnow(*arguments, cwd=None):
    done = subprocess.run(arguments, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(arguments)}: exit {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def check_each(command, plugins, version):
    for kind in ("verifier", "search", "sampler", "device", "template"):
        path = os.path.join(plugins, kind + ".so")
        says = json.loads(winnow(command, "describe", "--json", path))
        assert says["abi"] == version, f"{path} says ABI {says['abi']}, not {version}"
        if kind != "device":
            winnow(command, "conform", path)
    assert "abacus" in winnow(command, "devices", "--plugin-dir", plugins)


def check_run(command, plugins):
    spec = {
        "winnow": 0,
        "prompts": {"list": ["one", "two"]},
        "canvas": {"width": 64, "height": 32, "steps": 4},
        "sampler": {"use": "old"},
        "verifiers": {"red": {"use": "old"},
                      "twice": {"use": "old", "options": {"weight": 2, "device": "old"}},
                      "new": {"use": os.path.join(plugins, "template.so")}},
        "judge": ["twice", "new"],
        "search": {"use": "old", "guide": "red", "options": {"pairs": 3}},
        "output": "run",
    }
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "spec.json"), "w", encoding="utf-8") as file:
            json.dump(spec, file)
        winnow(command, "run", "--quiet", "--plugin-dir", plugins, "spec.json", cwd=folder)
        with open(os.path.join(folder, "run", "results.jsonl"), encoding="utf-8") as file:
            rows = [json.loads(line) for line in file]
    assert len(rows) == 2 * 6, f"{len(rows)} candidates, not 12"
    for trial in (0, 1):
        scores = [row["scores"]["red.red"] for row in rows if row["trial"] == trial]
        best = [row["scores"]["red.red"] for row in rows if row["trial"] == trial and row["winner"]]
        assert best == [max(scores)] and min(scores) < max(scores), f"trial {trial}: {best} won among {scores}"
        for a, b in zip(scores[::2], scores[1::2]):
            assert abs(a + b - 255) < 1.5, f"{a} and {b} are no mirror images"
    for row in rows:
        scores = row["scores"]
        judged = [value for key, value in scores.items() if key.startswith(("twice.", "new."))]
        assert all(abs(value - want) < 1e-4 for value, want in zip(sorted(judged), (scores["red.red"],
                   2 * scores["red.red"]))), f"{scores} do not agree"
    assert sum(len(row["scores"]) == 3 for row in rows) >= 2, "nothing was judged"


def main():
    headers, plugins, command = (os.path.abspath(a) for a in sys.argv[1:4])
    check_headers(headers)
    check_each(command, plugins, [int(n) for n in sys.argv[4].split(".")])
    check_run(command, plugins)


main()
