"""mock.py - a server that speaks the three dialects of plugins/verifiers/llm_judge, and misbehaves on request.

A prompt names its case; a case is a list of replies, one for each request about it, the last one for all further ones. Replies
are functions that write to the socket what they like. The server counts requests and remembers when they came.
"""
import gzip
import json
import re
import socket
import socketserver
import ssl
import struct
import threading
import time
import zlib

ASPECTS = ["accuracy_to_prompt", "originality", "visual_quality", "internal_consistency", "emotional_resonance"]


def values_of(text):
    """The verdict that the mock gives of a prompt: five whole numbers."""
    return [zlib.crc32(f"{text} {aspect}".encode()) % 101 for aspect in ASPECTS]


def verdict(values, **other):
    return json.dumps({"reason": "so it is", **dict(zip(ASPECTS, values)), **other})


class Request:
    """One that was read whole."""

    def __init__(self, server, path, headers, body):
        self.server, self.path, self.headers, self.body = server, path, headers, json.loads(body)
        self.text = body.decode()
        found = re.search(r"-----\\n(.*?)\\n-----", self.text)
        self.prompt = json.loads(f'"{found[1]}"') if found else ""
        self.images = re.findall(r"iVBORw0KGgo[A-Za-z0-9+/=]*", self.text)
        self.key = headers.get("authorization", headers.get("x-api-key", headers.get("x-goog-api-key", "")))

    def envelope(self, content, finish=None, refusal=None):
        """A reply in the dialect of the request, as bytes."""
        if self.path.endswith("/chat/completions"):
            message = {"role": "assistant", "content": content, "refusal": refusal}
            reply = {"choices": [{"index": 0, "message": message, "finish_reason": finish or "stop"}],
                     "usage": {"prompt_tokens": 1000, "completion_tokens": 100}}
        elif self.path.endswith(":generateContent"):
            reply = {"candidates": [{"content": {"parts": [{"text": "hm", "thought": True}, {"text": content}]},
                                     "finishReason": finish or "STOP"}],
                     "usageMetadata": {"promptTokenCount": 1000, "candidatesTokenCount": 80, "thoughtsTokenCount": 20}}
        else:
            reply = {"content": [{"type": "text", "text": "well"},
                                 {"type": "tool_use", "name": "verdict", "input": json.loads(content)}],
                     "stop_reason": finish or "tool_use", "usage": {"input_tokens": 1000, "output_tokens": 100}}
        return json.dumps(reply).encode()


def http(body, status="200 OK", headers=(), content_type="application/json"):
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {content_type}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


# ---- replies: function(request, socket); True keeps the connection ----

def raw(make):
    """Sends the bytes that make(request) gives and closes."""
    def reply(request, sock):
        sock.sendall(make(request))
    return reply


def good(request, sock):
    sock.sendall(http(request.envelope(verdict(values_of(request.prompt)))))
    return True


def says(content, **other):
    return raw(lambda r: http(r.envelope(content(r) if callable(content) else content, **other)))


def fails(status, body=None, headers=()):
    def make(request):
        text = body if body is not None else {"error": {"message": f"this is {status}"}}
        if callable(text):
            text = text(request)
        return http(json.dumps(text).encode(), status, headers(request) if callable(headers) else headers)
    return raw(make)


def bends(change):
    """A verdict of which change(dict) made something else; it may return the text itself."""
    def content(request):
        d = json.loads(verdict(values_of(request.prompt)))
        text = change(d)
        return text if isinstance(text, str) else json.dumps(d)
    return says(content)


def stall(request, sock):
    request.server.stop.wait(600)


def drip(head, piece, pause):
    """Sends a head and then pieces for ever."""
    def reply(request, sock):
        sock.sendall(head)
        while not request.server.stop.wait(pause):
            sock.sendall(piece)
    return reply


def reset(before):
    """Sends something and drops the connection with a RST."""
    def reply(request, sock):
        sock.sendall(before)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()
    return reply


def lies_about_length(delta):
    def make(request):
        body = request.envelope(verdict(values_of(request.prompt)))
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body) + delta}\r\n\r\n"
        return head.encode() + body
    return raw(make)


def gzip_bomb(request):
    return http(gzip.compress(bytes(1 << 24)), headers=["Content-Encoding: gzip"])


def good_bytes(request):
    return request.envelope(verdict(values_of(request.prompt)))


# ---- the server ----

class Handler(socketserver.BaseRequestHandler):
    def read_request(self):
        head = b""
        while b"\r\n\r\n" not in head:
            piece = self.request.recv(65536)
            if not piece:
                return None
            head += piece
        head, body = head.split(b"\r\n\r\n", 1)
        first, *lines = head.decode().split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines if ": " in line)}
        while len(body) < int(headers.get("content-length", 0)):
            body += self.request.recv(1 << 20)
        return Request(self.server, first.split(" ")[1], headers, body)

    def handle(self):
        try:
            if self.server.tls:
                self.request = self.server.tls.wrap_socket(self.request, server_side=True)
            while (request := self.read_request()) is not None:
                if not self.server.next_reply(request)(request, self.request):
                    self.request.close()
                    break
        except OSError:
            pass  # the client went away, which is its right


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, cases=None, default=good, certificate=None):
        self.tls = None
        if certificate:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(*certificate)
        super().__init__(("127.0.0.1", 0), Handler)
        self.cases, self.default, self.lock = cases or {}, default, threading.Lock()
        self.stop, self.seen, self.times, self.running, self.most_running = threading.Event(), [], {}, 0, 0
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def port(self):
        return self.server_address[1]

    def count(self, prompt):
        return len(self.times.get(prompt, []))

    def next_reply(self, request):
        with self.lock:
            self.seen.append(request)
            times = self.times.setdefault(request.prompt, [])
            times.append(time.time())
            replies = self.cases.get(request.prompt, [self.default])
            return self.counted(replies[min(len(times), len(replies)) - 1])

    def counted(self, reply):
        """Notes how many are answered at a time."""
        def counting(request, sock):
            with self.lock:
                self.running += 1
                self.most_running = max(self.most_running, self.running)
            try:
                return reply(request, sock)
            finally:
                with self.lock:
                    self.running -= 1
        return counting

    def handle_error(self, request, client_address):
        raise  # a bug of the mock, not of the client

    def end(self):
        self.stop.set()
        self.shutdown()
        self.server_close()
