"""Hears, over one PostgreSQL connection, which keys other gateways changed."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from keyhouse.store.engine import Unavailable
from keyhouse.store.failures import FAILURES

CHANNEL: Final = "keyhouse_keys"
EVERYTHING: Final = "*"
"""What is announced in place of very many keys."""

HEARTBEAT_SECONDS: Final = 5.0
"""How long a connection may be silent until it is asked whether it is still there."""

PAUSE_SECONDS_MIN: Final = 0.05
PAUSE_SECONDS_MAX: Final = 5.0


class Listener:
    """Calls `forget` for each key that is announced, and `forget_all` after every time nobody listened."""

    def __init__(
        self,
        connect: Callable[[], Awaitable[Any]],
        forget: Callable[[str], None],
        forget_all: Callable[[], None],
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
    ) -> None:
        self._connect = connect
        self._forget = forget
        self._forget_all = forget_all
        self._heartbeat_seconds = heartbeat_seconds
        self._pause_seconds = PAUSE_SECONDS_MIN

    async def run(self) -> None:
        """Listen for ever, connecting anew whenever the connection is lost."""
        while True:
            try:
                await self._listen()
            except (*FAILURES, Unavailable):
                await asyncio.sleep(self._pause_seconds)
                self._pause_seconds = min(2 * self._pause_seconds, PAUSE_SECONDS_MAX)

    async def _listen(self) -> None:
        """Listen until the connection is lost."""
        connection = await self._connect()
        try:
            lost = asyncio.Event()
            connection.add_termination_listener(lambda _: lost.set())
            await connection.add_listener(CHANNEL, self._hear)
            # Whatever was announced before this moment was not heard.
            self._forget_all()
            self._pause_seconds = PAUSE_SECONDS_MIN
            while not lost.is_set():
                await self._beat(connection, lost)
        finally:
            # Not closed politely: it may be dead, and the server needs no farewell.
            connection.terminate()

    async def _beat(self, connection: Any, lost: asyncio.Event) -> None:
        try:
            await asyncio.wait_for(lost.wait(), self._heartbeat_seconds)
        except TimeoutError:
            await connection.execute("SELECT 1")

    def _hear(self, _connection: Any, _process: int, _channel: str, payload: str) -> None:
        if payload == EVERYTHING:
            self._forget_all()
        else:
            self._forget(payload)
