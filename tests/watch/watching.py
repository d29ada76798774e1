"""watching.py - what the tests of `winnow watch` share: small runs, a server that is watched over, raw requests, event streams."""
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

PATIENCE = 60  # seconds until something that must come is missed; a bound for a broken server, not a measure of a good one


def check(holds, what):
    if not holds:
        sys.exit(f"watch: {what}")


def spec(prompts=("one", "two", "three"), delay_us=0, candidates=6, **more):
    return {
        "winnow": 0, "name": "watched &amp; run", "seed": 7, "output": "unused",
        "prompts": {"list": list(prompts)},
        "canvas": {"width": 64, "height": 64, "steps": 4},
        "sampler": {"use": "analytic", "options": {"delay_us": delay_us}},
        "verifiers": {"near": {"use": "analytic"}, "far": {"use": "analytic", "options": {"target": 90}}},
        "search": {"use": "random", "guide": "near", "options": {"candidates": candidates, "wave": 2}},
        "judge": ["far"], "engine": {"batch": 4, "live": 2}, **more,
    }


class Folder:
    """A fresh folder with one run's spec."""
    def __init__(self, program, path, **how):
        self.program, self.path = program, pathlib.Path(path)
        shutil.rmtree(self.path, ignore_errors=True)
        self.path.mkdir(parents=True)
        self.run = self.path / "run"
        (self.path / "spec.json").write_text(json.dumps(spec(**how)))

    def start_run(self):
        log = open(self.path / "run.log", "ab")
        return subprocess.Popen([self.program, "run", str(self.path / "spec.json"), "--output", str(self.run), "--quiet"],
                                stdout=log, stderr=log)

    def make_run(self):
        code = self.start_run().wait()
        check(code == 0, f"winnow run ended with {code}: {(self.path / 'run.log').read_text()}")


class Server:
    def __init__(self, program, run, port=0):
        self.process = subprocess.Popen([program, "watch", str(run), "--port", str(port)], stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        self.url = self.process.stdout.readline().strip()
        found = re.fullmatch(r"http://127\.0\.0\.1:(\d+)/", self.url)
        check(found, f"winnow watch says {self.url!r}: {self.process.stderr.read() if not found else ''}")
        self.port = int(found[1])
        wait_for("the run is read", lambda: b'class="reading"' not in self.get("/")[2])

    def end(self, how=signal.SIGINT):
        """Ctrl-C ends it, with nothing to say but its greeting."""
        self.process.send_signal(how)
        _, said = self.process.communicate(timeout=PATIENCE)
        check(self.process.returncode == 0, f"winnow watch ended with {self.process.returncode}: {said}")
        check(said.splitlines() == ["Ctrl-C ends it."], f"winnow watch said {said}")

    def raw(self, data, timeout=PATIENCE):
        """Sends bytes; what comes until the server closes."""
        out = b""
        with socket.create_connection(("127.0.0.1", self.port)) as s:
            s.settimeout(timeout)
            try:
                s.sendall(data)
            except OSError:
                pass  # it need not hear us out
            try:
                while True:
                    some = s.recv(1 << 16)
                    if not some:
                        break
                    out += some
            except ConnectionError:
                pass
        return out

    def request(self, target=b"/", headers=b"", method=b"GET", version=b"HTTP/1.1", host=None):
        host = b"Host: 127.0.0.1:%d\r\n" % self.port if host is None else host
        return method + b" " + target + b" " + version + b"\r\n" + host + headers + b"\r\n"

    def get(self, target, headers=b""):
        """(status, {header: value}, body) of a request as a browser makes it."""
        return parse(self.raw(self.request(target.encode(), headers)))


def parse(answer):
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines[1:])
    status = int(lines[0].split()[1]) if lines[0].startswith("HTTP/1.1 ") else 0
    return status, headers, body


class Stream:
    """A client of /events that reads as it goes."""
    def __init__(self, server, headers=b""):
        self.socket = socket.create_connection(("127.0.0.1", server.port))
        self.socket.settimeout(PATIENCE)
        self.socket.sendall(server.request(b"/events", headers))
        self.file = self.socket.makefile("rb")
        self.status = int(self.file.readline().split()[1])
        self.headers = {}
        while True:
            line = self.file.readline().strip().decode()
            if not line:
                break
            name, value = line.split(": ", 1)
            self.headers[name] = value
        self.left = b""

    def line(self):
        while b"\n" not in self.left:
            size = int(self.file.readline(), 16)  # chunked
            check(size > 0, "the stream ended")
            self.left += self.file.read(size)
            self.file.readline()
        line, _, self.left = self.left.partition(b"\n")
        return line.decode()

    def event(self):
        """(kind, data, id) of the next event."""
        fields = {}
        while True:
            line = self.line()
            if not line and "event" in fields:
                return fields["event"], json.loads(fields["data"]), fields["id"]
            name, _, value = line.partition(": ")
            if name:
                fields[name] = value

    def close(self):
        self.file.close()
        self.socket.close()


def wait_for(what, holds):
    end = time.monotonic() + PATIENCE
    while not holds():
        check(time.monotonic() < end, what)
        time.sleep(0.05)


def arguments():
    return os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
