"""One connection to an upstream: HTTP/1.1, one request at a time, on the event loop that serves the calls.

It is here, and not a library's, because it runs in the thread that waits for it: an answer that comes in one piece
costs one wake-up of whoever asked, and nothing is handed from thread to thread. The parser is llhttp, in its strict
form. What it may not do: follow, retry, decompress, remember.
"""

import asyncio
import select
from collections import deque
from collections.abc import Sequence
from typing import Final, cast

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

HEAD_BYTES_MAX: Final = 64 * 1024
"""What the head of an answer may weigh, with all that announces it (1xx) and follows it (trailers)."""

UNREAD_BYTES_MAX: Final = 256 * 1024
"""How much of an answer waits here to be taken before no more of it is read."""

JOINED_BYTES_MAX: Final = 64 * 1024
"""A body up to this length goes out in one piece with its head."""


class Broken(Exception):  # noqa: N818  it is news of the other side, not a fault of ours
    """The connection broke off, or what came is not HTTP. The text says which."""


class Silent(Exception):  # noqa: N818  the same
    """Nothing came for as long as the caller was ready to wait."""


class Connection(asyncio.Protocol):
    """A connection to `address`, made by `create_connection`. `ask` and `chunk` wait `patience` seconds, each anew.

    `status` and `headers` (the first of each name, which is in lower case) are those of the latest answer.
    """

    __slots__ = (
        "_ends_with_connection",
        "_fault",
        "_head_bytes",
        "_idle_since",
        "_is_begun",
        "_is_full",
        "_is_half_sent",
        "_is_idle",
        "_is_interim",
        "_is_kept_alive",
        "_is_lost",
        "_is_paused",
        "_is_whole",
        "_loop",
        "_parser",
        "_patience",
        "_pieces",
        "_timer",
        "_transport",
        "_unread",
        "_waiter",
        "_waiting_since",
        "address",
        "headers",
        "status",
    )

    _transport: asyncio.Transport

    def __init__(self, loop: asyncio.AbstractEventLoop, address: str, patience: float) -> None:
        self.address = address
        self._loop = loop
        self._patience = patience
        self._parser = HttpResponseParser(self)
        self._waiter: asyncio.Future[None] | None = None
        self._waiting_since = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._pieces: deque[bytes] = deque()
        self._is_lost = self._is_full = False
        self._is_idle = True
        self._idle_since = 0.0
        self._begin_anew()

    def _begin_anew(self) -> None:
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self._head_bytes = 0
        self._unread = 0
        self._fault: Broken | Silent | None = None
        self._is_begun = self._is_interim = self._is_whole = self._is_half_sent = False
        self._is_kept_alive = self._is_paused = self._ends_with_connection = False

    async def ask(self, head: bytes, body: Sequence[bytes]) -> None:
        """Send a request, its body in pieces, and wait until the head of its answer has come. Raises Broken or Silent.

        A body of many pieces goes out as fast as the other side takes it, and not further once that has answered.
        """
        self._begin_anew()
        self._is_idle = False
        if self._is_lost:
            raise Broken("the connection was closed")
        if not body or (len(body) == 1 and len(body[0]) <= JOINED_BYTES_MAX):
            self._transport.write(b"".join((head, *body)))
        else:
            self._transport.write(head)
            await self._send(body)
        while not self._is_begun:
            await self._news()

    async def _send(self, pieces: Sequence[bytes]) -> None:
        for piece in pieces:
            while self._is_full and not self._is_begun:
                await self._news()
            if self._is_begun:
                self._is_half_sent = True
                return
            self._transport.write(piece)

    async def chunk(self) -> bytes | None:
        """What has come of the body since, at least one byte; None at its end. Raises Broken or Silent."""
        pieces = self._pieces
        while not pieces:
            if self._is_whole:
                return None
            await self._news()
        self._unread = 0
        if self._is_paused:
            self._is_paused = False
            if not self._transport.is_closing():
                self._transport.resume_reading()
        if len(pieces) == 1:
            return pieces.pop()
        joined = b"".join(pieces)
        pieces.clear()
        return joined

    @property
    def is_reusable(self) -> bool:
        """Whether another request may follow: the answer is whole, nothing came after it, and nobody said goodbye."""
        is_done = self._is_whole and not self._is_half_sent
        return is_done and self._is_kept_alive and not self._is_lost and not self._pieces

    @property
    def is_open(self) -> bool:
        """Whether it stands, as far as is known."""
        return not (self._is_lost or self._transport.is_closing())

    @property
    def idle_seconds(self) -> float:
        """For how long it has waited for the next request."""
        return self._loop.time() - self._idle_since

    @property
    def is_quiet(self) -> bool:
        """Whether nothing lies in an idle connection that has not been looked at yet, such as its end."""
        poll = select.poll()
        poll.register(self._transport.get_extra_info("socket").fileno(), select.POLLIN)
        return not poll.poll(0)

    def rest(self) -> None:
        """Wait for the next request. Whatever comes meanwhile was not asked for, and ends the connection."""
        self._is_idle = True
        self._idle_since = self._loop.time()

    def abort(self) -> None:
        """Close it at once, whatever is under way."""
        self._transport.abort()

    async def _news(self) -> None:
        """Wait until something has come. Raises Broken or Silent."""
        if self._fault is not None:
            raise self._fault
        self._waiting_since = self._loop.time()
        if self._timer is None:
            self._timer = self._loop.call_later(self._patience, self._look_at_the_clock)
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _look_at_the_clock(self) -> None:
        """One timer serves many waits: it finds out when it rings whether the present one is too long."""
        self._timer = None
        if self._waiter is None:
            return
        left = self._waiting_since + self._patience - self._loop.time()
        if left > 0:
            self._timer = self._loop.call_later(left, self._look_at_the_clock)
        else:
            self._fail(Silent("nothing came in time"))

    def _fail(self, fault: Broken | Silent) -> None:
        if self._fault is None:
            self._fault = fault
        self._transport.abort()
        self._wake()

    # What the event loop says.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection stands."""
        # create_connection makes no other; uvloop's are not its subclass, so that this cannot be asked.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Bytes have come."""
        if self._is_idle:
            self._transport.abort()
            return
        if not self._is_begun:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade:
            self._fail(Broken("switched to another protocol"))
        except HttpParserError as error:
            self._fail(Broken(f"sent what is not HTTP: {error}"))
        if not self._is_begun and self._head_bytes > HEAD_BYTES_MAX:
            self._fail(Broken(f"sent a head of more than {HEAD_BYTES_MAX:,} bytes"))

    def pause_writing(self) -> None:
        """The other side takes less than is sent."""
        self._is_full = True

    def resume_writing(self) -> None:
        """The other side has caught up."""
        self._is_full = False
        self._wake()

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is gone."""
        self._is_lost = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._is_begun and self._ends_with_connection and error is None and self._fault is None:
            self._is_whole = True
        elif not self._is_whole and self._fault is None:
            self._fault = Broken(f"closed the connection{f': {error}' if error else ''}")
        self._wake()

    # What the parser says. Nothing is raised in here: it would come out as another error.

    def on_message_begin(self) -> None:
        """Something begins: the answer, or what nobody asked for after it."""
        if self._is_whole:
            self._is_kept_alive = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or after the body a trailer, which is not wanted."""
        if not self._is_begun:
            self.headers.setdefault(name.lower(), value)
            return
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > HEAD_BYTES_MAX:
            self._fail(Broken(f"sent trailers of more than {HEAD_BYTES_MAX:,} bytes"))

    def on_headers_complete(self) -> None:
        """The head is whole."""
        if self._is_whole:
            return
        status = self._parser.get_status_code()
        if 100 <= status < 200:
            self._is_interim = True
            self.headers.clear()
            return
        self.status = status
        self._is_begun = True
        self._ends_with_connection = not (
            b"content-length" in self.headers or b"transfer-encoding" in self.headers or status in (204, 304)
        )
        self._wake()

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        if self._is_whole:
            return
        self._pieces.append(body)
        self._unread += len(body)
        if self._unread > UNREAD_BYTES_MAX and not self._is_paused:
            self._is_paused = True
            self._transport.pause_reading()
        self._wake()

    def on_message_complete(self) -> None:
        """The answer is whole, or what announced it."""
        if self._is_interim:
            self._is_interim = False
            return
        if not self._is_whole:
            self._is_whole = True
            self._is_kept_alive = self._parser.should_keep_alive()
            self._wake()
