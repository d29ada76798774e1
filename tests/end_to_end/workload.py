"""workload.py WINNOW DIRECTORY - what a model takes: `winnow check` plans memory from graphs and headers, and says for a full-size
FLUX.1-dev what is known of it; `winnow bench flux --synthetic` runs a small model without files, and the plan is what the device took.
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys

PEBBLE = os.environ["WINNOW_PEBBLE"]
SPEC = {
    "winnow": 0, "name": "workload", "output": "run", "prompts": {"list": ["one"]},
    "canvas": {"width": 1024, "height": 1024, "steps": 28},
    "sampler": {"use": "flux", "options": {"model": PEBBLE, "dtype": "bf16"}},
    "verifiers": {"near": {"use": "analytic"}}, "search": {"use": "random", "guide": "near"}, "budget": {"candidates": 2},
}


def fail(text):
    sys.exit(text)


def winnow(*words, want=0):
    done = subprocess.run([sys.argv[1], *map(str, words)], capture_output=True, text=True)
    if want is not None and done.returncode != want:
        fail(f"{words}: status {done.returncode}, want {want}\n{done.stdout}{done.stderr}")
    return done


def near(what, got, expected, share):
    if not abs(got - expected) <= share * expected:
        fail(f"{what}: {got}, expected {expected} within {100 * share:g} %")


def check_full_size(spec):
    """Of FLUX.1-dev: 11.90 G parameters, 3.23 G of them modulation; T5-XXL's encoder 4.76 G; CLIP-L's 123 M; the decoder 49.6 M. A
    forward of 4096 + 512 tokens is 74.4 TFLOP, modulation and context apart; T5's 512 tokens 4.85, the decoder 10.5."""
    told = json.loads(winnow("check", spec, "--synthetic", "flux-dev", "--device-memory", "24GB", "--device-memory", "8 GB",
                             "--json").stdout)["memory"]
    parts = {p["part"]: p for p in told["parts"]}
    for name, bytes_, share in (("transformer", 17.21e9, 0.005), ("modulation", 6.51e9, 0.01), ("T5", 9.53e9, 0.002),
                                ("CLIP", 246e6, 0.01), ("VAE decoder", 99.1e6, 0.01)):
        near(f"bf16 weights of {name}", parts[name]["weight_bytes"]["bf16"], bytes_, share)
    for name, flops, share in (("transformer", 74.385e12, 0.02), ("T5", 4.845e12, 0.02), ("VAE decoder", 10.47e12, 0.03)):
        near(f"operations of {name}", parts[name]["flops"], flops, share)
    near("Q8_0", parts["transformer"]["weight_bytes"]["Q8_0"] / parts["transformer"]["weight_bytes"]["bf16"], 34 / 64, 0.01)
    near("Q4_K", parts["transformer"]["weight_bytes"]["Q4_K"] / parts["transformer"]["weight_bytes"]["bf16"], 144 / 512, 0.01)
    if not told["peak_bytes_swap"]["bf16"] < told["peak_bytes_release"]["bf16"] < told["peak_bytes_keep"]["bf16"]:
        fail(f"{told['peak_bytes_swap']}, {told['peak_bytes_release']}, {told['peak_bytes_keep']}")
    large, small = told["devices"]
    if large["fit"]["bf16"] != "swap" or large["fit"]["Q4_K"] != "keep" or small["fit"]["bf16"] != "too large":
        fail(f"{told['devices']}")
    near("activations of decoding", parts["VAE decoder"]["activation_bytes"], 1.68e9, 0.01)
    tiles = json.loads(winnow("check", spec, "--synthetic", "flux-dev", "--set", "sampler.options.decode=tiles",
                              "--json").stdout)["memory"]
    near("activations in tiles", [p for p in tiles["parts"] if p["part"] == "VAE decoder"][0]["activation_bytes"], 944e6, 0.01)
    large = json.loads(winnow("check", spec, "--synthetic", "flux-dev", "--set", "canvas.width=2048", "--set", "canvas.height=2048",
                              "--json").stdout)["memory"]
    near("activations of a large picture", [p for p in large["parts"] if p["part"] == "VAE decoder"][0]["activation_bytes"], 3.36e9, 0.01)
    near("missing", small["missing_bytes"]["bf16"], tiles["peak_bytes_swap_in_turn"]["bf16"] - 0.95 * 8e9, 1e-6)
    activations = [p["activation_bytes"] for p in told["parts"]]
    near("what turns save", told["peak_bytes_keep"]["bf16"] - told["peak_bytes_keep_in_turn"]["bf16"],
         sum(activations) - max(activations), 1e-9)
    # Too little by less than what turns save; and by less than what tiles save beside them.
    for peak, fit in (("keep", "keep, in turn"), ("keep_in_turn", "keep, tiles, in turn")):
        size = (told[f"peak_bytes_{peak}"]["Q4_K"] - 100e6) / 0.95 / 1e9
        words = ("check", spec, "--synthetic", "flux-dev", "--device-memory", f"{size:.6f}GB")
        close = json.loads(winnow(*words, "--json").stdout)["memory"]
        if close["devices"][0]["fit"]["Q4_K"] != fit or "*: in turn" not in winnow(*words).stdout:
            fail(f"{close['devices']}, not {fit}")
    text = winnow("check", spec, "--synthetic", "flux-dev").stdout
    for part in ("on a device of 24 GB", "on a device of 8 GB", '"encoders": "swap"', "streamed"):
        if part not in text:
            fail(f"{part!r} is not in {text}")


def check_files(folder, spec):
    """pebble from its files has the sizes of pebble without them."""
    plans = [json.loads(winnow("check", spec, *more, "--json").stdout)["memory"]["parts"] for more in ((), ("--synthetic", "pebble"))]
    for read, known in zip(*plans):
        if read != known:
            fail(f"from files {read}, without {known}")
    drafts = folder / "drafts.json"
    stages = [{"use": "random", "shrink": 2}, {"use": "random"}]
    drafts.write_text(json.dumps(SPEC | {"search": {"use": "stages", "guide": "near", "options": {"stages": stages}}}))
    small = ("-s", "canvas.width=512", "-s", "canvas.height=512")
    asked = ((drafts,), (spec,), (spec, *small))
    both, *each = (json.loads(winnow("check", *words, "--json").stdout)["memory"]["peak_bytes_keep_in_turn"] for words in asked)
    if both["f32"] != max(peak["f32"] for peak in each):
        fail(f"drafts in turn: {both}, without {each}")
    absent = folder / "absent.json"
    absent.write_text(json.dumps(SPEC | {"sampler": {"use": "flux", "options": {"model": "./nowhere"}}}))
    if "not known" not in winnow("check", absent).stdout:
        fail("a model that is not there has a plan")
    for words, part in ((("--device-memory", "24"), "24GB"), (("--synthetic", "flux-3"), "flux-3")):
        if part not in winnow("check", spec, *words, want=2).stderr:
            fail(f"{words} is not refused")


def check_measured(device, *words):
    """Planned and taken memory of all parts together: the most that the device ever holds."""
    told = json.loads(winnow("bench", "flux", "--synthetic", "--size", "small", "--px", "64", "--seconds", "1", "--device", device,
                             *words, "--json", "--quiet").stdout)
    planned = sum(p["planned_activation_bytes"] + p["planned_weight_bytes"] for p in told["parts"])
    taken = sum(p["activation_bytes"] + p["weight_bytes"] for p in told["parts"])
    near(f"{device}: planned memory", planned, taken, 0.05)
    for p in told["parts"]:
        if not (p["runs"] >= 1 and p["best_s"] > 0 and p["ops"]):
            fail(f"{device}: {p}")
        near(f"{device}: operations of {p['part']}", sum(o["flops"] for o in p["ops"]), p["flops"], 1e-9)
    print(f"{device}: {planned / 1e6:.1f} MB planned, {taken / 1e6:.1f} MB taken ({100 * (planned / taken - 1):+.1f} %)")


def check_streamed(spec, device):
    """Weights that do not fit are copied for every run of the transformer: more pictures share a run than where they fit."""
    items = []
    for gb in (24, 12):
        os.environ["WINNOW_VULKAN_CAPS"] = f"no-unified,memory={gb * 10**9}"
        told = json.loads(winnow("check", spec, "--synthetic", "flux-dev", "-s", f"sampler.options.device={device}", "--json").stdout)
        items += [p["items"] for p in told["memory"]["parts"] if p["part"] == "transformer"]
    del os.environ["WINNOW_VULKAN_CAPS"]
    if items != [1, 4]:
        fail(f"pictures of 1024 px at once, on 24 and 12 GB: {items}")


def check_command_line():
    for words, part in ((("flux",), "--synthetic"), (("flux", "--synthetic", "--size", "none"), "none"),
                        (("flux", "--synthetic", "--px", "a"), "--px"), (("flux", "--synthetic", "--image-tokens", "250"), "256"),
                        (("flux", "--synthetic", "--blocks", "1"), "--blocks"), (("flux", "--synthetic", "--px", "100"), "100"),
                        (("flux", "--synthetic", "--size", "pebble", "--part", "nothing"), "--part")):
        if part not in winnow("bench", *words, want=2).stderr:
            fail(f"{words} is not refused")
    told = winnow("bench", "flux", "--synthetic", "--size", "small", "--blocks", "1,1", "--image-tokens", "16", "--text-tokens", "8",
                  "--part", "transformer", "--seconds", "1", "--quiet").stdout
    if "single_blocks.*.linear2" not in told or "T5" in told:
        fail(told)


def main():
    folder, device = pathlib.Path(sys.argv[2]), os.environ.get("WINNOW_TEST_DEVICE", "cpu")
    if device != "cpu" and device.split(":")[-1] not in winnow("devices", want=None).stdout.lower():
        print(f"skipped: no {device}")
        sys.exit(77)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    spec = folder / "spec.json"
    spec.write_text(json.dumps(SPEC))
    check_full_size(spec)
    check_files(folder, spec)
    check_measured(device)
    if device != "cpu":
        check_streamed(spec, device)
        check_measured(device, "--dtype", "f16", "--part", "transformer")
    if device == "cpu":
        check_command_line()


main()
