"""compare_readers.py RUN - for development: pandas, datasets and TensorBoard read what `winnow export` wrote to RUN/export.

Needs pandas, datasets, pillow and tensorboard; the tests do not. Export all four formats first. Prints what each made of it.
"""
import json
import pathlib
import sys

import pandas
from datasets import load_dataset
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

run = pathlib.Path(sys.argv[1])
rows = [json.loads(line) for line in (run / "results.jsonl").read_text().splitlines()]
frame = pandas.read_csv(run / "export/csv/results.csv", keep_default_na=False, na_values={m: [""] for m in rows[0]["scores"]})
assert list(frame["prompt"]) == [row["prompt"] for row in rows]
for metric in rows[0]["scores"]:
    assert list(frame[metric]) == [row["scores"][metric] for row in rows], metric
print("pandas:", frame.shape, dict(frame.dtypes.astype(str)))
lines = pandas.read_json(run / "export/jsonl/results.jsonl", lines=True)
print("pandas, jsonl:", lines.shape)

data = load_dataset("imagefolder", data_dir=str(run / "export/hf"), split="train")
pictured = [row for row in rows if row["image"]]
assert data.num_rows == len(pictured)
assert sorted(data["candidate"]) == sorted(row["candidate"] for row in pictured)
by_id = {row["candidate"]: row for row in rows}
for item in data:
    assert item["prompt"] == by_id[item["candidate"]]["prompt"] and item["image"].size[0] > 0
print("datasets:", data.num_rows, data.features)

events = EventAccumulator(str(run / "export/tensorboard"), size_guidance={"images": 0, "scalars": 0})
events.Reload()
summary = json.loads((run / "summary.json").read_text())
for curve in summary["curves"]:
    read = events.Scalars(f"best_so_far/{curve['verifier']}.{curve['metric']}")
    assert [e.step for e in read] == [p["nfe"] for p in curve["against_nfe"]]
    assert max(abs(e.value - p["mean"]) for e, p in zip(read, curve["against_nfe"])) < 1e-6
tags = events.Tags()
print("TensorBoard:", tags["scalars"], len(tags["images"]), "pictures", "decoded", sum(len(events.Images(t)) for t in tags["images"]))
