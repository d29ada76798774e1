"""drift.py WINNOW DIRECTORY - `winnow drift` on small runs of pebble: nothing differs where nothing does, bfloat16 differs by what
the pairs say, winners are those of the pairs' scores, noises that a search made are the same on both sides, and the run stays as it is.
"""
import hashlib
import html.parser
import json
import math
import os
import pathlib
import shutil
import subprocess
import sys

PEBBLE = os.environ["WINNOW_PEBBLE"]
SPEC = {
    "winnow": 0, "name": "drift", "seed": 3, "output": "run",
    "prompts": {"list": ["a red circle above a blue square", "a green triangle"]},
    "canvas": {"width": 64, "height": 64, "steps": 2},
    "sampler": {"use": "flux", "options": {"model": PEBBLE}},
    "verifiers": {"clip": {"use": "clipscore", "options": {"model": PEBBLE + "/clip"}}, "says": {"use": "shapes"},
                  "near": {"use": "analytic"}},
    "search": {"use": "zero_order", "options": {"iterations": 1, "neighbours": 2}, "guide": "clip"},
    "judge": ["says", "near"],
}


def fail(text):
    sys.exit(text)


class Winnow:
    def __init__(self, path, folder):
        self.path, self.folder = path, folder

    def __call__(self, *words, want=0):
        done = subprocess.run([self.path, *map(str, words)], cwd=self.folder, capture_output=True, text=True)
        if done.returncode != want:
            fail(f"{words}: status {done.returncode}, want {want}\n{done.stdout}{done.stderr}")
        return done

    def drift(self, *words):
        return json.loads(self("drift", *words, "--json", "--quiet").stdout)


def content(run):
    return {path.relative_to(run): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(run.rglob("*")) if path.is_file() and not path.name.startswith("drift.")}


def spread(told, what):
    return next(row for row in told["differences"] if row["what"] == what)


def check_equal(winnow, run, count):
    told = winnow.drift(run.name, "--device", "cpu")
    if told["candidates"] != count or told["left_out"]:
        fail(f"{told['candidates']} of {count} candidates, {told['left_out']} left out: {told['left_out_why']}")
    for row in told["differences"]:
        zero = row["worst"] is None if row["what"] == "pixels, PSNR" else row["worst"] == row["mean"] == 0
        if row["equal"] != row["count"] or row["count"] != count or not zero:
            fail(f"the same device twice: {row}")
    if any(w["changed"] or w["prompts"] != 2 or w["cost"] is not None for w in told["winners"]):
        fail(f"the same device twice: {told['winners']}")
    if "All pictures are equal" not in (run / "drift.html").read_text():
        fail("the page does not say that all is equal")


def check_numbers(told):
    """What the pairs say, computed here once more."""
    pairs = told["pairs"]
    for what, key in (("latent, difference / size", "latent_share"), ("latent, largest difference", "latent_most"),
                      ("pixels, largest difference", "pixel_most")):
        values, row = sorted(p[key] for p in pairs), spread(told, what)
        expected = (sum(values) / len(values), (values[len(values) // 2] + values[(len(values) - 1) // 2]) / 2,
                    values[math.ceil(0.95 * len(values)) - 1], values[-1])
        for got, want in zip((row["mean"], row["median"], row["p95"], row["worst"]), expected):
            if not math.isclose(got, want, rel_tol=1e-12):
                fail(f"{what}: {row}, expected {expected}")
    square = sum(255**2 / 10**(p["psnr_db"] / 10) for p in pairs) / len(pairs)
    if not math.isclose(spread(told, "pixels, PSNR")["mean"], 10 * math.log10(255**2 / square), rel_tol=1e-9):
        fail(f"mean PSNR: {spread(told, 'pixels, PSNR')}")
    for w in told["winners"]:
        changed = 0
        for prompt in {p["prompt_id"] for p in pairs}:
            scores = [p["scores"][w["metric"]] for p in pairs if p["prompt_id"] == prompt]
            first = max(range(len(scores)), key=lambda i: (scores[i][0], -i))
            changed += max(b for _, b in scores) > scores[first][1]
        if w["changed"] != changed or len(w["changes"]) != changed:
            fail(f"{w}: {changed} winners change")


class Page(html.parser.HTMLParser):
    pictures = 0

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if tag in ("script", "link", "iframe", "object") or "href" in given:
            fail(f"the page has a {tag} {given}")
        if tag == "img":
            self.pictures += given["src"].startswith("data:image/png;base64,")


def check_types(winnow, run, count):
    told = winnow.drift(run.name, "--dtype", "f32", "--dtype", "bf16")
    if json.loads((run / "drift.json").read_text()) != told:
        fail("drift.json is not what --json prints")
    if [s["name"] for s in told["sides"]] != ["cpu, f32", "cpu, bf16"] or len(told["pairs"]) != count or told["left_out"]:
        fail(f"{told['sides']}: {len(told['pairs'])} pairs, {told['left_out']} left out")
    share, psnr = spread(told, "latent, difference / size"), spread(told, "pixels, PSNR")
    if not (share["equal"] == 0 and 0 < share["median"] < 0.05 and 25 < psnr["worst"] <= psnr["p95"] <= psnr["median"] < 90):
        fail(f"bfloat16 is {share} and {psnr} away")
    check_numbers(told)
    page = Page()
    page.feed((run / "drift.html").read_text())
    if page.pictures != 3:
        fail(f"{page.pictures} pictures on the page, expected the worst pair and its difference")
    print(f"bf16: latents {share['median']:.2g} (median), {share['worst']:.2g} (worst); PSNR {psnr['mean']:.1f} dB (mean), "
          f"{psnr['worst']:.1f} dB (worst)")
    return told


def check_sampler_only(winnow, run, both):
    """The same pictures, scored in float32 on both sides; --candidates takes each prompt's first."""
    told = winnow.drift(run.name, "--dtype", "f32", "--dtype", "bf16", "--sampler-only", "--candidates", "2", "-o", "other")
    if told["candidates"] != 4 or not (winnow.folder / "other/drift.html").is_file():
        fail(f"{told['candidates']} candidates of two prompts")
    known = {p["candidate"]: p for p in both["pairs"]}
    for p in told["pairs"]:
        if p["psnr_db"] != known[p["candidate"]]["psnr_db"] or p["latent_share"] != known[p["candidate"]]["latent_share"]:
            fail(f"--sampler-only made another picture: {p}, {known[p['candidate']]}")
    if all(p["scores"]["clip.clipscore"][1] == known[p["candidate"]]["scores"]["clip.clipscore"][1] for p in told["pairs"]):
        fail("--sampler-only scored in bf16 too")


def check_refusals(winnow, run):
    for words, code, part in (((), 2, "nothing to compare"), (("--device", "cpu", "--device", "nothing"), 3, "nothing"),
                              (("--dtype", "f32", "--dtype", "f7"), 2, "f7"), (("--device", "c\"u"), 2, "quotes"),
                              (("--dtype", "f32", "--dtype", "f32", "--dtype", "bf16"), 2, "twice")):
        said = winnow("drift", run.name, *words, want=code).stderr
        if part not in said:
            fail(f"{words}: {part!r} is not in {said!r}")
    spec = SPEC | {"sampler": {"use": "analytic"}, "output": "toy", "search": {"use": "random", "guide": "near"},
                   "judge": [], "budget": {"candidates": 2}}
    (winnow.folder / "toy.json").write_text(json.dumps(spec))
    winnow("run", "toy.json", "--quiet")
    if 'has no option "device"' not in winnow("drift", "toy", "--device", "cpu", want=2).stderr:
        fail("a sampler without a device is not refused")


def check_brittle(winnow):
    """Candidates are made in batches as large as a run's; a side that makes what is no number is an error, not an equality."""
    spec = SPEC | {"sampler": {"use": "brittle"}, "output": "brittle", "search": {"use": "random", "guide": "near"}, "judge": [],
                   "verifiers": {"near": {"use": "analytic"}}, "budget": {"candidates": 9}, "engine": {"batch": 4}}
    (winnow.folder / "brittle.json").write_text(json.dumps(spec))
    winnow("run", "brittle.json", "--quiet")
    done = winnow("drift", "brittle", "--dtype", "f32", "--dtype", "bf16", "--quiet")
    if done.stderr.count("brittle: 4 at once") != 2:
        fail(f"two sides in batches of 4: {done.stderr}")
    said = winnow("drift", "brittle", "--dtype", "f32", "--dtype", "f16", "--quiet", want=1).stderr
    if "value 3 of its latent is nan" not in said or "on side B (brittle, f16)" not in said or "bf16 or f32" not in said:
        fail(f"a side of no numbers: {said}")


def main():
    winnow = Winnow(os.path.abspath(sys.argv[1]), pathlib.Path(sys.argv[2]))
    shutil.rmtree(winnow.folder, ignore_errors=True)
    winnow.folder.mkdir(parents=True)
    (winnow.folder / "spec.json").write_text(json.dumps(SPEC))
    winnow("run", "spec.json", "--quiet")
    run = winnow.folder / "run"
    rows = [json.loads(line) for line in (run / "results.jsonl").read_text().splitlines()]
    if not any("stream" not in row["lineage"] for row in rows):
        fail("no noise of the search's own in the run")
    before = content(run)
    check_equal(winnow, run, len(rows))
    both = check_types(winnow, run, len(rows))
    check_sampler_only(winnow, run, both)
    check_refusals(winnow, run)
    check_brittle(winnow)
    if content(run) != before:
        fail("the run was changed")


main()
