"""A program's options are the keyword arguments of its function or of its class's __init__."""
import difflib
import inspect
import typing


class Refusal(Exception):
    """What cannot be done, said to the user. code: argument, memory, io, format, missing, unsupported, device or internal."""

    def __init__(self, message, code="argument"):
        super().__init__(message)
        self.code = code


def _fits(value, annotation):
    if annotation is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if annotation is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return not isinstance(annotation, type) or isinstance(value, annotation)


def bind(function, given, own):
    """The keyword arguments for `function` out of the spec's `given`; `own` are the parameters that are not options."""
    hints = typing.get_type_hints(function)
    rows = {name: p for name, p in inspect.signature(function).parameters.items()
            if name not in own and p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    for name, value in given.items():
        if name not in rows:
            near = difflib.get_close_matches(name, rows, 1)
            hint = f"did you mean \"{near[0]}\"?" if near else f"it has {', '.join(rows) or 'none'}"
            raise Refusal(f"options: there is no option \"{name}\"; {hint}")
        wanted = hints.get(name)
        if wanted is not None and not _fits(value, wanted):
            raise Refusal(f"options: {name} is {value!r}; it wants a value of type {getattr(wanted, '__name__', wanted)}")
    missing = [name for name, p in rows.items() if p.default is p.empty and name not in given]
    if missing:
        raise Refusal(f"options: {missing[0]} is required; give it in \"options\"")
    return {name: given.get(name, p.default) for name, p in rows.items()}
