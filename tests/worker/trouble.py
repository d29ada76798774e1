"""What can become of a worker, one way after the other: for programs that are to be killed, but answer well otherwise.

WINNOW_TROUBLE names a file that counts across processes, by its size; without it nothing happens.
"""
import os
import signal
import time

from winnow_worker import frames

COUNTER = os.environ.get("WINNOW_TROUBLE")


def count(suffix=""):
    with open(COUNTER + suffix, "ab") as file:
        file.write(b".")
        return file.tell() - 1


def _write(data):
    os.write(frames.stream().output, data)


def _segv():
    os.kill(os.getpid(), signal.SIGSEGV)


def _hang():
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    time.sleep(1000)


def _garbage():
    _write(b"Segmentation fault (core dumped)\n" * 20)
    time.sleep(1000)


def _cut():
    _write(frames.HEADER.pack(frames.MAGIC, 500, 8) + b'{"op": "sco')
    os._exit(0)


def _liar():
    frames.stream().send({"op": "error", "id": "none of yours", "code": 7})
    time.sleep(1000)


def _huge():
    _write(frames.HEADER.pack(frames.MAGIC, 2, 1 << 60) + b"{}")
    time.sleep(1000)


WAYS = (_segv, os.abort, _hang, _garbage, _cut, lambda: os._exit(3), _liar, _huge)


def strike():
    WAYS[count(".kills") % len(WAYS)]()


def every(period):
    """At one request in `period` of all processes together."""
    if COUNTER:
        if count() % period == 0:
            strike()
