"""The link between a gateway and PostgreSQL: a proxy on a thread of its own that can be slow, silent, or cut.

It knows one message of PostgreSQL's protocol, the simple query `COMMIT`, which the ledger's batches end with (other
transactions end with `COMMIT;`), and the `LISTEN` of the connection for announcements.
"""

import asyncio
import threading
from enum import Enum, auto
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

from e2e.beside import LoopBeside

COMMIT: Final = b"Q\x00\x00\x00\x0bCOMMIT\x00"
LISTEN: Final = b"LISTEN "
CHUNK: Final = 64 * 1024
LATE_SECONDS: Final = 1.0
SECONDS: Final = 20.0


class AtCommit(Enum):
    """What becomes of a COMMIT on its way. The gateway sees its connection break each time."""

    DROPPED = auto()
    """The server never gets it."""

    ANSWER_DROPPED = auto()
    """The server commits, and its answer is lost."""

    LATE = auto()
    """The server gets it a second after the gateway's connection broke."""


class Link:
    """A way to the PostgreSQL server of `url`. Its switches may be set from any thread.

    `latency_seconds` passes before every piece in each direction; `is_deaf` ends every connection that would listen for
    announcements.
    """

    def __init__(self, url: str) -> None:
        self._port = urlsplit(url).port or 5432
        self._beside = LoopBeside()
        self._own_port = 0
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._speaks = asyncio.Event()
        self._speaks.set()
        self._at_commit: AtCommit | None = None
        self.latency_seconds = 0.0
        self.is_deaf = False
        self.deafened = 0
        """How many connections would have listened."""

        self._met = threading.Event()

    def __enter__(self) -> Self:
        self._beside.start()
        self._own_port = self._beside.run(self._listen())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._beside.run(self._end())
        self._beside.stop()

    def through(self, url: str) -> str:
        """The server's address by this link."""
        return url.replace(f":{self._port}/", f":{self._own_port}/")

    def cut(self) -> None:
        """Break every connection there is."""
        self._beside.run(self._cut())

    def silence(self) -> None:
        """Hold everything back in both directions, like a hole that swallows packets, until `speak`."""
        self._beside.loop.call_soon_threadsafe(self._speaks.clear)

    def speak(self) -> None:
        """Deliver what was held back, and everything from now on."""
        self._beside.loop.call_soon_threadsafe(self._speaks.set)

    def meet_commit(self, how: AtCommit) -> None:
        """Do this to the next COMMIT of a batch, once."""
        self._met.clear()
        self._at_commit = how

    async def until_met(self) -> None:
        """Wait until it is done."""
        assert await asyncio.to_thread(self._met.wait, SECONDS), "no COMMIT came by"

    async def _listen(self) -> int:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def _cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _end(self) -> None:
        self._server.close()
        await self._cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        upward: asyncio.StreamWriter | None = None
        try:
            downward, upward = await asyncio.open_connection("127.0.0.1", self._port)
            self._writers |= {writer, upward}
            # Whichever ends first breaks both connections, and so ends the other.
            await asyncio.gather(
                self._rise(reader, upward, writer), self._fall(downward, writer), return_exceptions=True
            )
        except OSError:
            pass  # the server is not there
        finally:
            for end in (writer, upward):
                if end is not None:
                    self._writers.discard(end)
                    end.transport.abort()

    async def _rise(
        self, reader: asyncio.StreamReader, upward: asyncio.StreamWriter, writer: asyncio.StreamWriter
    ) -> None:
        """From the gateway to the server, until either is gone or a COMMIT meets its fate."""
        try:
            while piece := await self._piece(reader):
                if self.is_deaf and LISTEN in piece:
                    self.deafened += 1
                    return
                how = self._at_commit if COMMIT in piece else None
                if how is not None:
                    self._at_commit = None
                    await self._meet(how, piece, upward, writer)
                    self._met.set()
                    return
                upward.write(piece)
                await upward.drain()
        finally:
            upward.transport.abort()
            writer.transport.abort()

    async def _meet(
        self, how: AtCommit, piece: bytes, upward: asyncio.StreamWriter, writer: asyncio.StreamWriter
    ) -> None:
        writer.transport.abort()
        if how is AtCommit.DROPPED:
            return
        if how is AtCommit.LATE:
            await asyncio.sleep(LATE_SECONDS)
        upward.write(piece)
        await upward.drain()
        # Long enough for the server to have committed; what it answers goes nowhere.
        await asyncio.sleep(LATE_SECONDS / 4)

    async def _fall(self, downward: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """From the server to the gateway, until either is gone."""
        while piece := await self._piece(downward):
            if not writer.is_closing():
                writer.write(piece)
                await writer.drain()
        writer.transport.abort()

    async def _piece(self, reader: asyncio.StreamReader) -> bytes:
        """The next bytes, when the link lets them go on."""
        piece = await reader.read(CHUNK)
        if self.latency_seconds:
            await asyncio.sleep(self.latency_seconds)
        await self._speaks.wait()
        return piece
