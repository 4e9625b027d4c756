"""One request and its answer: ASGI's `receive` and `send` on one side, a connection's bytes on the other.

Written after the ASGI specification, HTTP and WebSocket message format (asgi.readthedocs.io), and RFC 9112.
"""

import asyncio
from collections.abc import MutableMapping, Sequence
from http import HTTPStatus
from typing import Any, Final, Protocol

Message = MutableMapping[str, Any]
Headers = Sequence[tuple[bytes, bytes]]

UNREAD_BYTES_MAX: Final = 256 * 1024
"""How much of a body waits here to be taken before no more of it is read."""

WHOLE: Final = "keyhouse.response.whole"
"""Beside what ASGI has: an answer in one message, with `status`, `headers` and `body`."""

_BEGINNINGS: Final = frozenset({"http.response.start", WHOLE})
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_STATUS_LINES: Final = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode("ascii") for status in HTTPStatus
}
_LAST_CHUNK: Final = b"0\r\n\r\n"
_WITHOUT_BODY: Final = frozenset({101, 204, 304})


class ClientGone(ConnectionResetError):  # noqa: N818  it is news of the other side, not a fault of ours
    """There is nobody to send to any more (ASGI 2.4: `send` raises an OSError then)."""


class Wire(Protocol):
    """What an exchange needs of its connection."""

    is_lost: bool

    @property
    def date(self) -> bytes:
        """The `Date` header, without its line end."""
        ...

    def write(self, data: bytes) -> None:
        """Send bytes; what the client does not take yet waits in memory."""
        ...

    async def drained(self) -> None:
        """Wait while too much waits in memory."""
        ...

    def pause(self) -> None:
        """Read no more from the client."""
        ...

    def resume(self) -> None:
        """Read again."""
        ...

    def answered(self) -> None:
        """The answer is whole."""
        ...

    def end(self) -> None:
        """Close it once what was written is sent."""
        ...


class Exchange:
    """A request whose head is whole. `is_kept_alive`: another may follow on the connection.

    The connection says what comes (`take`, `whole`, `leave`); the application asks by `receive` and answers by `send`.
    """

    __slots__ = (
        "_expects_continue",
        "_has_left",
        "_head",
        "_is_chunked",
        "_is_taken",
        "_is_without_body",
        "_loop",
        "_pieces",
        "_unread",
        "_waiter",
        "_wire",
        "is_answered",
        "is_kept_alive",
        "is_whole",
        "scope",
    )

    def __init__(
        self,
        wire: Wire,
        loop: asyncio.AbstractEventLoop,
        scope: MutableMapping[str, Any],
        *,
        is_kept_alive: bool,
        expects_continue: bool,
    ) -> None:
        self._wire = wire
        self._loop = loop
        self.scope = scope
        self.is_kept_alive = is_kept_alive
        self._expects_continue = expects_continue
        self._pieces: list[bytes] = []
        self._unread = 0
        self._waiter: asyncio.Future[None] | None = None
        self._head: bytes | None = None
        self.is_whole = self._is_taken = self._has_left = False
        self.is_answered = self._is_chunked = self._is_without_body = False

    # What the connection says.

    def take(self, piece: bytes) -> None:
        """A piece of the body has come. After the answer it is of no interest any more."""
        if self.is_answered:
            return
        self._pieces.append(piece)
        self._unread += len(piece)
        if self._unread > UNREAD_BYTES_MAX:
            self._wire.pause()
        self._wake()

    def whole(self) -> None:
        """The body is whole."""
        self.is_whole = True
        self._wake()

    def leave(self) -> None:
        """The client has gone."""
        self._has_left = True
        self._wake()

    # What the application says.

    async def receive(self) -> Message:
        """The next part of the body, all that has come of it; after the last, that the client has gone."""
        while not (self._pieces or (self.is_whole and not self._is_taken)):
            if self._has_left or self.is_answered:
                return {"type": "http.disconnect"}
            if self._expects_continue and not self.is_whole:
                self._expects_continue = False
                self._wire.write(_CONTINUE)
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return {"type": "http.request", "body": self._taken(), "more_body": not self.is_whole}

    def at_hand(self) -> bytes | None:
        """The whole body, if nothing of it was taken and all of it has come; else None, and it has to be received."""
        return self._taken() if self.is_whole and not self._is_taken else None

    async def send(self, message: Message) -> None:
        """Begin the answer, or send a part of it. Raises ClientGone."""
        if self._wire.is_lost:
            raise ClientGone("the client has closed its connection")
        kind = message["type"]
        if kind in _BEGINNINGS:
            if self._head is not None:
                raise RuntimeError("the answer was begun before")
            self._head = self.make_head(message["status"], message.get("headers", ()))
            if kind != WHOLE:
                return
        if self._head is None or self.is_answered:
            raise RuntimeError("a part of an answer that was not begun, or is whole")
        body: bytes = message.get("body", b"")
        is_last = not message.get("more_body", False)
        if self._is_without_body:
            body = b""
        elif self._is_chunked:
            body = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
            if is_last:
                body += _LAST_CHUNK
        if self._head:
            body = self._head + body
            self._head = b""
        if body:
            self._wire.write(body)
        if is_last:
            self.is_answered = True
            self._wake()
            self._wire.answered()
        else:
            await self._wire.drained()

    def _taken(self) -> bytes:
        """All that has come of the body and was not taken before."""
        pieces = self._pieces
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        if self._unread > UNREAD_BYTES_MAX:
            self._wire.resume()
        self._unread = 0
        self._is_taken = self.is_whole
        return body

    def make_head(self, status: int, headers: Headers) -> bytes:
        """The head of an answer, framed. Raises RuntimeError for what would be read as more than it is."""
        lines = [*map(b": ".join, headers)]
        named = dict(headers)
        if named.get(b"connection") == b"close":
            self.is_kept_alive = False
        self._is_without_body = status in _WITHOUT_BODY or self.scope.get("method") == "HEAD"
        if b"content-length" not in named and not self._is_without_body:
            if self.scope["http_version"] == "1.0":
                self.is_kept_alive = False
            else:
                self._is_chunked = True
                lines.append(b"transfer-encoding: chunked")
        if b"date" not in named:
            lines.append(self._wire.date)
        if not self.is_kept_alive:
            lines.append(b"connection: close")
        block = b"\r\n".join(lines)
        breaks = len(lines) - 1
        # A line break within a name or value would be another header, or the end of the head.
        if block.count(b"\r") != breaks or block.count(b"\n") != breaks or b"\0" in block:
            raise RuntimeError("a header with a line break in it")
        return b"%b%b\r\n\r\n" % (_STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status, block)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
