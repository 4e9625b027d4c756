"""The requests in what a client sends. The parser is llhttp in its strict form; what it refuses ends the connection.

Nobody can say where the next request begins after one that is not HTTP/1.1, too large, or framed in a doubtful way.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from typing import Final
from urllib.parse import unquote

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from keyhouse.server.exchange import Exchange, Wire
from keyhouse.server.known_head import KnownHead, Scope

HEADERS_MAX: Final = 100

HEAD_BYTES_MAX: Final = 64 * 1024
"""What a head may weigh to be looked at. The application may want less, and can say so more kindly."""

BARE: Final = b"HTTP/1.1 %b\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_BAD: Final = BARE % b"400 Bad Request"
_TOO_LARGE: Final = BARE % b"431 Request Header Fields Too Large"

AT_HAND: Final = "keyhouse.at_hand"
"""Beside what ASGI has: asks for the whole body if it has come, None if it has to be received. Where this is, an answer
may be sent whole, too."""

FOUND: Final = "keyhouse.found"
"""Beside what ASGI has: a place for what follows from a request's head alone. It is there again with each request on
the connection that has the same head, but for the length of its body."""

_ASGI: Final = {"version": "3.0", "spec_version": "2.4"}
_VERSIONS: Final = frozenset({"1.0", "1.1"})

Address = tuple[str, int] | None


class Refused(Exception):  # noqa: N818  it is news of the other side, not a fault of ours
    """No more can be read. `answer` is what to say, to who has not been answered yet."""

    def __init__(self, answer: bytes) -> None:
        super().__init__()
        self.answer = answer


class Switched(Exception):  # noqa: N818  the same
    """The latest request asked to leave HTTP. `rest` is what came after it."""

    def __init__(self, rest: bytes) -> None:
        super().__init__()
        self.rest = rest


class Reader:
    """Reads one client's requests. `begun` is told of each whose head is whole, `ended` of each that is whole.

    `latest` is the request that is being read; `is_in_head`: the next one's head has begun, and is not whole yet.
    """

    __slots__ = (
        "_begun",
        "_client",
        "_ended",
        "_has_decided",
        "_headers",
        "_is_between",
        "_known",
        "_left",
        "_loop",
        "_parser",
        "_refusal",
        "_server",
        "_target",
        "_undecided_bytes",
        "_wire",
        "is_in_head",
        "latest",
    )

    def __init__(
        self,
        wire: Wire,
        loop: asyncio.AbstractEventLoop,
        client: Address,
        server: Address,
        begun: Callable[[Exchange], None],
        ended: Callable[[Exchange], None],
    ) -> None:
        self._parser = HttpRequestParser(self)
        self._wire = wire
        self._loop = loop
        self._client = client
        self._server = server
        self._begun = begun
        self._ended = ended
        self._target = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._refusal: bytes | None = None
        self._has_decided = False
        self._is_between = True
        self._known: KnownHead | None = None
        self._left = 0
        self._undecided_bytes = 0
        self.is_in_head = False
        self.latest: Exchange | None = None

    def feed(self, data: bytes) -> None:
        """Read what has come. Raises Refused or Switched; then nothing more may be fed."""
        while data:
            if self._left:
                data = self._count(data)
            elif self._is_between and self._known is not None and (again := self._known.read(data)) is not None:
                scope, begin, self._left = again
                self._is_between = False
                self._undecided_bytes = 0
                self._begin(Exchange(self._wire, self._loop, scope, is_kept_alive=True, expects_continue=False))
                data = self._count(data[begin:])
            else:
                is_beginning = self._is_between
                self._parse(data)
                if is_beginning:
                    self._known = self._known_by(data)
                return

    def _count(self, data: bytes) -> bytes:
        """Take what belongs to the body of a request whose head was known. Returns what comes after it."""
        body, rest = data[: self._left], data[self._left :]
        self._left -= len(body)
        if body:
            self.on_body(body)
        if not self._left:
            self.on_message_complete()
        return rest

    def _known_by(self, data: bytes) -> KnownHead | None:
        """How the request that these bytes began is known again, if another one with its head may come."""
        latest = self.latest
        if latest is None or not latest.is_kept_alive or latest.scope["type"] != "http":
            return None
        return KnownHead.of(data, {**latest.scope, "extensions": {FOUND: latest.scope["extensions"][FOUND]}})

    def _parse(self, data: bytes) -> None:
        self._has_decided = False
        try:
            self._feed_parser(memoryview(data))
        except HttpParserError:
            self._refuse(_BAD)
        if self._has_decided:
            self._undecided_bytes = 0
        else:
            self._undecided_bytes += len(data)
            if self._undecided_bytes > HEAD_BYTES_MAX:
                self._refuse(_TOO_LARGE)
        if self._refusal is not None:
            raise Refused(self._refusal)

    def _feed_parser(self, data: memoryview) -> None:
        """Have it parsed. Where a request asks to leave HTTP the parser ends. If it is for no WebSocket, it need not be
        followed (RFC 9110, 7.8): another parser reads the request without what it asked, and goes on from there.
        """
        while True:
            try:
                self._parser.feed_data(data)
            except HttpParserUpgrade as upgrade:
                data = data[upgrade.args[0] :]
            else:
                return
            if self._refusal is not None:
                return
            if self.latest is not None:
                raise Switched(bytes(data))
            head = self._head_without_offer()
            self._parser = HttpRequestParser(self)
            self._parser.feed_data(head)

    # What the parser says. Nothing is raised in here: it would come out as another error.

    def on_message_begin(self) -> None:
        """A request begins."""
        self._target = b""
        self._headers = []
        self._is_between = False
        self.is_in_head = True
        self.latest = None

    def on_url(self, piece: bytes) -> None:
        """A piece of the request's target."""
        self._target += piece

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or after the body a trailer, which is not wanted."""
        if self.latest is None:
            self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """The head is whole."""
        if self._refusal is not None:
            return
        self._has_decided = True
        self.is_in_head = False
        version = self._parser.get_http_version()
        scope = self._scope(version)
        if len(self._headers) > HEADERS_MAX:
            self._refuse(_TOO_LARGE)
        elif scope is None:
            self._refuse(_BAD)
        elif not self._is_offer(scope):
            exchange = Exchange(
                self._wire,
                self._loop,
                scope,
                is_kept_alive=version == "1.1" and (self._parser.should_keep_alive() or scope["type"] == "websocket"),
                expects_continue=version == "1.1" and (b"expect", b"100-continue") in self._headers,
            )
            self._begin(exchange)

    def on_body(self, piece: bytes) -> None:
        """A piece of the body."""
        self._has_decided = True
        if self.latest is not None:
            self.latest.take(piece)

    def on_message_complete(self) -> None:
        """The request is whole. Of one that asks to leave HTTP that is said before its body."""
        if self.latest is None:
            return
        self._has_decided = True
        self._is_between = True
        self.latest.whole()
        self._ended(self.latest)

    def _begin(self, exchange: Exchange) -> None:
        self.latest = exchange
        if exchange.scope["type"] == "http":
            exchange.scope["extensions"] = {**exchange.scope["extensions"], AT_HAND: exchange.at_hand}
        self._begun(exchange)

    def _is_offer(self, scope: Scope) -> bool:
        """Whether a request asks to leave HTTP for what is not spoken here."""
        return scope["type"] == "http" and bool(self._parser.should_upgrade())

    def _head_without_offer(self) -> bytes:
        """The head that was read, as it would be if it did not ask to leave HTTP."""
        version = self._parser.get_http_version().encode("ascii")
        line = b"%b %b HTTP/%b" % (self._parser.get_method(), self._target, version)
        return b"\r\n".join((line, *map(b": ".join, _without_offer(self._headers)), b"\r\n"))

    def _refuse(self, answer: bytes) -> None:
        if self._refusal is None:
            self._refusal = answer

    def _scope(self, version: str) -> Scope | None:
        """The request as ASGI has it; None if its target is none, or its version not spoken here."""
        target = self._target
        if target[:1] != b"/":
            target = _origin_form(target)
        path, _, query = target.partition(b"?")
        if not path or not path.isascii() or version not in _VERSIONS:
            return None
        # HTTP/1.0 has no chunks: whoever says so there has framed it wrongly (RFC 9112, 6.1).
        if version == "1.0" and any(name == b"transfer-encoding" for name, _ in self._headers):
            return None
        text = path.decode("ascii")
        scope: Scope = {
            "type": "http",
            "asgi": _ASGI,
            "http_version": version,
            "method": self._parser.get_method().decode("ascii"),
            "scheme": "http",
            "path": unquote(text) if "%" in text else text,
            "raw_path": path,
            "query_string": query,
            "root_path": "",
            "headers": tuple(self._headers),
            "client": self._client,
            "server": self._server,
            "extensions": {FOUND: {}},
        }
        if self._parser.should_upgrade() and _asks_for_socket(scope):
            asked = (value.decode("latin-1") for name, value in self._headers if name == b"sec-websocket-protocol")
            scope |= {
                "type": "websocket",
                "scheme": "ws",
                "subprotocols": [one.strip() for value in asked for one in value.split(",")],
                "extensions": {"websocket.http.response": {}},
            }
        return scope


def _origin_form(target: bytes) -> bytes:
    """A target in absolute form without its scheme and host (RFC 9112, 3.2.2); empty if it is neither."""
    _, colon, rest = target.partition(b"://")
    host, mark, path = rest.partition(b"/")
    if not colon or not host or b"?" in host:
        return b""
    return b"/" + path if mark else b"/"


def _without_offer(headers: Iterable[tuple[bytes, bytes]]) -> Iterator[tuple[bytes, bytes]]:
    for name, value in headers:
        if name == b"connection":
            tokens = [token for token in map(bytes.strip, value.split(b",")) if token.lower() != b"upgrade"]
            if tokens:
                yield name, b", ".join(tokens)
        elif name != b"upgrade":
            yield name, value


def _asks_for_socket(scope: Scope) -> bool:
    """Whether a request that asks to leave HTTP asks for a WebSocket (RFC 6455, 4.1)."""
    if scope["method"] != "GET" or scope["http_version"] != "1.1":
        return False
    return any(name == b"upgrade" and value.lower() == b"websocket" for name, value in scope["headers"])
