#!/usr/bin/env python3
"""readme.py SOURCE BIN - runs what the README tells people to run, and checks what it points to.

Commands stand in ```sh blocks, one a line; they run in order in a scratch folder that sees configs/ and examples/, with BIN first on
PATH. The JSON block must be configs/quickstart.json. Relative links must lead to something. Every config must pass `winnow check`.
What the table of verifiers says of comparing across prompts must be what the plugins that were built say.
"""
import glob
import json
import os
import re
import subprocess
import sys
import tempfile


def blocks(text, language):
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.S | re.M)


def run_commands(source, text, path):
    failures = []
    with tempfile.TemporaryDirectory() as scratch:
        for name in ("configs", "examples"):
            os.symlink(os.path.join(source, name), os.path.join(scratch, name))
        env = {**os.environ, "PATH": path + ":" + os.environ["PATH"]}
        for line in "".join(blocks(text, "sh")).splitlines():
            command = line.split("  #")[0].strip()
            if not command:
                continue
            done = subprocess.run(command, shell=True, cwd=scratch, env=env, capture_output=True, text=True)
            print(f"[{done.returncode}] {command}")
            if done.returncode:
                failures.append(f"{command}: exit {done.returncode}\n{done.stderr}")
    return failures


def check_links(source):
    failures = []
    for page in glob.glob(os.path.join(source, "**", "*.md"), recursive=True):
        if "/build/" in page:
            continue
        with open(page, encoding="utf-8") as f:
            for target in re.findall(r"\]\(([^)#]+)\)", f.read()):
                if "://" not in target and not os.path.exists(os.path.join(os.path.dirname(page), target)):
                    failures.append(f"{page}: link to {target}, which is not there")
    return failures


def check_configs(source, winnow):
    failures = []
    for config in sorted(glob.glob(os.path.join(source, "configs", "**", "*.json"), recursive=True)):
        done = subprocess.run([winnow, "check", config], capture_output=True, text=True)
        if done.returncode:
            failures.append(f"winnow check {config}: {done.stderr}")
    return failures


def check_verifiers(text, winnow):
    failures = []
    for name, across in re.findall(r"^\| \[`(\w+)`\]\(plugins/verifiers/\w+\) \|.*\| (yes|no)\b[^|]*\|$", text, re.M):
        done = subprocess.run([winnow, "describe", name, "--kind", "verifier", "--json"], capture_output=True, text=True)
        if done.returncode == 0 and json.loads(done.stdout)["metrics"][0]["across_prompts"] != (across == "yes"):
            failures.append(f"README.md: {name} is said to compare across prompts: {across}, which its metric denies")
    return failures


def main():
    source, path = map(os.path.abspath, sys.argv[1:3])
    with open(os.path.join(source, "README.md"), encoding="utf-8") as f:
        text = f.read()
    failures = run_commands(source, text, path) + check_links(source)
    failures += check_configs(source, os.path.join(path, "winnow"))
    failures += check_verifiers(text, os.path.join(path, "winnow"))
    with open(os.path.join(source, "configs", "quickstart.json"), encoding="utf-8") as f:
        if json.loads(blocks(text, "json")[0]) != json.load(f):
            failures.append("README.md: its spec is not configs/quickstart.json")
    print("\n".join(failures), file=sys.stderr)
    return 1 if failures else 0


sys.exit(main())
