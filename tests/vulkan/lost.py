"""lost.py WINNOW DIRECTORY FAULTY - a run on a device that fails: it ends with the status that is documented, no candidate
is recorded as failed for it, and the same command without the fault ends with the rows of an undisturbed run.
"""
import json
import os
import pathlib
import shutil
import sqlite3
import subprocess
import sys

SPEC = {
    "winnow": 0, "name": "lost", "seed": 7, "prompts": {"list": ["a red circle", "a blue square"]},
    "canvas": {"width": 16, "height": 16, "steps": 2}, "engine": {"live": 1, "batch": 2},
    "sampler": {"use": "flux", "options": {"model": os.environ["WINNOW_PEBBLE"], "device": "vulkan:llvmpipe"}},
    "verifiers": {"says": {"use": "shapes"}}, "search": {"use": "random", "guide": "says", "options": {"candidates": 2}},
}

# Fault, status, part of the message, whether the same command must then go on from it. The run waits 15 times.
POINTS = [
    *((f"WaitForFences={n}:lost:always", 75, "VK_ERROR_DEVICE_LOST", True) for n in (1, 5, 8, 12, 14)),
    *((f"QueueSubmit={n}:lost:always", 75, "VK_ERROR_DEVICE_LOST", True) for n in (6, 11)),
    ("QueueSubmit=7:lost CreateDevice=2:init:always", 75, "could not be opened again", True),
    ("WaitForFences=9:timeout:always", 75, "no answer in 600 s", True),
    ("CreateComputePipelines=2:init", 75, "VK_ERROR_INITIALIZATION_FAILED", True),
    *((f"WaitForFences={n}:lost", 0, "", False) for n in (1, 7, 13)),
    ("AllocateMemory=2:device", 0, "", False),
    ("AllocateMemory=1:device:always", 1, "no device memory", True),
    ("CreateBuffer=1:host:always", 1, "no device memory", False),
    ("CreateDevice=1:init", 3, "cannot open", False),
    ("EnumeratePhysicalDevices=1:none", 3, "llvmpipe", False),
    ("version=1", 3, "llvmpipe", False),
    ("missing=vkWaitForFences", 3, "vkWaitForFences", False),
]


class Runs:
    def __init__(self, winnow, folder, faulty):
        self.winnow, self.folder, self.faulty = winnow, folder, faulty

    def run(self, name, plan):
        environment = dict(os.environ, WINNOW_VULKAN_LIBRARY=self.faulty, WINNOW_FAULTY=plan)
        done = subprocess.run([self.winnow, "run", "spec.json", "-o", name, "--quiet"], cwd=self.folder, text=True,
                              capture_output=True, env=environment)
        return done.returncode, done.stdout + done.stderr

    def count(self, name, sql):
        with sqlite3.connect(self.folder / name / "ledger.db") as ledger:
            return ledger.execute(sql).fetchone()[0]

    def rows(self, name):
        lines = (self.folder / name / "results.jsonl").read_text().splitlines()
        pictures = [(self.folder / name / json.loads(line)["image"]).read_bytes() for line in lines]
        return lines, [picture.split(b"IDAT")[1:] for picture in pictures]


def check(runs, index, point, want):
    plan, status, part, goes_on = point
    name = f"run{index}"
    code, said = runs.run(name, plan)
    if code != status or part not in said or "Sanitizer" in said:
        sys.exit(f"{plan}: status {code}, want {status} with {part!r}\n{said}")
    if status == 75 and runs.count(name, "SELECT count(*) FROM trials WHERE state = 'failed'"):
        sys.exit(f"{plan}: a prompt is recorded as failed")
    if goes_on:
        code, said = runs.run(name, "")
        if code != 0 or "Sanitizer" in said:
            sys.exit(f"{plan}: the next start has status {code}\n{said}")
    if (goes_on or status == 0) and runs.rows(name) != want:
        sys.exit(f"{plan}: other results than those of an undisturbed run")
    shutil.rmtree(runs.folder / name, ignore_errors=True)


def main():
    runs = Runs(sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3])
    shutil.rmtree(runs.folder, ignore_errors=True)
    runs.folder.mkdir(parents=True)
    (runs.folder / "spec.json").write_text(json.dumps(SPEC))
    code, said = runs.run("whole", "")
    if code == 3 and "llvmpipe" in said:
        print("SKIPPED: no software Vulkan driver (package mesa-vulkan-drivers)\n" + said)
        sys.exit(77)
    if code != 0:
        sys.exit(f"undisturbed: status {code}\n{said}")
    want = runs.rows("whole")
    for index, point in enumerate(POINTS):
        check(runs, index, point, want)
    print(f"{len(POINTS)} faults of runs, {sum(p[3] for p in POINTS)} of them gone on from")


main()
