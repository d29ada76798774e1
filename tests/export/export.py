"""export.py WINNOW DIRECTORY - what `winnow export` writes holds what the run holds, in every format.

Read back with the standard library alone: csv for RFC 4180, and a reader of TensorBoard's event files (TFRecord frames, the
wire format of protocol buffers) that was written from their descriptions and knows nothing of the writer. compare_readers.py
asks pandas, datasets and TensorBoard themselves.
"""
import csv
import json
import math
import os
import pathlib
import shutil
import struct
import subprocess
import sys

HOSTILE = ['a "quoted", listed prompt', "two\nlines\r\nand, commas", "=1+1", "caf\u00e9 \u202e \U0001f600", "plain",
           "six prompts have an interval"]

SPEC = {
    "winnow": 0, "name": "export", "seed": 7, "output": "unused",
    "prompts": {"list": HOSTILE},
    "canvas": {"width": 64, "height": 64, "steps": 4},
    "sampler": {"use": "analytic"},
    "verifiers": {"near": {"use": "analytic"}, "far": {"use": "analytic", "options": {"target": 90}}},
    "search": {"use": "random", "guide": "near", "options": {"candidates": 6}},
    "judge": ["far"],
}
COLUMNS = ["trial", "prompt_id", "prompt", "category", "ordinal", "candidate", "point", "finished", "parent", "lineage", "nfe",
           "nfe_total", "offer", "winner", "image"]
METRICS = ["near.closeness", "far.closeness"]


def check(holds, what):
    if not holds:
        sys.exit(f"export: {what}")


def winnow(program, *arguments, code=0):
    done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True)
    check(done.returncode == code, f"winnow {arguments} ended with {done.returncode}: {done.stderr}")
    return done.stdout.strip() if code == 0 else done.stderr


# ---- an independent reader of event files ----

def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def masked(data):
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17 & 0xffffffff) + 0xa282ead8) & 0xffffffff


def records(data, with_crc=True):
    at = 0
    while at < len(data):
        length, = struct.unpack_from("<Q", data, at)
        check(struct.unpack_from("<I", data, at + 8)[0] == masked(data[at:at + 8]), "a length's checksum")
        body = data[at + 12:at + 12 + length]
        check(len(body) == length, "a record is cut")
        if with_crc or length < 4096:
            check(struct.unpack_from("<I", data, at + 12 + length)[0] == masked(body), "a record's checksum")
        yield body
        at += 16 + length


def varint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 0x7f) << shift
        at, shift = at + 1, shift + 7
        if not data[at - 1] & 0x80:
            return value, at


def fields(data):
    """{field number: [value, ...]} of one message."""
    found, at = {}, 0
    while at < len(data):
        key, at = varint(data, at)
        if key & 7 == 0:
            value, at = varint(data, at)
        elif key & 7 == 1:
            value, at = struct.unpack_from("<d", data, at)[0], at + 8
        elif key & 7 == 5:
            value, at = struct.unpack_from("<f", data, at)[0], at + 4
        else:
            check(key & 7 == 2, f"wire type {key & 7}")
            length, at = varint(data, at)
            value, at = data[at:at + length], at + length
        found.setdefault(key >> 3, []).append(value)
    return found


def read_events(path, with_crc=True):
    """({(tag, step): float}, {tag: (height, width, png)})."""
    scalars, pictures = {}, {}
    for i, record in enumerate(records(path.read_bytes(), with_crc)):
        event = fields(record)
        if i == 0:
            check(event[3] == [b"brain.Event:2"], "the file's version")
            continue
        check(event[1][0] > 1.7e9, "an event's time is the run's")
        value = fields(fields(event[5][0])[1][0])
        tag = value[1][0].decode()
        if 2 in value:
            check((tag, event[2][0]) not in scalars, f"{tag} comes twice at {event[2][0]}")
            scalars[tag, event[2][0]] = value[2][0]
        else:
            image = fields(value[4][0])
            pictures[tag] = (image[1][0], image[2][0], image[4][0])
    return scalars, pictures


# ---- the formats ----

def as_number(text):
    return float(text) if text else None


def check_csv(path, rows):
    text = path.read_bytes().decode()
    check(text.endswith("\r\n"), "CSV lines end with CR LF")
    found = list(csv.reader(text.splitlines(keepends=True), strict=True))
    check(found[0] == COLUMNS + METRICS, f"CSV columns are {found[0]}")
    check(len(found) == len(rows) + 1, "CSV has a row for each candidate")
    for cells, row in zip(found[1:], rows):
        cell = dict(zip(found[0], cells))
        check(len(cells) == len(found[0]), f"CSV row of {len(cells)} cells")
        for key in COLUMNS:
            want = row[key]
            if key == "lineage":
                check(json.loads(cell[key]) == want, "CSV lineage")
            else:
                want = "" if want is None else json.dumps(want) if isinstance(want, (bool, int)) else want
                check(cell[key] == want, f"CSV {key}: {cell[key]!r}, not {want!r}")
        for metric in METRICS:
            check(as_number(cell[metric]) == row["scores"][metric], f"CSV {metric}")


def check_folder(folder, run, rows):
    lines = [json.loads(line) for line in (folder / "metadata.jsonl").read_text().splitlines()]
    check(len(lines) == len(rows), "metadata.jsonl has a line for each picture")
    for line, row in zip(lines, rows):
        check(list(line) == ["file_name"] + COLUMNS[:-1] + METRICS, f"metadata.jsonl has {list(line)}")
        check((folder / line["file_name"]).read_bytes() == (run / row["image"]).read_bytes(), f"{row['image']} is another")
        check(all(line[key] == row[key] for key in ("category", "parent", "offer")), "what is not known is null")
        check(line["prompt"] == row["prompt"] and line["near.closeness"] == row["scores"]["near.closeness"], "metadata.jsonl")
    pictures = [p for p in folder.rglob("*") if p.is_file() and p.name != "metadata.jsonl"]
    check(len(pictures) == len(rows), "nothing else lies in the folder")


def near(a, b):
    return math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-7)


def check_events(path, run, rows):
    scalars, pictures = read_events(path)
    summary = json.loads((run / "summary.json").read_text())
    expected = 0
    for curve in summary["curves"]:
        title = f"{curve['verifier']}.{curve['metric']}"
        for key, step, tag in (("best_of", "n", "best_of_n"), ("against_nfe", "nfe", "best_so_far")):
            for point in curve[key]:
                check(near(scalars[f"{tag}/{title}", point[step]], point["mean"]), f"{tag} {title}")
                check(near(scalars[f"{tag}_low/{title}", point[step]], point["lo"]), f"{tag}_low {title}")
                expected += 3
    winners = [row for row in rows if row["winner"]]
    for row in winners:
        check(near(scalars["prompt_winner/near.closeness", row["trial"]], row["scores"]["near.closeness"]), "winner")
    check(scalars["run/nfe", len(winners) - 1] == summary["counts"]["nfe"], "the run's evaluations")
    check(len(scalars) == expected + len(winners) * (2 + 2 * len(METRICS)), f"{len(scalars)} scalars")
    check(not pictures, "pictures were not asked for")


def check_pictures(path, run, rows):
    _, pictures = read_events(path, with_crc=False)
    for row in rows:
        if row["winner"]:
            check(pictures[f"winner/{row['prompt_id']}"] == (64, 64, (run / row["image"]).read_bytes()), "a winner's picture")


def check_refusals(program, run):
    check("--format" in winnow(program, "export", run, code=2), "no format")
    check("not one of" in winnow(program, "export", run, "--format", "xls", code=2), "xls")
    check("--images" in winnow(program, "export", run, "--format", "csv", "--images", code=2), "csv with images")
    check("is not a run" in winnow(program, "export", run / "nothing", "--format", "csv", code=3), "no run")


def check_hostile_ledger(program, run):
    """A ledger that calls other files pictures does not get them exported."""
    import sqlite3
    secret = run.parent / "secret.png"
    picture = next((run / "images").rglob("*.png"))
    shutil.copy(picture, secret)
    (run / "images" / "link").symlink_to(run.parent)
    (run / "images" / "text.png").write_text("no picture")
    os.mkfifo(run / "images" / "pipe.png")
    for image in ("../secret.png", str(secret), "images/../../secret.png", "images/link/secret.png", "images/text.png",
                  "images/pipe.png", "images", ".", "images//x.png"):
        with sqlite3.connect(run / "ledger.db") as db:
            db.execute("UPDATE candidates SET image=?", (image,))
        db.close()
        out = run.parent / "stolen"
        shutil.rmtree(out, ignore_errors=True)
        winnow(program, "export", run, "--format", "hf", "-o", out, code=3)
        check(not list(out.rglob("*.png")), f"{image} was exported")


def main():
    program, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    run = folder / "run"
    (folder / "spec.json").write_text(json.dumps(SPEC))
    winnow(program, "run", folder / "spec.json", "--output", run, "--quiet")
    check(crc32c(b"123456789") == 0xe3069283, "this reader's checksum")
    rows = [json.loads(line) for line in (run / "results.jsonl").read_text().splitlines()]
    path = {f: pathlib.Path(winnow(program, "export", run, "--format", f)) for f in ("jsonl", "csv", "hf", "tensorboard")}
    check(path["jsonl"].read_bytes() == (run / "results.jsonl").read_bytes(), "results.jsonl is the report's")
    check_csv(path["csv"], rows)
    check_folder(path["hf"], run, rows)
    check_events(path["tensorboard"], run, rows)
    check_pictures(pathlib.Path(winnow(program, "export", run, "--format", "tensorboard", "--images", "-o", folder / "tb")), run, rows)
    check_refusals(program, run)
    check_hostile_ledger(program, run)
    print(f"{len(rows)} candidates in four formats")


if __name__ == "__main__":
    main()
