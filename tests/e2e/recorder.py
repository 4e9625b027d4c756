"""Stands between a browser and Keyhouse, passes everything on as it is, and keeps what was asked and answered.

What is kept is what left the server: also what a browser follows, refuses, or does not show.
"""

import asyncio
import zlib
from collections import deque
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

import httptools

from e2e.beside import LoopBeside

_CHUNK: Final = 64 * 1024
_GZIP: Final = 31


class Answer(NamedTuple):
    """An answer, unpacked, with the lines of its head, and what was asked for it."""

    method: str
    path: str
    status: int
    head: tuple[bytes, ...]
    body: bytes


class _Asked:
    """Reads what a browser asks on one connection."""

    def __init__(self, waiting: deque[tuple[str, str]]) -> None:
        self._waiting = waiting
        self._path = b""
        self.parser = httptools.HttpRequestParser(self)

    def on_message_begin(self) -> None:
        self._path = b""

    def on_url(self, url: bytes) -> None:
        self._path += url

    def on_headers_complete(self) -> None:
        self._waiting.append((self.parser.get_method().decode(), self._path.decode()))


class _Answered:
    """Reads what Keyhouse answers on it."""

    def __init__(self, waiting: deque[tuple[str, str]], kept: list[Answer]) -> None:
        self._waiting = waiting
        self._kept = kept
        self._head: dict[bytes, bytes] = {}
        self._lines: list[bytes] = []
        self._body: list[bytes] = []
        self.parser = httptools.HttpResponseParser(self)

    def on_message_begin(self) -> None:
        self._head, self._lines, self._body = {}, [], []

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head[name.lower()] = value
        self._lines.append(name + b": " + value)

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        body = b"".join(self._body)
        if self._head.get(b"content-encoding") == b"gzip":
            body = zlib.decompress(body, _GZIP)
        method, path = self._waiting.popleft()
        self._kept.append(Answer(method, path, self.parser.get_status_code(), tuple(self._lines), body))


class Recorder:
    """A way to the server on `port`, at `url`, while it is entered; `answers` grows with every answer."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._beside = LoopBeside()
        self._tasks: set[asyncio.Task[None]] = set()
        self.url = ""
        self.answers: list[Answer] = []

    def __enter__(self) -> Self:
        self._beside.start()
        self._server = self._beside.run(asyncio.start_server(self._pass, "127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._beside.run(self._end())
        self._beside.stop()

    async def _end(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._port)
        waiting: deque[tuple[str, str]] = deque()
        ways = (
            self._one_way(reader, back, _Asked(waiting).parser),
            self._one_way(there, writer, _Answered(waiting, self.answers).parser),
        )
        for way in ways:
            task = asyncio.ensure_future(way)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    @staticmethod
    async def _one_way(source: asyncio.StreamReader, target: asyncio.StreamWriter, parser: Any) -> None:
        """Kept before it is passed on: what a browser has seen is there to be looked at."""
        try:
            while piece := await source.read(_CHUNK):
                parser.feed_data(piece)
                target.write(piece)
                await target.drain()
        except ConnectionError:
            pass
        finally:
            target.close()
