#!/usr/bin/env python3
"""clang_warnings.py BUILD - runs clang -fsyntax-only with the tree's flags over every C source of the build.

gcc and clang warn about different things; the tree is clean under both. Skips (77) where there is no clang.
"""
import json
import os
import shlex
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor


def check(entry):
    words = shlex.split(entry["command"])[1:]
    drop = words.index("-o")
    words = [w for i, w in enumerate(words) if i not in (drop, drop + 1) and not w.startswith("-fsanitize")
             and not w.startswith("-fno-sanitize")]
    run = subprocess.run(["clang", *words, "-fsyntax-only"], cwd=entry["directory"], capture_output=True, text=True)
    return entry["file"], run.returncode, run.stderr


def main():
    if not shutil.which("clang"):
        print("skipped: no clang", file=sys.stderr)
        return 77
    with open(os.path.join(sys.argv[1], "compile_commands.json")) as f:
        entries = [e for e in json.load(f) if e["file"].endswith(".c")]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        failed = [r for r in pool.map(check, entries) if r[1] != 0]
    for _, _, text in failed:
        print(text, file=sys.stderr)
    print(f"{len(entries)} sources, {len(failed)} with warnings")
    return 1 if failed else 0


sys.exit(main())
