"""browser.py WINNOW DIRECTORY - the live page in headless Chromium, over the browser's debugging protocol: it shows a run that begins and
ends while it is looked at, without a reload, without an error in the console, and refuses what its policy forbids.

Exit status 77: no chromium. The page is left as DIRECTORY/page.png.
"""
import base64
import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

from watching import PATIENCE, Folder, Server, arguments, check, wait_for


class Browser:
    """One page, spoken to over a WebSocket (RFC 6455), of which this is the little that is needed."""
    def __init__(self, program, profile):
        self.process = subprocess.Popen(
            [program, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
             "--disable-background-networking", "--remote-debugging-port=0", f"--user-data-dir={profile}",
             "--window-size=1400,1000", "about:blank"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        for line in self.process.stderr:
            found = re.search(r"DevTools listening on ws://127\.0\.0\.1:(\d+)/", line)
            if found:
                break
        else:
            print("chromium does not start here")
            sys.exit(77)
        with urllib.request.urlopen(f"http://127.0.0.1:{found[1]}/json") as answer:
            page = next(p for p in json.load(answer) if p["type"] == "page")
        self.connect(int(found[1]), page["webSocketDebuggerUrl"].split(found[1], 1)[1])
        self.number, self.events = 0, []
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(domain + ".enable")

    def connect(self, port, path):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.settimeout(PATIENCE)
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall((f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                             f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n").encode())
        self.file = self.socket.makefile("rb")
        accept = base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest())
        lines = list(iter(lambda: self.file.readline().strip(), b""))
        check(any(accept in line for line in lines), "the browser's WebSocket")

    def send(self, text):
        data, mask = text.encode(), os.urandom(4)
        length = len(data)
        head = bytes([0x81]) + (bytes([0x80 | length]) if length < 126 else bytes([0x80 | 126]) + length.to_bytes(2, "big"))
        self.socket.sendall(head + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(data)))

    def receive(self):
        text = b""
        while True:
            first, second = self.file.read(2)
            length = second & 0x7f
            if length > 125:
                length = int.from_bytes(self.file.read(2 if length == 126 else 8), "big")
            data = self.file.read(length)
            if first & 0x0f in (0, 1):
                text += data
            if first & 0x80 and first & 0x0f in (0, 1):
                return json.loads(text)

    def ask(self, method, **parameters):
        self.number += 1
        self.send(json.dumps({"id": self.number, "method": method, "params": parameters}))
        while True:
            message = self.receive()
            if message.get("id") == self.number:
                check("error" not in message, f"{method}: {message}")
                return message["result"]
            self.events.append(message)

    def value(self, expression):
        answer = self.ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        check("exceptionDetails" not in answer, f"{expression}: {answer}")
        return answer["result"].get("value")

    def complaints(self):
        """What the console and the network have to say that they should not."""
        bad = [e["params"] for e in self.events if e["method"] in ("Runtime.exceptionThrown", "Network.loadingFailed")]
        bad += [e["params"] for e in self.events if e["method"] == "Log.entryAdded" and e["params"]["entry"]["level"] != "info"]
        bad += [e["params"]["response"]["url"] for e in self.events
                if e["method"] == "Network.responseReceived" and e["params"]["response"]["status"] >= 400]
        return bad

    def picture(self, path):
        size = self.ask("Page.getLayoutMetrics")["cssContentSize"]
        shot = self.ask("Page.captureScreenshot", captureBeyondViewport=True,
                        clip={"x": 0, "y": 0, "width": 1400, "height": min(size["height"], 3000), "scale": 1})
        path.write_bytes(base64.b64decode(shot["data"]))

    def end(self):
        self.process.terminate()
        self.process.communicate()


def check_live(browser, folder, server):
    browser.ask("Page.navigate", url=server.url)
    text = "document.getElementById('%s').textContent"
    wait_for("the page waits", lambda: browser.value("document.readyState") == "complete"
             and browser.value(text % "state") == "waiting")
    wait_for("the stream is open", lambda: "live" in browser.value(text % "link"))
    browser.value("window.neverReloaded = true")
    run = folder.start_run()
    wait_for("the run is seen to go on", lambda: browser.value(text % "state") == "running")
    wait_for("pictures come", lambda: browser.value("document.querySelectorAll('#newest img').length") > 0)
    check(run.poll() is None, "pictures come while the run goes on")
    wait_for("the end is seen", lambda: browser.value(text % "state") == "ended")
    check(run.wait() == 0, "the run's end")
    wait_for("the plots are there", lambda: browser.value("document.querySelectorAll('figure.plot svg').length") == 4)
    wait_for("every prompt has its card", lambda: browser.value("document.querySelectorAll('.card').length") == 4)
    wait_for("every picture is one", lambda: browser.value(
        "[...document.images].every(i => i.complete && i.naturalWidth === 64) && document.images.length === 32"))
    check(browser.value("window.neverReloaded") is True, "the page was never reloaded")
    check(browser.value("document.getElementById('bar').value") == 1, "the bar is full")
    check(browser.value("document.title") == "watched &amp; run - winnow watch", "the title")
    check(browser.value("[...document.querySelectorAll('h3')].some(h => h.textContent === 'two & <three>')"), "texts stay texts")
    check(not browser.complaints(), f"complaints: {browser.complaints()}")


def check_policy(browser):
    """The page could not run what somebody smuggled into it, nor send anything away."""
    browser.value("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.pwned=1\"><style>h1{color:red}</style>')")
    browser.value("{ const s = document.createElement('script'); s.textContent = 'window.pwned=1'; document.body.append(s); }")
    check(browser.value("fetch('http://localhost:1/').then(() => 'sent', () => 'kept')") == "kept", "fetch to elsewhere")
    time.sleep(0.5)
    check(browser.value("window.pwned") is None, "smuggled scripts do not run")
    check(browser.value("getComputedStyle(document.querySelector('h1')).color") != "rgb(255, 0, 0)", "nor do styles")


def check_lost(browser, folder, server):
    """A server that goes and comes back at the same place is found again."""
    link = "document.getElementById('link').textContent"
    first = "document.querySelector('#parts img').src"
    old = browser.value(first)
    server.end()
    wait_for("the loss is seen", lambda: "no connection" in browser.value(link))
    again = Server(folder.program, folder.run, server.port)
    wait_for("the stream is open again", lambda: "live" in browser.value(link))
    wait_for("the pictures are the new server's", lambda: browser.value(first) != old)
    again.end()


def main():
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if not chromium:
        print("no chromium (package chromium)")
        return 77
    program, path = arguments()
    folder = Folder(program, path, prompts=("one", "two & <three>", "a prompt of more words", "four"), delay_us=40000, candidates=12)
    server = Server(program, folder.run)
    browser = Browser(chromium, folder.path / "profile")
    try:
        check_live(browser, folder, server)
        browser.picture(folder.path / "page.png")
        check_policy(browser)
        check_lost(browser, folder, server)
    finally:
        browser.end()
    print(f"seen: {folder.path}/page.png")
    return 0


sys.exit(main())
