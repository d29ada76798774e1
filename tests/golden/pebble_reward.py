"""pebble's shipped reward model through the command, against transformers in float32 (make_pebble_reward.py).

usage: pebble_reward.py WINNOW GOLDEN_MODELS
"""
import json
import os
import subprocess
import sys

WINNOW, MODELS = sys.argv[1], sys.argv[2]
with open(os.path.join(MODELS, "pebble/reward.json"), encoding="utf-8") as file:
    golden = json.load(file)
pictures = [os.path.join(MODELS, name) for name in golden["pictures"]]
worst = 0.0
for p, prompt in enumerate(golden["prompts"]):
    done = subprocess.run([WINNOW, "score", "--json", "--verifier", "imagereward", "--model", "pebble/imagereward",
                           "--prompt", prompt, *pictures], capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        sys.exit(f"exit status {done.returncode}: {done.stderr}")
    for i, image in enumerate(json.loads(done.stdout)["images"]):
        worst = max(worst, abs(image["scores"]["imagereward"]["imagereward"] - golden["rewards"][p][i]))
print(f"{len(golden['prompts']) * len(pictures)} rewards, largest error {worst:.2g}, bound {golden['bound']}")
sys.exit(0 if worst <= golden["bound"] else 1)
