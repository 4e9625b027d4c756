"""Requests as those write them who want two servers in a row to read different ones (RFC 9112, 11.2), as raw bytes.

Each is sent with an honest request for `/healthz` right behind it. A server may refuse the first with 400 or 431 and
close, so that what follows is not read; or it answers exactly one request, and then the honest one. What it may never
do is find a third request in the bytes.
"""

import json
from collections.abc import Iterator
from typing import Final

REFUSED: Final = "refused"
SERVED: Final = "served"
TURNED_DOWN: Final = "turned down, and the next one served"

_LINE: Final = b"POST /v1/chat/completions HTTP/1.1"
_BODY: Final = json.dumps(
    {"model": "tiny-1", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 5}
).encode()
_LENGTH: Final = b"content-length: %d" % len(_BODY)
_TE: Final = b"transfer-encoding: chunked"


def chunked(body: bytes = _BODY, size: bytes = b"%x", end: bytes = b"\r\n", last: bytes = b"0\r\n\r\n") -> bytes:
    """A body as one chunk, written as a test wants it."""
    return size.replace(b"%x", b"%x" % len(body)) + end + body + end + last


class Corpus:
    """The requests of one key: name, bytes, and what Keyhouse does with them when nobody stands in front."""

    def __init__(self, secret: str) -> None:
        self._authorization = b"authorization: Bearer " + secret.encode()
        self._hidden = self.request()

    def request(
        self,
        *more: bytes,
        line: bytes = _LINE,
        host: bytes | None = b"host: keyhouse",
        length: bytes | None = _LENGTH,
        body: bytes = _BODY,
    ) -> bytes:
        """A request with these header lines more."""
        lines = [line, host, self._authorization, length, *more]
        return b"\r\n".join([each for each in lines if each is not None]) + b"\r\n\r\n" + body

    def __iter__(self) -> Iterator[tuple[str, bytes, str]]:
        """Every request there is."""
        yield "nothing wrong", self.request(), SERVED
        yield from self._lengths()
        yield from self._codings()
        yield from self._chunks()
        yield from self._lines()
        yield from self._heads()

    def _lengths(self) -> Iterator[tuple[str, bytes, str]]:
        other = b"content-length: 3"
        yield "two lengths", self.request(other), REFUSED
        yield "two lengths, the smaller first", self.request(_LENGTH, length=other), REFUSED
        yield "a list of two lengths", self.request(length=b"content-length: 3, %d" % len(_BODY)), REFUSED
        for name, value in {
            "a plus": b"+%d" % len(_BODY),
            "a minus": b"-%d" % len(_BODY),
            "hexadecimal": b"0x%x" % len(_BODY),
            "two numbers": b"1 0",
            "2**64": b"18446744073709551616",
            "nothing": b"",
            "a letter": b"%da" % len(_BODY),
            "a fraction": b"%d.0" % len(_BODY),
        }.items():
            yield f"a length with {name}", self.request(length=b"content-length: " + value), REFUSED
        yield "a space before a length's colon", self.request(length=_LENGTH.replace(b":", b" :")), REFUSED
        yield "a body of a GET that is a request", self._hiding(b"GET /v1/models HTTP/1.1"), SERVED
        yield "a refused body that is a request", self._hiding(b"POST /v1/nowhere HTTP/1.1"), TURNED_DOWN

    def _hiding(self, line: bytes) -> bytes:
        return self.request(line=line, length=b"content-length: %d" % len(self._hidden), body=self._hidden)

    def _codings(self) -> Iterator[tuple[str, bytes, str]]:
        yield "chunks", self.request(length=_TE, body=chunked()), SERVED
        yield "a length and chunks", self.request(_TE, body=chunked() + self._hidden), REFUSED
        yield (
            "chunks and a length",
            self.request(b"content-length: 4", length=_TE, body=chunked() + self._hidden),
            REFUSED,
        )
        for name, value in {
            "an unknown coding": b"xchunked",
            "chunked that is not last": b"chunked, identity",
            "identity before chunked": b"identity, chunked",
            "gzip before chunked": b"gzip, chunked",
            "a vertical tab": b"\x0bchunked",
            "quotes": b'"chunked"',
            "a semicolon": b"chunked;q=1",
            "nothing": b"",
        }.items():
            yield f"a coding with {name}", self.request(length=b"transfer-encoding: " + value, body=chunked()), REFUSED
        yield "chunked twice", self.request(_TE, length=_TE, body=chunked()), REFUSED
        yield (
            "chunked, then identity",
            self.request(b"transfer-encoding: identity", length=_TE, body=chunked()),
            REFUSED,
        )
        yield "a length and an unknown coding", self.request(b"transfer-encoding: identity"), REFUSED
        yield "a space before a coding's colon", self.request(b"transfer-encoding : chunked"), REFUSED
        yield (
            "a coding on a folded line",
            self.request(length=b"transfer-encoding:\r\n chunked", body=chunked()),
            REFUSED,
        )
        yield "chunks in HTTP/1.0", self.request(line=_LINE[:-1] + b"0", length=_TE, body=chunked()), REFUSED
        for named in (b"content-length", b"close, Content-Length", b"transfer-encoding", b"host", b"authorization"):
            yield f"Connection: {named.decode()}", self.request(b"connection: " + named), REFUSED

    def _chunks(self) -> Iterator[tuple[str, bytes, str]]:
        for name, body in {
            "no number": chunked(size=b"zz"),
            "a minus": chunked(size=b"-%x"),
            "0x": chunked(size=b"0x%x"),
            "more digits than any number has": chunked(size=b"1" + b"0" * 30 + b"%x"),
            "bare line feeds": chunked(end=b"\n", last=b"0\n\n"),
            "a line feed in its extension": chunked(size=b"%x;a\nb"),
            "an extension of 1 MB": chunked(size=b"%x;" + b"a" * 1_000_000),
            "another end than CR LF": chunked(last=b"0\r\n\r\n").replace(b"}\r\n", b"}XX"),
        }.items():
            yield f"a chunk with {name}", self.request(length=_TE, body=body), REFUSED
        trailing = b"0\r\nauthorization: Bearer x\r\ncontent-length: 5\r\n\r\n"
        yield "a length in trailers", self.request(length=_TE, body=chunked(last=trailing)), REFUSED
        harmless = b"0\r\nauthorization: Bearer x\r\n\r\n"
        yield "trailers", self.request(length=_TE, body=chunked(last=harmless)), SERVED

    def _lines(self) -> Iterator[tuple[str, bytes, str]]:
        yield "bare line feeds", self.request().replace(b"\r\n", b"\n"), REFUSED
        yield "a bare line feed in a header", self.request(b"a: b\nc: d"), REFUSED
        yield "a bare carriage return in a header", self.request(b"a: b\rc: d"), REFUSED
        yield "a folded header", self.request(b"a: b\r\n c"), REFUSED
        yield "a folded first header", self.request(host=b" host: keyhouse"), REFUSED
        yield "an empty line first", b"\r\n" + self.request(), SERVED
        yield "an absolute address", self.request(line=_LINE.replace(b"/v1", b"http://keyhouse/v1")), SERVED
        # RFC 9112, 3: where it ends is where white space begins, as nginx reads it, too.
        yield "a first line with two spaces", self.request(line=_LINE.replace(b" ", b"  ")), SERVED
        for name, line in {
            "tabs": _LINE.replace(b" ", b"\t"),
            "a space in its path": _LINE.replace(b"/chat", b" /chat"),
            "NUL in its path": _LINE.replace(b"/chat", b"\0/chat"),
            "a byte beyond ASCII": _LINE.replace(b"/chat", b"/\xff"),
            "HTTP/1.2": _LINE[:-1] + b"2",
            "HTTP/2.0": _LINE[:-3] + b"2.0",
        }.items():
            yield f"a first line with {name}", self.request(line=line), REFUSED

    def _heads(self) -> Iterator[tuple[str, bytes, str]]:
        yield "a header of 33 KB", self.request(b"a: " + b"b" * 33_000), REFUSED
        yield (
            "33 KB in headers of 1 KB",
            self.request(*(b"a%d: " % place + b"b" * 1_000 for place in range(33))),
            REFUSED,
        )
        yield "a header of 1 MB", self.request(b"a: " + b"b" * 1_000_000), REFUSED
        yield "1,000 headers", self.request(*(b"a%d: b" % place for place in range(1_000))), REFUSED
        for name, line in {
            "NUL in its value": b"a: b\0c",
            "NUL in its name": b"a\0b: c",
            "a space in its name": b"a b: c",
            "no name": b": c",
            "no colon": b"nonsense",
        }.items():
            yield f"a header with {name}", self.request(line), REFUSED
        yield "no host", self.request(host=None), REFUSED
        yield "two hosts", self.request(b"host: elsewhere"), REFUSED
        yield "a host with a path", self.request(host=b"host: keyhouse/v1/organization?"), REFUSED
