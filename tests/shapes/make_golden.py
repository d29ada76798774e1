"""Makes golden.png and golden.json: 480 renders of pebble's world with captions, half of them of another, nearly
equal scene, and the number of claims that are true of the scene as it was drawn. Development only.

    python make_golden.py        (numpy, scipy, pillow)
"""
import dataclasses, json, pathlib, sys
import numpy as np
from PIL import Image

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE / "../../examples/pebble/train"))
import world

COUNT, COLUMNS = 480, 30


def change(rng, caption):
    """Another caption that differs in one thing: a colour, a shape, a count, who has which colour, or who is where."""
    while True:
        groups, i = list(caption.groups), rng.integers(len(caption.groups))
        kind = ("colour", "shape", "count", "swap", "turn")[rng.integers(5)]
        if kind == "colour":
            groups[i] = dataclasses.replace(groups[i], colour=world.COLOUR_NAMES[rng.integers(6)])
        elif kind == "shape":
            groups[i] = dataclasses.replace(groups[i], shape=world.SHAPES[rng.integers(3)])
        elif kind == "count" and not caption.relation:
            groups[i] = dataclasses.replace(groups[i], count=max(1, groups[i].count + rng.choice((-1, 1))))
        elif kind == "swap" and len(groups) == 2:
            a, b = groups
            groups = [dataclasses.replace(a, colour=b.colour), dataclasses.replace(b, colour=a.colour)]
        elif kind == "turn" and caption.relation:
            groups.reverse()
        kinds = {(g.colour, g.shape) for g in groups}
        if len(kinds) == len(groups) and sum(g.count for g in groups) <= 4 and groups != list(caption.groups):
            return dataclasses.replace(caption, groups=tuple(groups))


def truth(caption, things):
    claims, named = [], 0
    for g in caption.groups:
        n = sum((t.colour, t.shape) == (g.colour, g.shape) for t in things)
        claims.append(n == g.count)
        named += n
    if caption.relation:
        a, b = ([(t.x, t.y) for t in things if (t.colour, t.shape) == (g.colour, g.shape)] for g in caption.groups)
        claims.append(len(a) == len(b) == 1 and world.holds(caption.relation, a[0], b[0]))
    return [*claims, named == len(things)]


def main():
    rng, size = np.random.default_rng(11), world.SIZE
    sheet = Image.new("RGB", (COLUMNS * size, COUNT // COLUMNS * size))
    items = []
    for i in range(COUNT):
        caption = world.sample_caption(rng, held_out=bool(rng.integers(2)))
        ground, things = world.sample_scene(rng, change(rng, caption) if i % 2 else caption)
        claims = truth(caption, things)
        sheet.paste(Image.fromarray(world.render(ground, things)), (i % COLUMNS * size, i // COLUMNS * size))
        items.append([caption.text(), int(sum(claims)), len(claims)])
    sheet.save(HERE / "golden.png", optimize=True)
    text = json.dumps({"tile_px": size, "columns": COLUMNS, "items": items})
    (HERE / "golden.json").write_text(text.replace("], [", "],\n[") + "\n")


main()
