"""Plays commands and compares what a user sees, message by message.

usage: transcripts.py [--print] FILE SOURCE_DIR BUILD_DIR

A transcript is made of cases: a line "$ COMMAND", what it says (both streams, as on a terminal), and "[STATUS]" when that is
not 0. Lines that begin with "#" are remarks. --print writes the file anew from what really comes, to be read before it is
kept. Paths of this machine are written TMP, SOURCE and BUILD; digests, which change with every default of a spec, DIGEST1,
DIGEST2 in the order of their first appearance. Exit status 77: what the file needs is not there.
"""
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile

SPEC = {
    "winnow": 0,
    "prompts": {"list": ["one", "two", "three"]},
    "canvas": {"width": 64, "height": 64, "steps": 4},
    "sampler": {"use": "analytic"},
    "verifiers": {"v": {"use": "analytic"}},
    "search": {"use": "random", "guide": "v", "options": {"candidates": 4}},
    "output": "run",
}


def read_cases(path):
    """Yields (lines before the command, command, wanted text)."""
    before, command, wanted = [], None, []
    with open(path, encoding="utf-8") as file:
        for line in file.read().splitlines():
            if line.startswith("$ "):
                if command:
                    yield before, command, wanted
                    before, wanted = [], []
                command = line[2:]
            elif command is None or line.startswith("#"):
                if command:
                    yield before, command, wanted
                    before, command, wanted = [], None, []
                before.append(line)
            elif line or wanted:
                wanted.append(line)
    if command:
        yield before, command, wanted


def edit_header(path, change):
    """Rewrites a safetensors file's header, leaving the data."""
    with open(path, "rb") as file:
        size = struct.unpack("<Q", file.read(8))[0]
        header, data = json.loads(file.read(size)), file.read()
    change(header)
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


def broken_models(clip, folder):
    """Copies of a small CLIP, each with one thing wrong."""
    def copy(name):
        shutil.copytree(clip, os.path.join(folder, name))
        return os.path.join(folder, name, "model.safetensors")

    weights = copy("truncated")
    os.truncate(weights, os.path.getsize(weights) - 1000)
    edit_header(copy("no-tensor"), lambda h: h.update(
        {"visual_projection.was_here": h.pop("visual_projection.weight")}))
    edit_header(copy("wrong-shape"), lambda h: h["visual_projection.weight"].update(
        shape=[2 * h["visual_projection.weight"]["shape"][0], h["visual_projection.weight"]["shape"][1] // 2]))
    os.remove(copy("no-weights"))
    with open(os.path.join(os.path.dirname(copy("bad-config")), "config.json"), "w", encoding="utf-8") as file:
        file.write('{ "text_config": ')


def prepare(folder, source, need_models):
    with open(os.path.join(folder, "spec.json"), "w", encoding="utf-8") as file:
        json.dump(SPEC, file)
    with open(os.path.join(folder, "typo.json"), "w", encoding="utf-8") as file:
        json.dump(dict(SPEC, serach={}), file, indent=2)
    clip = os.path.join(source, "examples", "pebble", "clip")
    if need_models:
        if not os.path.exists(os.path.join(clip, "model.safetensors")):
            print("skipped: there is no pebble model")
            sys.exit(77)
        broken_models(clip, folder)
        with open(os.path.join(folder, "clip.json"), "w", encoding="utf-8") as file:
            json.dump(dict(SPEC, verifiers={"v": {"use": "clipscore", "options": {"model": "clip"}}}), file)


def name_digests(text):
    seen = {}
    return re.sub(r"\b[0-9a-f]{16}\b", lambda digest: seen.setdefault(digest[0], f"DIGEST{len(seen) + 1}"), text)


def play(command, folder, source, build):
    keep = {k: v for k, v in os.environ.items() if not k.startswith(("WINNOW_", "HF_"))}
    env = dict(keep, PATH=os.path.join(build, "bin") + ":" + os.environ["PATH"], TERM="dumb", HOME=folder,
               SOURCE=source, BUILD=build, NO_COLOR="1")
    done = subprocess.run(["sh", "-c", command], cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          stdin=subprocess.DEVNULL, timeout=120, check=False)
    text = done.stdout.decode("utf-8", "replace")
    for path, name in ((folder, "TMP"), (build, "BUILD"), (source, "SOURCE")):
        text = text.replace(path, name)
    lines = [line.rstrip() for line in name_digests(text).splitlines()]
    if done.returncode:
        lines.append(f"[{done.returncode}]")
    while lines and not lines[-1]:
        lines.pop()
    return lines


def main():
    write = sys.argv[1] == "--print"
    path, source, build = (os.path.realpath(a) for a in sys.argv[1 + write:])
    mistakes, count = 0, 0
    with tempfile.TemporaryDirectory() as folder:
        folder = os.path.realpath(folder)
        prepare(folder, source, "models" in os.path.basename(path))
        for before, command, wanted in read_cases(path):
            got = play(command, folder, source, build)
            count += 1
            while wanted and not wanted[-1]:
                wanted.pop()
            if write:
                print("\n".join(before + ["$ " + command] + got) + "\n")
            elif got != wanted:
                mistakes += 1
                print("$", command, *got, "but wanted:", *wanted, "", sep="\n")
    if not write:
        print(f"{count} commands, {mistakes} said something else")
    return 1 if mistakes or not count else 0


if __name__ == "__main__":
    sys.exit(main())
