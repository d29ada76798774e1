"""human.py WINNOW DIRECTORY - a person at a pseudo-terminal chooses: by keys, with every kind of picture, in pieces over
several starts, with garbage between the keys, in a window that changes its size; and is told when there is nobody."""
import base64
import fcntl
import json
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time
import zlib

WINNOW, FOLDER = sys.argv[1], pathlib.Path(sys.argv[2])
SPEC = {
    "winnow": 0, "name": "human", "seed": 5, "output": "unused",
    "prompts": {"list": [{"id": "one", "prompt": "one \u001b[31mred"}, {"id": "two", "prompt": "two"}]},
    "canvas": {"width": 32, "height": 32, "steps": 3},
    "engine": {"live": 1},  # which of two searches asks first is open, and pictures are compared from run to run
    "sampler": {"use": "analytic"},
    "verifiers": {"near": {"use": "analytic"}, "me": {"use": "human"}},
    "search": {"use": "random", "guide": "me", "options": {"candidates": 4}},
    "judge": ["near"],
}
QUESTION = b"q stop"
ENV = {k: v for k, v in os.environ.items() if k not in ("TERM_PROGRAM", "LC_TERMINAL")} | {"TERM": "xterm-256color"}
DEADLINE = 120


def fail(text):
    sys.exit(f"human.py: {text}")


class Terminal:
    """One start of winnow on a terminal; reply: what the terminal says when it is asked what it is."""

    def __init__(self, run, reply=b"", env=None, spec="spec.json", size=(40, 100, 900, 720), more=()):
        self.reply, self.seen, self.asked = reply, b"", False
        self.master, slave = pty.openpty()
        self.resize(*size)
        self.modes = termios.tcgetattr(slave)
        self.slave = slave
        self.process = subprocess.Popen([WINNOW, "run", FOLDER / spec, "--output", FOLDER / run, *more], stdin=slave,
                                        stderr=slave, stdout=subprocess.DEVNULL, env=ENV | (env or {}),
                                        preexec_fn=self.own_terminal)

    def own_terminal(self):
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    def resize(self, rows, columns, width, height):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, width, height))

    def read(self, seconds):
        if not select.select([self.master], [], [], seconds)[0]:
            return b""
        try:
            data = os.read(self.master, 1 << 16)
        except OSError:
            return b""
        self.seen += data
        if not self.asked and b"\x1b[c" in self.seen:
            self.asked = True
            os.write(self.master, self.reply)
        return data

    def question(self, count=1):
        """What is shown up to the question that waits; None when the command has ended."""
        start, until = len(self.seen), time.monotonic() + DEADLINE
        while self.seen[start:].count(QUESTION) < count:
            if time.monotonic() > until:
                fail(f"no question; seen {self.seen[-2000:]!r}")
            if not self.read(0.05) and self.process.poll() is not None:
                return None
        return self.seen[start:]

    def press(self, keys):
        os.write(self.master, keys)

    def end(self, code=0):
        until = time.monotonic() + DEADLINE
        while self.process.poll() is None:
            self.read(0.05)
            if time.monotonic() > until:
                fail(f"it does not end; seen {self.seen[-2000:]!r}")
        if self.process.returncode != code:
            fail(f"exit status {self.process.returncode}, not {code}: {self.seen[-2000:]!r}")
        if termios.tcgetattr(self.slave) != self.modes:
            fail("the terminal is not as it was")
        os.close(self.slave)
        os.close(self.master)

    def answer_all(self, key=b"1"):
        count, shown = 0, []
        while (seen := self.question()) is not None:
            shown.append(seen)
            self.press(key)
            count += 1
        self.end()
        return count, shown


def answers(run):
    return [json.loads(line) for line in (FOLDER / run / "choices.jsonl").read_text().splitlines()]


def results(run):
    rows = [json.loads(line) for line in (FOLDER / run / "results.jsonl").read_text().splitlines()]
    return sorted((row["prompt"], json.dumps(row["lineage"]), json.dumps(row["scores"])) for row in rows)


# ---- pictures ----------------------------------------------------------------------------------------------------


def png(data):
    """Width, height and rows of bytes of an 8-bit RGB PNG."""
    at, found, width, height = 8, b"", 0, 0
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        if kind == b"IHDR":
            width, height, depth, colour = struct.unpack_from(">IIBB", data, at + 8)
            if (depth, colour) != (8, 2):
                fail(f"a PNG of depth {depth}, colour type {colour}")
        if kind == b"IDAT":
            found += data[at + 8:at + 8 + size]
        at += 12 + size
    raw, rows, above = zlib.decompress(found), [], bytes(3 * width)
    for y in range(height):
        kind, row = raw[y * (3 * width + 1)], bytearray(raw[y * (3 * width + 1) + 1:(y + 1) * (3 * width + 1)])
        for i in range(3 * width):
            a, b, c = (row[i - 3] if i > 2 else 0), above[i], (above[i - 3] if i > 2 else 0)
            p = a + b - c
            nearest = min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))[2]
            row[i] = row[i] + (0, a, b, (a + b) // 2, nearest)[kind] & 255
        rows.append(bytes(row))
        above = row
    return width, height, rows


def kitty(shown):
    pieces = re.findall(rb"\x1b_G([^;]*);([^\x1b]*)\x1b\\", shown)
    pieces = [piece for piece in pieces if b"a=q" not in piece[0]]
    if not pieces or pieces[0][0] != b"a=T,f=100,q=2,m=%d" % (len(pieces) > 1):
        fail(f"no picture for kitty: {shown[:200]!r}")
    for keys, data in pieces[1:]:
        if keys != b"m=%d" % (data is not pieces[-1][1]) or len(data) > 4096:
            fail(f"a piece for kitty of {len(data)} bytes, {keys!r}")
    return png(base64.b64decode(b"".join(data for _, data in pieces), validate=True))


def iterm2(shown):
    found = re.search(rb"\x1b\]1337;File=inline=1;size=(\d+);width=(\d+)px;height=(\d+)px:([^\x07]*)\x07", shown)
    data = base64.b64decode(found[4], validate=True)
    width, height, rows = png(data)
    if [len(data), width, height] != [int(found[i]) for i in (1, 2, 3)]:
        fail(f"iTerm2 is told {found[1]}, {found[2]} x {found[3]} of {len(data)}, {width} x {height}")
    return width, height, rows


def sixel(shown):
    """The picture that a terminal would draw."""
    text = re.search(rb"\x1bP0;1;0q(.*?)\x1b\\", shown, re.S)[1].decode()
    width, height = map(int, re.match(r'"1;1;(\d+);(\d+)', text).groups())
    rows, palette = [bytearray(3 * width) for _ in range(height)], {}
    drawn = [bytearray(width) for _ in range(height)]
    x = y = colour = 0
    for token in re.finditer(r'"[\d;]*|#(\d+);2;(\d+);(\d+);(\d+)|#(\d+)|!(\d+)([?-~])|([?-~])|(\$)|(-)', text):
        define, use, count, run, one, start, band = token[1], token[5], token[6], token[7], token[8], token[9], token[10]
        if define:
            palette[int(define)] = bytes(round(int(token[i]) * 2.55) for i in (2, 3, 4))
        elif use:
            colour = int(use)
        elif start:
            x = 0
        elif band:
            x, y = 0, y + 6
        elif run or one:
            for _ in range(int(count or 1)):
                for bit in range(6):
                    if ord(run or one) - 63 >> bit & 1:
                        if drawn[y + bit][x]:
                            fail("a pixel is drawn twice")
                        drawn[y + bit][x] = 1
                        rows[y + bit][3 * x:3 * x + 3] = palette[colour]
                x += 1
    if sum(map(sum, drawn)) != width * height:
        fail("there are pixels that sixels do not draw")
    return width, height, [bytes(row) for row in rows]


def candidates(run):
    return [png(path.read_bytes()) for path in sorted((FOLDER / run).rglob("*.png")) if "choice-" not in path.name]


def mean_error(picture, left, factor, candidate):
    """Of the means over the blocks of a picture that stand for one pixel of the candidate; of the worst channel."""
    worst = 0
    for y in range(candidate[1]):
        for x in range(candidate[0]):
            for c in range(3):
                total = sum(picture[2][y * factor + v][3 * (left + x * factor + u) + c] for v in range(factor) for u in range(factor))
                worst = max(worst, abs(total / factor**2 - candidate[2][y][3 * x + c]))
    return worst


def check_picture(kind, picture, run, factor, bound):
    """Two of the run's candidates, beside each other, with a gap."""
    width, height = 32 * factor, 32 * factor
    if picture[:2] != (2 * width + 16, height):
        fail(f"{kind}: {picture[0]} x {picture[1]} px")
    found = [min((mean_error(picture, left, factor, c), i) for i, c in enumerate(candidates(run))) for left in (0, width + 16)]
    print(f"{kind}: {picture[0]} x {picture[1]} px, the worst block is {max(found)[0]:.2f} off")
    if max(found)[0] > bound or found[0][1] == found[1][1]:
        fail(f"{kind}: the pictures are none of the run's: {found}")


# ---- the cases ---------------------------------------------------------------------------------------------------


def check_paths():
    """Three questions a prompt; the two files that are named are candidates; the text cannot colour the terminal."""
    t = Terminal("paths")
    shown = t.question()
    if b"\x1b[31m" in shown:
        fail("a prompt's escape sequence reaches the terminal")
    named = re.findall(rb"  ([12])  (\S+choice-[12].png)", shown)
    files = [png(pathlib.Path(os.fsdecode(path)).read_bytes()) for _, path in named]
    t.press(b"1")
    count, _ = t.answer_all()
    if [n for n, _ in named] != [b"1", b"2"] or count != 5 or len(answers("paths")) != 6:
        fail(f"{named}, {count} more questions, {len(answers('paths'))} answers")
    if not all(file in candidates("paths") for file in files):
        fail("the files that are named are not the candidates")
    best = [json.loads(s) for _, _, s in results("paths")]
    if len(best) != 8:
        fail(f"{len(best)} candidates")


def check_resume():
    """q after two answers; a start that is killed at the third question; none of them is asked again."""
    t = Terminal("resumed")
    for _ in range(2):
        t.question()
        t.press(b"1")
    t.question()
    t.press(b"q")
    t.end(75)
    if len(answers("resumed")) != 2:
        fail(f"{len(answers('resumed'))} answers after two")
    t = Terminal("resumed")
    t.question()
    t.process.send_signal(signal.SIGKILL)
    t.process.wait()
    with open(FOLDER / "resumed" / "choices.jsonl", "a") as file:
        file.write('{"question":"cut o')
    count, _ = Terminal("resumed").answer_all()
    if count != 4 or len(answers("resumed")) != 6 or results("resumed") != results("paths"):
        fail(f"{count} questions after two answers, {len(answers('resumed'))} answers in all, or other results")
    (FOLDER / "resumed" / "choices.jsonl").write_text("what\n")
    subprocess.run(["rm", "-f", *map(str, (FOLDER / "resumed").glob("ledger.db*"))], check=True)
    t = Terminal("resumed")
    if t.question() is not None or b"choices.jsonl:1: this is no answer" not in t.seen:
        fail(f"a broken record: {t.seen!r}")
    t.end(1)


def check_interrupt():
    t = Terminal("interrupted")
    t.question()
    t.press(b"\x03")
    t.end(75)


def check_nobody():
    for stdin, stderr in ((subprocess.DEVNULL, subprocess.PIPE),):
        done = subprocess.run([WINNOW, "run", FOLDER / "spec.json", "--output", FOLDER / "nobody"], stdin=stdin, stderr=stderr,
                              stdout=subprocess.DEVNULL, text=True)
        if done.returncode != 3 or "/verifiers/me (human): there is nobody to ask" not in done.stderr:
            fail(f"nobody: {done.returncode}, {done.stderr}")


def check_garbage():
    """Sequences, late answers, letters and bytes that are no text are not keys; arrows are."""
    t = Terminal("garbage")
    t.question()
    t.press(b"xyz 3\x1b[15~\xff\xfe\x1b_Gi=31;q1\x1b\\\x1b]0;q2\x07\x1b[1;5D\x1bOP\x1bP1$rq\x1b\\\x00\x80" + b"y" * 5000)
    time.sleep(0.3)
    t.read(0.1)
    if (FOLDER / "garbage" / "choices.jsonl").read_bytes():
        fail("garbage is an answer")
    t.press(b"\x1b[D")
    t.question()
    t.press(b"\x1b[C")
    t.question()
    t.press(b"=")
    t.answer_all(b"2")
    words = [a["answer"] for a in answers("garbage")]
    if len(words) != 6 or words.count("equal") != 1:
        fail(f"answers: {words}")


def check_pictures():
    """A smaller window gives smaller pictures, at once."""
    ok = b"\x1b_Gi=31;OK\x1b\\\x1b[?62;4;22c"
    t = Terminal("kitty", ok)
    first = kitty(t.question())
    t.resize(20, 40, 300, 400)
    smaller = kitty(t.question())
    t.resize(40, 100, 900, 720)
    third = kitty(t.question())
    t.press(b"r")
    if kitty(t.question()) != first or third != first or smaller[0] != 2 * 32 * 4 + 16:
        fail(f"resized: {first[:2]}, {smaller[:2]}, {third[:2]}")
    t.press(b"1")
    count, _ = t.answer_all()
    check_picture("kitty", first, "kitty", 8, 0)
    t = Terminal("iterm2", env={"TERM_PROGRAM": "iTerm.app"})
    if iterm2(t.question()) != first:
        fail("iTerm2 and kitty are shown different pictures")
    t.press(b"q")
    t.end(75)
    t = Terminal("sixel", b"\x1b[?62;4;22c")
    shown = sixel(t.question())
    t.press(b"1")
    t.answer_all()
    check_picture("sixel", shown, "sixel", 8, 8)
    for reply in (b"\x1b[?62;22;44c", b"", b"\x1b[?"):
        t = Terminal("none", reply)
        if b"choice-1.png" not in t.question():
            fail(f"pictures for a terminal that answers {reply!r}")
        t.press(b"q")
        t.end(75)
    t = Terminal("forced", more=("--pictures", "sixel"))
    sixel(t.question())
    t.press(b"q")
    t.end(75)
    t = Terminal("forced", more=("--pictures", "braille"))
    t.end(2)


def check_all():
    """Every pair of a set, and a search that goes from set to set asks about each pair once."""
    (FOLDER / "all.json").write_text(json.dumps(SPEC | {"verifiers": SPEC["verifiers"] | {
        "me": {"use": "human", "options": {"method": "all", "question": "which?"}}}}))
    count, shown = Terminal("all", spec="all.json").answer_all()
    if count != 12 or b"\nwhich?\r\n" not in shown[0]:
        fail(f"all: {count} questions")
    rows = [json.loads(line)["scores"] for line in (FOLDER / "all" / "results.jsonl").read_text().splitlines()]
    if len(rows) != 8 or abs(sum(row["me.preferred"] for row in rows) - 4) > 1e-9:
        fail(f"all: scores {rows}")
    (FOLDER / "climb.json").write_text(json.dumps(SPEC | {"search": {"use": "zero_order", "guide": "me", "options": {"iterations": 3}}}))
    count, _ = Terminal("climb", spec="climb.json").answer_all()
    if not 6 < count <= 12 or len({a["question"] for a in answers("climb")}) != len(answers("climb")):
        fail(f"zero_order: {count} questions")


shutil.rmtree(FOLDER, ignore_errors=True)
FOLDER.mkdir(parents=True)
(FOLDER / "spec.json").write_text(json.dumps(SPEC))
check_paths()
check_resume()
check_interrupt()
check_nobody()
check_garbage()
check_pictures()
check_all()
