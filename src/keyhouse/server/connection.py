"""One client's connection: its requests are handed to the application one after the other, and answered in order.

A client has so long for the head of a request, and so long to take what waits for it; the application says how long
a body may take.
"""

import asyncio
from collections import deque
from math import inf
from typing import Any, Final, Protocol, cast

from keyhouse.server.exchange import Exchange
from keyhouse.server.reader import BARE, Reader, Refused, Switched
from keyhouse.server.socket import Socket

ASK_SECONDS: Final = 20.0
"""After how long a silent WebSocket is asked whether its client is there, and how long it has to say so."""

IDLE_SECONDS: Final = 75.0
"""How long a client may stay without another request: longer than proxies keep their connections."""

LINGER_SECONDS: Final = 5.0
"""How long the rest of a body that nobody wants is still read: who sends it would not hear the answer else."""

TAKING_SECONDS: Final = 300.0
"""How long a client may leave an answer waiting without taking anything of it."""

GATHERED_BYTES_MAX: Final = 16 * 1024
"""What waits at most for the end of the loop's turn, to be sent together with what others write in it."""

_TOO_LATE: Final = BARE % b"408 Request Timeout"
_TOO_MANY: Final = BARE % b"503 Service Unavailable"


class Host(Protocol):
    """What a connection needs of the server that it belongs to. Times are seconds on the loop's clock."""

    loop: asyncio.AbstractEventLoop
    head_seconds: float
    is_stopping: bool
    date: bytes

    def opened(self, connection: "Connection") -> bool:
        """Count it in; False if there is no room for it."""
        ...

    def closed(self, connection: "Connection") -> None:
        """Count it out."""
        ...

    def send_soon(self, connection: "Connection") -> None:
        """Have it send what it has gathered, once this turn of the loop is over."""
        ...

    def run(self, exchange: Exchange | Socket, connection: "Connection") -> None:
        """Let the application answer."""
        ...


class Connection(asyncio.Protocol):
    """A client for as long as it stays. `until`: when it must have done what it is waited for, on the loop's clock."""

    __slots__ = (
        "_answering",
        "_drain",
        "_gathered",
        "_host",
        "_is_ending",
        "_queue",
        "_reader",
        "_socket",
        "_transport",
        "_untaken_bytes",
        "is_lost",
        "until",
    )

    _transport: asyncio.Transport
    _reader: Reader

    def __init__(self, host: Host) -> None:
        self._host = host
        self._answering: Exchange | None = None
        self._queue: deque[Exchange] = deque()
        self._socket: Socket | None = None
        self._drain: asyncio.Future[None] | None = None
        self._gathered = b""
        self._untaken_bytes = 0
        self._is_ending = False
        self.is_lost = False
        self.until = inf

    @property
    def date(self) -> bytes:
        """The `Date` header, without its line end."""
        return self._host.date

    @property
    def is_idle(self) -> bool:
        """Whether no request is under way."""
        return self._answering is None

    def run_out(self) -> None:
        """Its time is up. Who has begun a head is told so; who takes nothing, or does not answer, is cut off."""
        if self._drain is not None or self._transport.is_closing():
            untaken = self._untaken_bytes
            self._await_taking()
            if self._untaken_bytes >= untaken:
                self.abort()
        elif self._socket is not None:
            self._ask(self._socket)
        elif self._answering is None and self._reader.is_in_head:
            self._end_with(_TOO_LATE)
        else:
            self.end()

    def end(self) -> None:
        """Close it once what was written is sent, if the client takes it."""
        self._is_ending = True
        self.flush()
        self._await_taking()
        self._transport.close()

    def abort(self) -> None:
        """Close it at once: whoever has got a part of an answer sees that it is not whole."""
        self._is_ending = True
        self.flush()
        self._transport.abort()

    def flush(self) -> None:
        """Send what was gathered."""
        gathered, self._gathered = self._gathered, b""
        if gathered and not self._transport.is_closing():
            self._transport.write(gathered)

    # What exchanges and sockets ask for.

    def write(self, data: bytes) -> None:
        """Send bytes; what the client does not take yet waits in memory.

        Little waits for the end of the loop's turn: clients that are woken one after the other cost more than all of
        them at once.
        """
        if not self._gathered:
            self._host.send_soon(self)
        self._gathered += data
        if len(self._gathered) > GATHERED_BYTES_MAX:
            self.flush()

    async def drained(self) -> None:
        """Wait while too much waits in memory."""
        if self._drain is not None:
            await asyncio.shield(self._drain)

    def pause(self) -> None:
        """Read no more from the client."""
        if not self._transport.is_closing():
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read again, unless other requests wait already, or a socket's client does not take what it asked for."""
        is_held_back = self._queue or (self._socket is not None and self._drain is not None)
        if not is_held_back and not self._transport.is_closing():
            self._transport.resume_reading()

    def answered(self) -> None:
        """The answer is whole: go on with the next request, once the rest of this one is out of the way."""
        exchange = self._answering
        assert exchange is not None  # noqa: S101  it is what was answered
        if self._is_ending and not self._queue:
            self.end()
        elif not exchange.is_whole:
            self._await_next()
            self.resume()
        elif not exchange.is_kept_alive or self._host.is_stopping:
            self.end()
        elif self._queue:
            self._answer(self._queue.popleft())
            self.resume()
        else:
            self._answering = None
            self._await_next()

    # What the event loop says.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has come."""
        # create_server makes no other; uvloop's are not its subclass, so that this cannot be asked.
        self._transport = cast("asyncio.Transport", transport)
        client, server = (_address(transport.get_extra_info(name)) for name in ("peername", "sockname"))
        self._reader = Reader(self, self._host.loop, client, server, self._begun, self._ended)
        self.until = self._host.loop.time() + self._host.head_seconds
        if not self._host.opened(self):
            self._end_with(_TOO_MANY)

    def data_received(self, data: bytes) -> None:
        """Bytes have come."""
        if self._socket is not None:
            if self._drain is None:
                self.until = self._host.loop.time() + ASK_SECONDS
            self._socket.take(data)
            return
        if self._is_ending:
            return
        reader = self._reader
        was_in_head = reader.is_in_head
        try:
            reader.feed(data)
        except Refused as refused:
            self._refuse(refused.answer)
        except Switched as switched:
            self._switch(switched.rest)
        else:
            if reader.is_in_head and not was_in_head and self._answering is None:
                self.until = self._host.loop.time() + self._host.head_seconds

    def pause_writing(self) -> None:
        """The client takes less than is sent."""
        self._drain = self._host.loop.create_future()
        self._await_taking()
        if self._socket is not None:
            self.pause()  # it might ask for answers that it does not take, such as pongs

    def resume_writing(self) -> None:
        """The client has caught up."""
        self._let_go()
        if self._socket is not None:
            self.until = self._host.loop.time() + ASK_SECONDS
            if not self._socket.is_full:
                self.resume()
        elif self._answering is None or self._answering.is_answered:
            self._await_next()
        else:
            self.until = inf

    def connection_lost(self, _: Exception | None) -> None:
        """The client has gone."""
        self.is_lost = self._is_ending = True
        self._let_go()
        if self._socket is not None:
            self._socket.leave()
        elif self._answering is not None:
            self._answering.leave()
        self._queue.clear()
        self._host.closed(self)

    # What is read.

    def _begun(self, exchange: Exchange) -> None:
        """The head of a request is whole."""
        if self._answering is None:
            self._answer(exchange)
        else:
            self._queue.append(exchange)
            self.pause()

    def _ended(self, exchange: Exchange) -> None:
        """A request is whole."""
        if exchange is self._answering and exchange.is_answered:
            self.answered()

    def _answer(self, exchange: Exchange) -> None:
        self._answering = exchange
        if exchange.scope["type"] == "http":
            self.until = inf
            self._host.run(exchange, self)
        else:
            self.until = self._host.loop.time() + self._host.head_seconds

    def _refuse(self, answer: bytes) -> None:
        """Read no further. What was asked before is still answered; whose body broke off sees that nothing follows."""
        self._is_ending = True
        if self._answering is None:
            self._end_with(answer)
        elif self._answering.is_answered:
            self.end()
        elif self._reader.latest is self._answering:
            self._answering.leave()
        elif self._queue and not self._queue[-1].is_whole:
            self._queue.pop()

    def _switch(self, rest: bytes) -> None:
        """HTTP ends here. What else than a WebSocket is asked for is not spoken: that request is the last one."""
        exchange = self._reader.latest
        if exchange is None or exchange is not self._answering or exchange.scope["type"] == "http":
            self._is_ending = True
            if exchange is not None:
                exchange.is_kept_alive = False
            if self._queue and self._queue[-1].scope["type"] == "websocket":
                self._queue.pop()  # behind other requests, which no client has a reason for
            return
        self._socket = Socket(exchange, self, self._host.loop)
        self.until = self._host.loop.time() + ASK_SECONDS
        if rest:
            self._socket.take(rest)
        self._host.run(self._socket, self)

    def _ask(self, socket: Socket) -> None:
        if socket.is_asked or socket.is_over:
            self.abort()
            return
        self.until = self._host.loop.time() + ASK_SECONDS
        if socket.is_open:
            socket.ask()

    def _end_with(self, answer: bytes) -> None:
        self.write(answer)
        self.end()

    def _await_next(self) -> None:
        """Nothing is under way but what the client takes, or sends: the rest of a body, or a head, which may have begun
        behind what was answered, and must end in time like any other.
        """
        if self._drain is not None:
            return
        if self._answering is not None:
            seconds = LINGER_SECONDS
        elif self._reader.is_in_head:
            seconds = self._host.head_seconds
        else:
            seconds = IDLE_SECONDS
        self.until = self._host.loop.time() + seconds

    def _await_taking(self) -> None:
        """Give the client time to take something of what waits for it."""
        self._untaken_bytes = self._transport.get_write_buffer_size()
        self.until = self._host.loop.time() + TAKING_SECONDS

    def _let_go(self) -> None:
        drain, self._drain = self._drain, None
        if drain is not None and not drain.done():
            drain.set_result(None)


def _address(found: Any) -> tuple[str, int] | None:
    return (found[0], found[1]) if isinstance(found, tuple) else None
