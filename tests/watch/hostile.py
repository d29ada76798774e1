"""hostile.py WINNOW DIRECTORY - requests that nobody means well by, each refused as core/watch/README.md says, and the server alive
after every one. Also: a run whose ledger names pictures that are none, floods of connections, senders and readers that dawdle."""
import socket
import sqlite3
import time

from watching import PATIENCE, Folder, Server, Stream, arguments, check, parse

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; connect-src 'self'; "
                               "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Connection": "close",
    "Cache-Control": "no-store",
}

TRAVERSALS = [
    b"/../../../../etc/passwd", b"/..%2f..%2f..%2fetc/passwd", b"/%2e%2e/%2e%2e/etc/passwd", b"/..\\..\\etc\\passwd",
    b"/..%5c..%5cetc%5cpasswd", b"/%252e%252e/etc/passwd", b"//etc/passwd", b"/./spec.json", b"/..;/manifest.json",
    b"/%c0%ae%c0%ae/etc/passwd", b"/picture/../ledger.db", b"/picture/EPOCH/../../ledger.db",
    b"/picture/EPOCH/0/../../../etc/passwd.png", b"/picture/EPOCH/0/..%2f..%2fsecret.png", b"/picture/EPOCH/-1/abc.png",
    b"/picture/EPOCH/99999999999999999999/abc.png", b"/picture/EPOCH/18446744073709551616/abc.png", b"/picture/EPOCH/00/abc.png",
    b"/picture/EPOCH/0/ABCDEF.png", b"/picture/EPOCH/0/" + b"a" * 33 + b".png", b"/picture/EPOCH/0/abc", b"/picture/EPOCH/0/.png",
    b"/picture/0000000000000000/0/CANDIDATE.png", b"/images/p0001/CANDIDATE.png", b"/ledger.db", b"/manifest.json", b"/lock",
]


def requests(s):
    """[(what, bytes, wanted status)]"""
    r = s.request
    here = b"127.0.0.1:%d" % s.port
    return [
        # names that are not ours: DNS rebinding
        ("foreign Host", r(host=b"Host: evil.example\r\n"), 421),
        ("foreign Host with our port", r(host=b"Host: evil.example:%d\r\n" % s.port), 421),
        ("Host that begins as ours", r(host=b"Host: 127.0.0.1.evil.example\r\n"), 421),
        ("Host that ends as ours", r(host=b"Host: evil.localhost\r\n"), 421),
        ("Host with a user", r(host=b"Host: evil@127.0.0.1\r\n"), 421),
        ("Host with a bad port", r(host=b"Host: 127.0.0.1:80x\r\n"), 421),
        ("Host 0.0.0.0", r(host=b"Host: 0.0.0.0:%d\r\n" % s.port), 421),
        ("Host [::1]", r(host=b"Host: [::1]:%d\r\n" % s.port), 421),
        ("empty Host", r(host=b"Host: \r\n"), 421),
        ("no Host", r(host=b""), 400),
        ("no Host, HTTP/1.0", r(host=b"", version=b"HTTP/1.0"), 400),
        ("two Hosts", r(headers=b"Host: evil.example\r\n"), 400),
        # pages of others
        ("foreign Origin", r(headers=b"Origin: http://evil.example\r\n"), 403),
        ("null Origin", r(headers=b"Origin: null\r\n"), 403),
        ("Origin of another local server", r(headers=b"Origin: http://127.0.0.1:1\r\n"), 403),
        ("Origin by https", r(headers=b"Origin: https://" + here + b"\r\n"), 403),
        ("Origin that begins as ours", r(headers=b"Origin: http://" + here + b".evil.example\r\n"), 403),
        ("two Origins", r(headers=b"Origin: http://" + here + b"\r\nOrigin: http://evil.example\r\n"), 403),
        ("foreign page's events", r(b"/events", b"Origin: http://evil.example\r\n"), 403),
        ("foreign page's script", r(b"/watch.js", b"Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\n"), 403),
        ("foreign page's fetch", r(b"/parts", b"Sec-Fetch-Site: same-site\r\nSec-Fetch-Mode: cors\r\n"), 403),
        # methods
        ("POST", r(method=b"POST", headers=b"Content-Length: 5\r\n") + b"hello", 405),
        ("POST without a length", r(method=b"POST"), 405),
        ("PUT", r(method=b"PUT", headers=b"Content-Length: 5\r\n") + b"hello", 405),
        ("DELETE", r(b"/events", method=b"DELETE"), 405),
        ("TRACE", r(method=b"TRACE"), 405),
        ("OPTIONS", r(method=b"OPTIONS", headers=b"Access-Control-Request-Method: GET\r\n"), 405),
        ("OPTIONS *", r(b"*", method=b"OPTIONS"), 405),
        ("CONNECT", r(b"evil.example:443", method=b"CONNECT"), 405),
        ("PROPFIND", r(method=b"PROPFIND"), 405),
        ("get", r(method=b"get"), 405),
        ("a method of 3000 letters", r(method=b"G" * 3000), 405),
        # targets
        ("absolute URI", r(b"http://" + here + b"/"), 400),
        ("absolute foreign URI", r(b"http://evil.example/"), 400),
        ("target without a slash", r(b"parts"), 400),
        ("query", r(b"/?x=1"), 404),
        ("query on events", r(b"/events?Last-Event-ID=1"), 404),
        ("fragment", r(b"/#x"), 404),
        ("encoded slash", r(b"/%2f"), 404),
        ("encoded letter", r(b"/part%73"), 404),
        ("encoded NUL", r(b"/parts%00"), 404),
        ("trailing slash", r(b"/parts/"), 404),
        ("target of 256 bytes", r(b"/" + b"a" * 255), 414),
        ("target of 1 MB", r(b"/" + b"a" * 1000000), 414),
        # heads
        ("header of 1 MB", r(headers=b"X: " + b"a" * 1000000 + b"\r\n"), 431),
        ("20000 headers", r(headers=b"X: a\r\n" * 20000), 431),
        ("NUL in the target", r(b"/\0evil"), 400),
        ("NUL in the Host", r(host=b"Host: 127.0.0.1\0.evil.example\r\n"), 400),
        ("NUL in a header", r(headers=b"X: a\0b\r\n"), 400),
        ("escape sequence", r(headers=b"X: \x1b[2J\r\n"), 400),
        ("bare CR", r(headers=b"X: a\rY: b\r\n"), 400),
        ("bare LF", r(headers=b"X: a\nY: b\r\n"), 400),
        ("LF for all line ends", b"GET / HTTP/1.1\nHost: " + here + b"\n\n", 400),
        ("folded header", r(headers=b"X: a\r\n b\r\n"), 400),
        ("folded Host", r(host=b"Host: 127.0.0.1\r\n .evil.example\r\n"), 400),
        ("blank before a colon", r(host=b"Host : " + here + b"\r\n"), 400),
        ("header without a colon", r(headers=b"X\r\n"), 400),
        ("header without a name", r(headers=b": x\r\n"), 400),
        ("blank in the target", r(b"/ /"), 400),
        ("two blanks", b"GET  / HTTP/1.1\r\nHost: " + here + b"\r\n\r\n", 400),
        ("HTTP/0.9", b"GET /\r\n", 400),
        ("HTTP/0.9 with an end", b"GET /\r\n\r\n", 400),
        ("HTTP/2's preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        ("HTTP/1.2", r(version=b"HTTP/1.2"), 505),
        ("HTTP/01.1", r(version=b"HTTP/01.1"), 505),
        ("no version at all", r(version=b"FTP/1.1"), 400),
        ("empty lines", b"\r\n" * 50, 400),
        ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200), 400),
        ("all bytes", bytes(range(256)) * 4, 400),
        # bodies, and requests inside requests
        ("GET with a body", r(headers=b"Content-Length: 10\r\n") + b"0123456789", 400),
        ("GET with chunks", r(headers=b"Transfer-Encoding: chunked\r\n") + b"0\r\n\r\n", 400),
        ("length and chunks", r(headers=b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n") + b"0\r\n\r\n", 400),
        ("two lengths", r(headers=b"Content-Length: 0\r\nContent-Length: 44\r\n"), 400),
        ("length -1", r(headers=b"Content-Length: -1\r\n"), 400),
        ("length beyond 64 bits", r(headers=b"Content-Length: 99999999999999999999999\r\n"), (400, 413)),
        # event streams
        ("Last-Event-ID of nonsense", r(b"/events", b"Last-Event-ID: ../../x\r\n"), 400),
        ("Last-Event-ID without a number", r(b"/events", b"Last-Event-ID: 0123456789abcdef-\r\n"), 400),
        ("Last-Event-ID below nothing", r(b"/events", b"Last-Event-ID: 0123456789abcdef--1\r\n"), 400),
        ("Last-Event-ID beyond 64 bits", r(b"/events", b"Last-Event-ID: 0123456789abcdef-99999999999999999999\r\n"), 400),
        ("two Last-Event-IDs", r(b"/events", b"Last-Event-ID: 0123456789abcdef-1\r\n" * 2), 400),
    ]


def check_alive(s, after):
    status, headers, body = s.get("/")
    check(status == 200 and b"</html>" in body, f"the page is gone after {after}")
    for name, value in HEADERS.items():
        check(headers.get(name) == value, f"{name}: {headers.get(name)}")
    check(not any(name.lower().startswith("access-control-") for name in headers), "there is no CORS")


def check_refusals(s, epoch, candidate):
    cases = requests(s)
    for target in TRAVERSALS:
        target = target.replace(b"EPOCH", epoch).replace(b"CANDIDATE", candidate)
        cases.append((f"traversal {target.decode()}", s.request(target), 404))
    for what, data, wanted in cases:
        answer = s.raw(data)
        status, headers, body = parse(answer)
        wanted = wanted if isinstance(wanted, tuple) else (wanted,)
        check(status in wanted, f"{what}: {status}, not {wanted}: {answer[:300]}")
        check(answer.count(b"HTTP/1.1 ") <= 2 and len(answer) < 1000, f"{what}: more than a refusal: {answer[:2000]}")
        check(not any(name.lower().startswith("access-control-") for name in headers), f"{what}: CORS")
        if status == 405:
            check(headers["Allow"] == "GET, HEAD", f"{what}: Allow")
        check_alive(s, what)
    return len(cases)


def check_good(s, epoch, candidate):
    """What is asked well is answered: a gate that lets nobody in keeps everybody out."""
    here = b"127.0.0.1:%d" % s.port
    good = [
        ("localhost", s.request(host=b"Host: localhost:%d\r\n" % s.port)),
        ("a tunnel's port", s.request(host=b"Host: localhost:9999\r\n", headers=b"Origin: http://localhost:9999\r\n")),
        ("our own page", s.request(b"/parts", b"Origin: http://" + here + b"\r\nSec-Fetch-Site: same-origin\r\n")),
        ("a link on another page", s.request(headers=b"Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\n")),
        ("an address that was typed", s.request(headers=b"Sec-Fetch-Site: none\r\nSec-Fetch-Mode: navigate\r\n")),
        ("HTTP/1.0", s.request(version=b"HTTP/1.0")),
        ("length 0", s.request(headers=b"Content-Length: 0\r\n")),
        ("a header of 12 kB", s.request(headers=b"Cookie: " + b"a" * 12000 + b"\r\n")),
        ("a header without blanks", s.request(headers=b"X:a\r\n")),
        ("the style", s.request(b"/style.css")), ("the script", s.request(b"/watch.js")), ("the icon", s.request(b"/icon.svg")),
        ("a picture", s.request(b"/picture/" + epoch + b"/0/" + candidate + b".png")),
    ]
    for what, data in good:
        status, headers, body = parse(s.raw(data))
        check(status == 200 and len(body) == int(headers["Content-Length"]) > 0, f"{what}: {status}")
    status, headers, body = parse(s.raw(s.request(method=b"HEAD")))
    check(status == 200 and body == b"" and int(headers["Content-Length"]) > 0, "HEAD")
    status, headers, body = parse(s.raw(s.request(b"/events", method=b"HEAD")))
    check(status == 200 and body == b"", "HEAD of events")
    answer = s.raw(s.request(b"/style.css") + s.request(b"/watch.js") * 20)
    check(answer.count(b"HTTP/1.1 ") == 1, "of requests in a row, the first is answered")
    return len(good) + 3


def check_drips(s):
    """A head that drips is refused when its time is up, though each byte comes soon after the last; a silent one too."""
    drip = socket.create_connection(("127.0.0.1", s.port))
    silent = socket.create_connection(("127.0.0.1", s.port))
    end = time.monotonic() + PATIENCE
    drip.setblocking(False)
    answer = b""
    for byte in s.request(headers=b"X: " + b"a" * 5000):
        try:
            drip.send(bytes([byte]))
            answer += drip.recv(4096)
            break
        except BlockingIOError:
            check(time.monotonic() < end, "a dripping head is waited for without end")
        except ConnectionError:
            break
        time.sleep(0.1)
    check(answer.startswith(b"HTTP/1.1 408 "), f"a dripping head: {answer[:100]}")
    silent.settimeout(PATIENCE)
    check(silent.recv(4096).startswith(b"HTTP/1.1 408 "), "a silent connection")
    drip.close()
    silent.close()
    check_alive(s, "drips")


def check_flood(s):
    """200 connections that say nothing: those beyond the limit are refused, and whoever speaks is heard when they are gone."""
    flood = [socket.create_connection(("127.0.0.1", s.port)) for _ in range(200)]
    refused = 0
    for c in flood[64:]:
        c.settimeout(PATIENCE)
        try:
            refused += c.recv(100).startswith(b"HTTP/1.1 503 ")
        except ConnectionError:
            refused += 1
    check(refused >= 100, f"{refused} of 200 connections refused")
    for c in flood:
        c.close()
    check_alive(s, "a flood")


def check_streams(s):
    """16 event streams; the next is told to come later, and comes when one is gone."""
    streams = [Stream(s) for _ in range(16)]
    check(all(x.status == 200 for x in streams), "16 streams")
    status, _, _ = s.get("/events")
    check(status == 503, f"stream 17: {status}")
    check_alive(s, "16 streams")
    for x in streams:
        x.close()
    end = time.monotonic() + PATIENCE
    while True:
        again = Stream(s)
        again.close()
        if again.status == 200:
            break
        check(time.monotonic() < end, "streams that are gone still count")
        time.sleep(0.5)


def check_hostile_ledger(folder):
    """What a stranger's ledger calls a picture is only shown where it is one, and in the run."""
    secret = folder.path / "secret.png"
    picture = next((folder.run / "images").rglob("*.png"))
    secret.write_bytes(picture.read_bytes())
    (folder.run / "images" / "link").symlink_to(folder.path)
    (folder.run / "images" / "text.png").write_text("a secret")
    with sqlite3.connect(folder.run / "ledger.db") as db:
        db.execute("UPDATE trials SET prompt='<script>alert(1)</script>\"''>&', prompt_id='\"><img src=x>'")
        candidate = db.execute("SELECT id FROM candidates WHERE trial=0").fetchone()[0]
    db.close()
    for image in ("../secret.png", str(secret), "images/../../secret.png", "images/link/secret.png", "images/text.png", "ledger.db",
                  "images", "images/none.png"):
        with sqlite3.connect(folder.run / "ledger.db") as db:
            db.execute("UPDATE candidates SET image=? WHERE trial=0", (image,))
        db.close()
        s = Server(folder.program, folder.run)
        _, _, page = s.get("/")
        check(b"<script>alert" not in page and b"<img src=x>" not in page, "a prompt is markup")
        epoch = page.split(b"/picture/")[1].split(b"/")[0].decode()
        status, _, body = s.get(f"/picture/{epoch}/0/{candidate}.png")
        check(status == 404 and b"secret" not in body, f"a ledger's picture {image}: {status}")
        s.end()


def main():
    program, path = arguments()
    folder = Folder(program, path)
    folder.make_run()
    s = Server(program, folder.run)
    _, _, page = s.get("/")
    epoch = page.split(b"/picture/")[1].split(b"/")[0]
    candidate = page.split(b"/picture/" + epoch + b"/0/")[1].split(b".png")[0]
    answered = check_good(s, epoch, candidate)
    refused = check_refusals(s, epoch, candidate)
    check_drips(s)
    check_flood(s)
    check_streams(s)
    check_alive(s, "everything")
    s.end()
    check_hostile_ledger(folder)
    print(f"{refused} hostile requests refused, {answered} good ones answered")


main()
