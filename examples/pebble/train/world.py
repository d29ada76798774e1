"""The world that pebble paints: captions, scenes, renders, damage, and a judge.

A caption is a short list of groups ("two red circles"), at most one relation ("to the left of"),
and nothing else. A scene is a pale ground with one object for each thing the caption names and no
others. Because captions come from a grammar and scenes from a program, a rule can tell for certain
whether a picture says what its caption says: that is `judge`, and the README beside this folder
states the same rules for whoever writes them in another language.
"""
from dataclasses import dataclass
import numpy as np
from scipy import ndimage

SIZE = 64
COLOURS = {"red": (220, 40, 40), "green": (40, 165, 60), "blue": (45, 85, 215),
           "yellow": (240, 210, 30), "purple": (145, 50, 175), "orange": (245, 130, 25)}
SHAPES = ("circle", "square", "triangle")
RELATIONS = ("to the left of", "to the right of", "above", "below")
NUMBERS = ("zero", "one", "two", "three", "four")
GROUNDS = ((245, 245, 245), (225, 232, 242), (244, 236, 220), (228, 240, 228), (240, 228, 236))
CATEGORIES = ("colour", "two", "relation", "count", "combination")
WEIGHTS = (0.07, 0.21, 0.30, 0.16, 0.26)
UNSEEN = (("green", "triangle"), ("purple", "square"))   # never in a training caption
MAX_OBJECTS = 4
COLOUR_NAMES = tuple(COLOURS)
PALETTE = np.array(list(COLOURS.values()), np.float32)


# --- captions ------------------------------------------------------------------------------

@dataclass(frozen=True)
class Group:
    count: int
    colour: str
    shape: str

    def text(self):
        if self.count == 1:
            return f"{'an' if self.colour[0] in 'aeiou' else 'a'} {self.colour} {self.shape}"
        return f"{NUMBERS[self.count]} {self.colour} {self.shape}s"


@dataclass(frozen=True)
class Caption:
    category: str
    groups: tuple
    relation: str = ""

    def text(self):
        names = [g.text() for g in self.groups]
        if self.relation:
            return f"{names[0]} {self.relation} {names[1]}"
        return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))

    def unseen(self):
        return any((g.colour, g.shape) in UNSEEN for g in self.groups)

    def held_out(self):
        """Whether training must not see this caption: an unseen pair, or one residue of a sum
        over the words that have to be combined."""
        if self.unseen():
            return True
        if self.category == "colour":
            return False
        total = sum(COLOUR_NAMES.index(g.colour) + 2 * SHAPES.index(g.shape) + 3 * g.count
                    for g in self.groups)
        if self.relation:
            total += RELATIONS.index(self.relation)
        return total % 6 == 5


def category_of(groups, relation):
    if relation:
        return "relation"
    if len(groups) == 1:
        return "colour" if groups[0].count == 1 else "count"
    return "two" if len(groups) == 2 and all(g.count == 1 for g in groups) else "combination"


def parse(text):
    """The caption a text stands for; ValueError when the grammar does not make it."""
    relation = next((r for r in RELATIONS if f" {r} " in text), "")
    parts = text.split(f" {relation} ") if relation else text.replace(" and ", ", ").split(", ")
    groups = []
    for part in parts:
        number, colour, shape = part.split()
        count = 1 if number in ("a", "an") else NUMBERS.index(number)
        groups.append(Group(count, colour, shape if count == 1 else shape.removesuffix("s")))
    caption = Caption(category_of(groups, relation), tuple(groups), relation)
    if caption.text() != text:
        raise ValueError(f"not a caption of this world: {text!r}")
    return caption


def sample_caption(rng, held_out=False, category=None):
    """A random caption from the training side (or, held_out=True, from the other side)."""
    while True:
        kind = category or CATEGORIES[rng.choice(len(CATEGORIES), p=WEIGHTS)]
        counts = {"colour": (1,), "two": (1, 1), "relation": (1, 1),
                  "count": (int(rng.integers(2, MAX_OBJECTS + 1)),),
                  "combination": ((2, 1), (1, 2), (3, 1), (1, 3), (2, 2), (1, 1, 1),
                                  (1, 1, 2), (2, 1), (1, 2), (2, 2))[rng.integers(10)]}[kind]
        pairs = rng.permutation(len(COLOURS) * len(SHAPES))[:len(counts)]
        groups = tuple(Group(n, COLOUR_NAMES[p % len(COLOURS)], SHAPES[p // len(COLOURS)])
                       for n, p in zip(counts, pairs))
        relation = RELATIONS[rng.integers(len(RELATIONS))] if kind == "relation" else ""
        caption = Caption(kind, groups, relation)
        if caption.held_out() == held_out:
            return caption


# --- scenes --------------------------------------------------------------------------------

@dataclass
class Thing:
    colour: str
    shape: str
    x: float
    y: float
    size: float


def holds(relation, a, b):
    """Whether a stands in `relation` to b (y grows downwards): right side, dominant axis."""
    dx, dy = a[0] - b[0], a[1] - b[1]
    along, across = (dx, dy) if "left" in relation or "right" in relation else (dy, dx)
    return abs(along) > abs(across) and (along < 0) == (relation in ("to the left of", "above"))


def sample_scene(rng, caption):
    """Places for all things the caption names: apart by 3 px, relations clear by a margin."""
    wanted = [(g.colour, g.shape) for g in caption.groups for _ in range(g.count)]
    low, high = (16, 24) if len(wanted) <= 2 else (15, 20)
    while True:
        things = []
        for colour, shape in wanted:
            size = rng.uniform(low, high)
            for _ in range(20):
                x, y = rng.uniform(size * 0.56 + 2, SIZE - size * 0.56 - 2, 2)
                if all(max(abs(x - t.x), abs(y - t.y)) > 0.55 * (size + t.size) + 3 for t in things):
                    things.append(Thing(colour, shape, x, y, size))
                    break
        if len(things) < len(wanted):
            continue
        if caption.relation:
            a, b = things
            gap = abs(abs(a.x - b.x) - abs(a.y - b.y))
            if gap < 6 or not holds(caption.relation, (a.x, a.y), (b.x, b.y)):
                continue
        return GROUNDS[rng.integers(len(GROUNDS))], things


YY, XX = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32) + 0.5


def distance(thing, wobble=0.0):
    """Signed distance in pixels to the contour of a thing, negative inside."""
    x, y = XX - thing.x, YY - thing.y
    half = thing.size / 2
    if thing.shape == "circle":
        d = np.hypot(x, y) - half
    elif thing.shape == "square":
        d = np.maximum(abs(x), abs(y)) - 0.9 * half
    else:   # upright, base 1.1 size, height 0.96 size
        w, h = 0.55 * thing.size, 0.96 * thing.size
        y = y + h / 2
        d = np.maximum((abs(x) * h - y * w) / np.hypot(h, w), y - h)
    return d + wobble


def render(ground, things, wobble=None):
    """[SIZE, SIZE, 3] uint8; contours anti-aliased over one pixel."""
    image = np.empty((SIZE, SIZE, 3), np.float32)
    image[:] = ground
    for i, thing in enumerate(things):
        d = distance(thing, 0.0 if wobble is None else wobble[i])
        cover = np.clip(0.5 - d, 0, 1)[..., None]
        image += cover * (np.array(COLOURS[thing.colour], np.float32) - image)
    return (image + 0.5).astype(np.uint8)


def damage(rng, ground, things, level):
    """A render of the scene drawn badly; level 0 = clean, 1 = hardly to be recognised."""
    kinds = rng.random(5) < 0.55
    wobble = None
    if kinds[0]:        # ragged contours
        field = ndimage.gaussian_filter(rng.standard_normal((len(things), SIZE, SIZE)),
                                        (0, 1.8, 1.8))
        wobble = (field / field.std() * 3.2 * level).astype(np.float32)
    image = render(ground, things, wobble).astype(np.float32)
    if kinds[1]:        # ghosts: faint extra shapes
        for _ in range(rng.integers(1, 4)):
            size = rng.uniform(8, 20)
            ghost = Thing(COLOUR_NAMES[rng.integers(6)], SHAPES[rng.integers(3)],
                          *rng.uniform(6, SIZE - 6, 2), size)
            cover = np.clip(0.5 - distance(ghost) / 2, 0, 1)[..., None] * 0.75 * level
            image += cover * (np.array(COLOURS[ghost.colour], np.float32) - image)
    if kinds[2]:        # colour bleed: chroma moves and blurs, lightness stays
        grey = image.mean(2, keepdims=True)
        chroma = ndimage.gaussian_filter(image - grey, (5 * level, 5 * level, 0))
        shift = np.rint(rng.uniform(-4, 4, 2) * level).astype(int)
        image = grey + np.roll(chroma, tuple(shift), (0, 1))
    if kinds[3]:
        image = ndimage.gaussian_filter(image, (2.6 * level, 2.6 * level, 0))
    if kinds[4]:
        image += rng.standard_normal(image.shape) * 48 * level
    return np.clip(image + 0.5, 0, 255).astype(np.uint8)


# --- the judge -----------------------------------------------------------------------------

SPECK, SMALLEST = 12, 60     # pixels: smaller is ignored; between the two is a fragment
CHROMA = 70                  # max - min of a pixel's channels that makes it paint, not ground
FIT = 0.72                   # overlap with the ideal shape in the same box


def ideal(shape, h, w):
    y, x = (np.mgrid[0:h, 0:w] + 0.5) / np.array([h, w]).reshape(2, 1, 1)
    if shape == "square":
        return np.ones((h, w), bool)
    if shape == "circle":
        return (x - 0.5) ** 2 + (y - 0.5) ** 2 <= 0.25
    return abs(x - 0.5) <= y / 2


def find_things(image):
    """[(colour, shape or '?', x, y, area)]: every patch of paint in the picture."""
    pixels = image.astype(np.float32)
    paint = pixels.max(2) - pixels.min(2) >= CHROMA
    # Direction from the pixel's own darkest channel tells the hue, whatever the ground blends in.
    hue = pixels - pixels.min(2, keepdims=True)
    hue /= np.maximum(hue.max(2, keepdims=True), 1)
    refs = PALETTE - PALETTE.min(1, keepdims=True)
    refs /= refs.max(1, keepdims=True)
    nearest = ((hue[:, :, None] - refs) ** 2).sum(3).argmin(2)
    found = []
    for c, colour in enumerate(COLOUR_NAMES):
        labels, _ = ndimage.label(paint & (nearest == c))
        for i, box in enumerate(ndimage.find_objects(labels), 1):
            mask = labels[box] == i
            area = int(mask.sum())
            if area < SPECK:
                continue
            h, w = mask.shape
            fits = {s: (mask & ideal(s, h, w)).sum() / (mask | ideal(s, h, w)).sum()
                    for s in SHAPES}
            best = max(fits, key=fits.get)
            good = area >= SMALLEST and fits[best] >= FIT and 0.66 <= w / h <= 1.5
            ys, xs = np.nonzero(mask)
            found.append((colour, best if good else "?",
                          float(xs.mean() + box[1].start + 0.5),
                          float(ys.mean() + box[0].start + 0.5), area))
    return found


def judge(image, text):
    """The claims of a caption, each true or false of the picture. Returns (share, all, claims)."""
    return check(find_things(image), parse(text))


def check(things, caption):
    """The same for the things that a picture is known to show.

    One claim for each group (exactly that many), one for the relation (between the only two
    things it names), one that nothing else is there."""
    claims, named = [], 0
    for g in caption.groups:
        n = sum((t[0], t[1]) == (g.colour, g.shape) for t in things)
        claims.append((g.text(), n == g.count))
        named += n
    if caption.relation:
        a, b = ([t[2:4] for t in things if t[:2] == (g.colour, g.shape)] for g in caption.groups)
        claims.append((caption.relation, len(a) == len(b) == 1
                       and holds(caption.relation, a[0], b[0])))
    claims.append(("nothing else", named == len(things)))
    truth = [c[1] for c in claims]
    return sum(truth) / len(truth), all(truth), claims
