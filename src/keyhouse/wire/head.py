"""The head of a request before anything in it is believed: what two servers in a row might read differently.

The server's parser refuses what is not HTTP/1.1. Here is refused what is, and yet has misled programs behind one
another: a body framed in two ways, headers nominated away that say where a request ends or who sends it, a host
that is none, a head that is too large. Whoever sends such a thing is told so and its connection closed, because
nobody can say where its next request begins.
"""

import re
from collections.abc import Iterable
from typing import Final

from keyhouse.core.errors import Code, Refusal

HEAD_BYTES_MAX: Final = 32 * 1024
"""What a request's target and headers may have together."""

_HOST: Final = re.compile(rb"[A-Za-z0-9._-]{1,253}(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:[0-9]{1,5})?")
_TELLING: Final = frozenset({b"connection", b"content-length", b"host", b"transfer-encoding"})
_WITHOUT_HOST: Final = frozenset({"1", "1.0"})
_LINE_BYTES: Final = 4
"""Colon, space and line end of a header."""

NEVER_NOMINATED: Final = frozenset(
    {
        b"api-key",
        b"authorization",
        b"content-encoding",
        b"content-length",
        b"content-type",
        b"cookie",
        b"forwarded",
        b"host",
        b"transfer-encoding",
        b"x-api-key",
        b"x-forwarded-for",
        b"x-forwarded-proto",
    }
)
"""What `Connection` may not name: a proxy that obeyed it (RFC 9110, 7.6.1) would pass on another request."""


def require_plain_head(headers: Iterable[tuple[bytes, bytes]], target_bytes: int, http_version: str) -> None:
    """Raise Refusal unless this head means one thing to everybody. Names are in lower case.

    `target_bytes` is the length of path and query together.
    """
    size = target_bytes
    host: bytes | None = None
    framings = 0
    for name, value in headers:
        size += len(name) + len(value) + _LINE_BYTES
        if name not in _TELLING:
            continue
        if name == b"host":
            if host is not None:
                raise _ambiguous("it names more than one host")
            host = value
        elif name == b"connection":
            _require_harmless_nominations(value)
        else:
            framings += 1
            # Any other coding than the last and only `chunked` is what proxies disagree about (RFC 9112, 6.1).
            if name == b"transfer-encoding" and value.lower() != b"chunked":
                raise _ambiguous("its Transfer-Encoding is not `chunked`")
    if size > HEAD_BYTES_MAX:
        raise Refusal(
            Code.HEAD_TOO_LARGE,
            f"The request's address and headers are larger than {HEAD_BYTES_MAX // 1024} KB.",
            hint="Send fewer or smaller headers.",
        )
    if framings > 1:
        raise _ambiguous("it says in more than one header how long its body is")
    # Only HTTP/1.0 may be without one. Some servers say of a host that is missing that it is empty.
    if not (_HOST.fullmatch(host) if host else http_version in _WITHOUT_HOST):
        raise _ambiguous("its Host header is not the name of a host")


def _require_harmless_nominations(value: bytes) -> None:
    for nominated in value.lower().split(b","):
        if nominated.strip() in NEVER_NOMINATED:
            raise _ambiguous(f"its Connection header names {nominated.strip().decode()}")


def _ambiguous(why: str) -> Refusal:
    return Refusal(
        Code.HEAD_AMBIGUOUS,
        f"The request can be read in more than one way: {why}.",
        hint="If you did not write it yourself, look for a proxy on the way that changes requests.",
    )
