"""One program, one service: hello, ready, then requests until winnow goes away."""
import sys
import traceback

from . import frames
from .options import Refusal

_service = None
_files = []
_printed = set()


def register(service):
    global _service
    if _service is not None:
        raise RuntimeError("a worker is one verifier, sampler or search; this program decorates a second one")
    _service = service


def uses_file(path):
    """Tells the run's manifest of a file that results depend on (weights); before serve(), or in __init__."""
    _files.append(str(path))


def used_files():
    return list(_files)


def _code(error):
    if isinstance(error, Refusal):
        return error.code
    for kind, code in ((MemoryError, "memory"), (FileNotFoundError, "missing"), (OSError, "io"),
                       (NotImplementedError, "unsupported")):
        if isinstance(error, kind):
            return code
    return "internal"


def _print_once(error):
    """Where it went wrong, for the log; not again for each picture."""
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    if text not in _printed:
        _printed.add(text)
        print(text, end="", file=sys.stderr, flush=True)


def send_error(request, error):
    if not isinstance(error, Refusal):
        _print_once(error)
    text = str(error) if isinstance(error, Refusal) else f"{type(error).__name__}: {error}"
    frames.stream().send({"op": "error", "id": request.get("id", 0), "code": _code(error), "message": text[:1000]})


def _greet(hello):
    if hello.get("op") != "hello" or hello.get("protocol") != frames.PROTOCOL:
        raise Refusal(f"this module speaks protocol {frames.PROTOCOL}, winnow says {hello.get('protocol')}", "unsupported")
    if hello.get("kind") != _service.kind:
        raise Refusal(f"the program is a {_service.kind}; the spec uses it as a {hello.get('kind')}")
    ready = _service.open(hello.get("options") or {})
    return {"op": "ready", "protocol": frames.PROTOCOL, "kind": _service.kind, "files": _files, **ready}


def _answer(request, data):
    try:
        message, parts = _service.answer(request, data)
    except frames.Gone:
        raise
    except Exception as error:  # the program's own mistakes are answers too
        send_error(request, error)
    else:
        frames.stream().send({**message, "id": request.get("id", 0)}, parts)


def serve():
    """Serves what the program has decorated, until winnow is done with it."""
    if _service is None:
        raise RuntimeError("nothing to serve: decorate a function or class with verifier, sampler or search first")
    stream = frames.stream()
    try:
        hello, _ = stream.receive()
        try:
            ready = _greet(hello)
        except Exception as error:
            send_error(hello, error)
            sys.exit(1)
        stream.send(ready)
        while True:
            _answer(*stream.receive())
    except frames.Gone:
        return
