"""Which rules a plugin keeps: every module of the tree keeps all, each bad one breaks the one that it is to break.

usage: conform.py WINNOW MODULES_DIR yes|no (whether there is an allocator that fails)
"""
import json
import os
import subprocess
import sys

WINNOW, MODULES, HAS_ALLOCATOR = sys.argv[1], sys.argv[2], sys.argv[3] == "yes"
PLUGINS = os.path.join(os.path.dirname(MODULES), "../lib/winnow")
GOOD = [("random", {}), ("zero_order", {}), ("paths", {}), ("halving", {}), ("svdd", {"temperature": 1}), ("fk", {}), ("rbf", {}), ("spectral", {}),
        ("epsilon_greedy", {"iterations": 3}), ("evolution", {}), ("verifier_threshold", {}), ("tree", {}), ("tree", {"method": "dfs"}), ("tree", {"method": "dts"}),
        ("stages", {"stages": [{"use": "random", "options": {"candidates": 8}, "steps": 3}, {"use": "zero_order"}]}),
        ("stages", {"stages": [{"use": "halving", "steps": 4}, {"use": "svdd", "resume": 0.6}]}),
        ("stages", {"stages": [{"use": "zero_order", "shrink": 2}, {"use": "random"}]}),
        ("analytic", {}), ("analytic", {"memory": 0.5}), ("shapes", {}), ("ensemble", {}), ("retry", {}),
        (os.path.join(PLUGINS, "verifier-analytic.so"), {}),
        ("cache", {"folder": os.path.join(MODULES, "cache")}),
        ("threshold", {"at_least": -1}), ("flux", {"model": "pebble"}), ("flux", {"model": "pebble", "reuse": "first_block"}), ("clipscore", {"model": "pebble/clip"}),
        ("pickscore", {"model": "pebble/clip"}), ("aesthetic", {"model": "pebble/aesthetic", "clip": "pebble/clip"}),
        ("self_consistency", {"model": "pebble/clip"}),
        (os.path.join(PLUGINS, "verifier-worker.so"), {"script": "verifier-python/brightness.py"}),
        ("imagereward", {"model": "pebble/imagereward"})]
if os.path.exists(os.path.join(PLUGINS, "bayesian.so")):
    GOOD.append(("bayesian", {}))
BAD = {
    "verifier": {"metrics": "metrics have", "batch": "alone as among", "order": "order of the set", "state": "can be had again",
                 "parallel": "can be had again", "infinity": "pictures of every size", "bounds": "alone as among",
                 "cancel": "an interrupt", "symbol": "exports nothing", "files": "leave nothing behind",
                 "output": "prints nothing", "locale": "changes nothing of the process", "global": "its own data",
                 "memory": "lack of memory", "message": "lack of memory", "leak": "gives all memory back"},
    "search": {"plan": "plans something", "offer": "ends, with", "budget": "used-up budget", "trace": "the same answers",
               "error": "what fails below", "dropped": "ends, with"},
}
NEEDS_ALLOCATOR = ("memory", "message", "leak")
failures = 0


def fail(text):
    global failures
    failures += 1
    print(text)


def conform(plugin, options):
    done = subprocess.run([WINNOW, "conform", plugin, "--json", "--options", json.dumps(options)], capture_output=True,
                          text=True, timeout=250)
    try:
        return done.returncode, json.loads(done.stdout)["checks"], done.stderr
    except (json.JSONDecodeError, KeyError):
        return done.returncode, [], done.stdout + done.stderr


def check_good(plugin, options):
    code, checks, said = conform(plugin, options)
    for check in checks:
        if check["verdict"] == "fail":
            fail(f"{plugin}: {check['check']}: {check['why']}")
        if check["verdict"] == "skip" and "counting allocator" in check["why"] and HAS_ALLOCATOR:
            fail(f"{plugin}: {check['check']} was skipped: {check['why']}")
    if code != 0 or len(checks) < 10:
        fail(f"{plugin}: exit status {code}, {len(checks)} checks: {said}")


def check_bad(kind, name, wanted):
    if name in NEEDS_ALLOCATOR and not HAS_ALLOCATOR:
        return
    code, checks, said = conform(os.path.join(MODULES, f"{kind}_{name}.so"), {})
    broken = [check["check"] for check in checks if check["verdict"] == "fail"]
    if code != 1 or not any(wanted in check for check in broken):
        fail(f"bad {kind} {name}: exit status {code}, wanted \"{wanted}\" among {broken}: {said}")


for plugin, options in GOOD:
    check_good(plugin, options)
for kind, cases in BAD.items():
    check_good(os.path.join(MODULES, f"{kind}_none.so"), {})
    for name, wanted in cases.items():
        check_bad(kind, name, wanted)
print(f"{failures} findings")
sys.exit(1 if failures else 0)
