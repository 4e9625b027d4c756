"""Listening on an address: every client's connection, how long each is waited for, and the end of it all."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from email.utils import formatdate
from typing import Any, Final

from keyhouse.core.clock import Clock
from keyhouse.server.connection import Connection
from keyhouse.server.exchange import ClientGone, Exchange, Message
from keyhouse.server.socket import Socket

Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

LOOK_SECONDS: Final = 1.0
"""How often it is looked whose time is up."""

BACKLOG: Final = 2_048


class Listening:
    """A server of `app` on one address. At most `connections_max` clients at once; others are told to come again.

    `head_seconds` is how long the head of a request may take.
    """

    def __init__(self, app: ASGIApp, clock: Clock, *, connections_max: int, head_seconds: float) -> None:
        self._app = app
        self._clock = clock
        self._connections_max = connections_max
        self.connections: set[Connection] = set()
        self._running: dict[Exchange | Socket, asyncio.Task[None]] = {}
        self._writing: list[Connection] = []
        self._nobody = asyncio.Event()
        self._nobody.set()
        self._look: asyncio.TimerHandle | None = None
        self._server: asyncio.Server | None = None
        self.head_seconds = head_seconds
        self.loop = asyncio.get_running_loop()
        self.is_stopping = False
        self.date = b""

    async def start(self, host: str, port: int) -> None:
        """Listen. Raises OSError if the address cannot be had."""
        self._look_around()
        self._server = await self.loop.create_server(lambda: Connection(self), host, port, backlog=BACKLOG)

    @property
    def port(self) -> int:
        """The port it listens on."""
        if self._server is None:
            raise RuntimeError("it does not listen yet")
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self, seconds: float) -> None:
        """Take no more clients, let what runs end for so long, and close what is left."""
        self.is_stopping = True
        if self._server is not None:
            self._server.close()
        for connection in tuple(self.connections):
            if connection.is_idle:
                connection.end()
        try:
            await asyncio.wait_for(self._nobody.wait(), seconds)
        except TimeoutError:
            for connection in tuple(self.connections):
                connection.abort()
        if self._look is not None:
            self._look.cancel()

    # What connections ask for.

    def opened(self, connection: Connection) -> bool:
        """Count it in; False if there is no room for it."""
        self.connections.add(connection)
        self._nobody.clear()
        return len(self.connections) <= self._connections_max

    def closed(self, connection: Connection) -> None:
        """Count it out."""
        self.connections.discard(connection)
        if not self.connections:
            self._nobody.set()

    def send_soon(self, connection: Connection) -> None:
        """Have it send what it has gathered, once this turn of the loop is over."""
        if not self._writing:
            self.loop.call_soon(self._send)
        self._writing.append(connection)

    def run(self, exchange: Exchange | Socket, connection: Connection) -> None:
        """Let the application answer."""
        # A task that nobody holds may vanish.
        self._running[exchange] = self.loop.create_task(self._run(exchange, connection))

    def _send(self) -> None:
        writing, self._writing = self._writing, []
        for connection in writing:
            connection.flush()

    async def _run(self, exchange: Exchange | Socket, connection: Connection) -> None:
        try:
            await self._app(exchange.scope, exchange.receive, exchange.send)
        except ClientGone:
            pass  # nobody is there to hear it
        finally:
            del self._running[exchange]
            # It leads back to the exchange: a circle that only a search for circles would find.
            exchange.scope.pop("extensions", None)
            if not exchange.is_answered:
                connection.abort()

    def _look_around(self) -> None:
        """Once a second: the date moves on, and who has taken too long goes."""
        self._look = self.loop.call_later(LOOK_SECONDS, self._look_around)
        self.date = f"date: {formatdate(self._clock.now_ms() / 1000, usegmt=True)}".encode("ascii")
        now = self.loop.time()
        for connection in tuple(self.connections):
            if connection.until < now:
                connection.run_out()
