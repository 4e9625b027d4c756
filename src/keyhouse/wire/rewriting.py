"""How much longer JSON may become that a chat template writes into the prompt anew. Pure.

Templates put tools, and the calls of them, into the text that a model reads: each value on a line of its own, indented
by four (Llama 3.1), with spaces behind commas and colons (Qwen, Hermes), characters of HTML or beyond ASCII escaped
(Jinja's `tojson`), and floats written out (Python's `json`).
"""

import re
from collections.abc import Iterator
from itertools import accumulate
from typing import Final

import msgspec

from keyhouse.wire.body import Object

ARGUMENTS_DEPTH: Final = 3
"""Within how many values a call's arguments stand where templates have them: the calls, the call, its function."""

_INDENT: Final = 4
_ESCAPE_BYTES: Final = len(b"\\u003c") - 1
_BEYOND_ASCII_BYTES: Final = 2
"""What `\\u00e9` is longer than each of the two bytes of its character; three and four bytes grow by no more."""

_FLOAT_BYTES: Final = len(b"-1000000000000000.0")
"""What `-1e15` becomes; from 1e16 on Python keeps the exponent."""

_TEXT: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_EXPONENT: Final = re.compile(rb"[0-9][eE]")
_MARKS: Final = b"[]{},"
_OTHERS: Final = bytes(set(range(256)) - set(_MARKS))
_ASCII: Final = bytes(range(128))
_STEPS: Final = {ord(b"["): 1, ord(b"{"): 1, ord(b"]"): -1, ord(b"}"): -1, ord(b","): 0}


def growth(value: msgspec.Raw | bytes | None, depth: int = 0) -> int:
    """The most bytes by which a JSON value grows when it is written anew, within so many others; none without one."""
    text = bytes(value or b"")
    bare = _TEXT.sub(b"", text)
    marks = bare.translate(None, _OTHERS)
    depths = accumulate(map(_STEPS.__getitem__, marks))
    lines = len(marks) * (1 + _INDENT * depth) + _INDENT * sum(inner for inner in depths if inner > 0)
    escapes = sum(map(text.count, (b"<", b">", b"&", b"'", b"\x7f")))
    return (
        lines
        + bare.count(b":")
        + _ESCAPE_BYTES * escapes
        + _BEYOND_ASCII_BYTES * len(text.translate(None, _ASCII))
        + _FLOAT_BYTES * len(_EXPONENT.findall(bare))
    )


def growth_of_fields(fields: Object, names: frozenset[str]) -> int:
    """The same of all fields with these names."""
    return sum(growth(fields[name]) for name in fields.keys() & names)


def growth_of_calls(calls: msgspec.Raw, depth: int = 0) -> int:
    """The same of calls of tools, whose arguments are JSON within a text, which templates read before they write it."""
    texts = _texts(msgspec.json.decode(calls))
    return growth(calls, depth) + sum(growth(text.encode(), depth + inner) for text, inner in texts)


def _texts(value: object) -> Iterator[tuple[str, int]]:
    """Every text in a decoded JSON value, and within how many others it is."""
    waiting = [(value, 0)]
    while waiting:
        found, depth = waiting.pop()
        if isinstance(found, str):
            yield found, depth
        elif isinstance(found, list | dict):
            inner = found.values() if isinstance(found, dict) else found
            waiting += ((one, depth + 1) for one in inner)
