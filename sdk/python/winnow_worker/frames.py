"""Frames on what were standard input and output: a header, a JSON object, raw bytes (protocol.md)."""
import json
import os
import select
import struct
import threading
import time

HEADER = struct.Struct("<4sIQ")
MAGIC = b"wn0\n"
PROTOCOL = 0
_GRACE_S = 0.2  # for a program that notices by itself that winnow is gone


class Gone(Exception):
    """winnow has closed its end: the normal end of a worker."""


class Stream:
    """The two ends. Taking them over points standard output at standard error and standard input at nothing: nobody prints, reads or
    inherits what belongs to frames."""

    def __init__(self):
        self.input = os.dup(0)
        self.output = os.dup(1)
        os.dup2(2, 1)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        self.writing = threading.Lock()
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self):
        """Ends the process when winnow is gone, whatever the program is at."""
        poll = select.poll()
        poll.register(self.input, getattr(select, "POLLRDHUP", 0))
        poll.poll()
        time.sleep(_GRACE_S)
        os._exit(2)

    def _read(self, size):
        data = bytearray(size)
        view, at = memoryview(data), 0
        while at < size:
            count = os.readv(self.input, [view[at:]])
            if count == 0:
                raise Gone
            at += count
        return data

    def receive(self):
        magic, text_bytes, data_bytes = HEADER.unpack(self._read(HEADER.size))
        if magic != MAGIC:
            raise ValueError(f"a frame begins with {magic!r}, not with {MAGIC!r}")
        message = json.loads(self._read(text_bytes).decode())
        return message, memoryview(self._read(data_bytes))

    def send(self, message, parts=()):
        views = [memoryview(part).cast("B") for part in parts]
        text = json.dumps(message, allow_nan=False).encode()
        header = HEADER.pack(MAGIC, len(text), sum(len(view) for view in views))
        with self.writing:
            for view in (memoryview(header + text), *views):
                while view:
                    try:
                        view = view[os.write(self.output, view):]
                    except BrokenPipeError:
                        raise Gone from None


_stream = None


def stream():
    global _stream
    if _stream is None:
        _stream = Stream()
    return _stream


def log(text, level="info"):
    """A line for the run's log; level: debug, info or warn."""
    stream().send({"op": "log", "level": level, "text": str(text)})


def progress(done, total, what=""):
    """How far long work is. Also a sign of life: winnow's patience starts anew."""
    stream().send({"op": "progress", "done": float(done), "total": float(total), "what": str(what)})
