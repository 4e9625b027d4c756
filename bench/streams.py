"""A thousand streams at once, at the pace of a model: what Keyhouse adds to each piece, and what a stream costs it.

Every piece carries the time at which the mock sent it; who reads it takes the time again. The same streams are read
directly from the mock first: what Keyhouse adds is the difference. Mock and reader share a core.
"""

import asyncio
import os
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, cast

import msgspec
import uvloop

from bench.keyhouse import Keyhouse
from bench.processes import CannotRun, Pinned, free_port
from bench.servers import HERE, body_file, verify
from bench.target import LOAD_CORE, SERVER_CORE

STREAMS: Final = 1_000
PIECES: Final = 200
PIECE_SECONDS: Final = 0.05
BEGIN_SECONDS: Final = 4.0
"""Over how long the streams begin, one after the other."""

PATIENCE_SECONDS: Final = 60.0
_SENT: Final = re.compile(rb'"content":"(\d+)"')


class Delays(msgspec.Struct, frozen=True):
    """How long after they were sent pieces came, in milliseconds, sorted: all of them, and each stream's first."""

    all_ms: tuple[float, ...]
    first_ms: tuple[float, ...]
    lost: int

    def percentile(self, share: float) -> float:
        """The delay within which this share of all pieces came."""
        return self.all_ms[min(len(self.all_ms) - 1, int(share * len(self.all_ms)))]

    @property
    def first(self) -> float:
        """The median of the first pieces' delays."""
        return self.first_ms[len(self.first_ms) // 2]


class Streams(msgspec.Struct, frozen=True):
    """What Keyhouse added to the streams of a run, and what they took of it."""

    streams: int
    pieces: int
    lost: int
    added_p50_ms: float
    added_p99_ms: float
    added_first_ms: float
    kb_a_stream: float
    cpu_us_a_piece: float
    problems: tuple[str, ...]


class Reader(asyncio.Protocol):
    """One client: asks once, and notes when each piece came. `done` is told when its stream has ended."""

    def __init__(self, request: bytes, done: Callable[[], None]) -> None:
        self._request = request
        self._done = done
        self._rest = b""
        self.delays_ns: list[int] = []
        self.is_whole = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Take the time of each piece."""
        now = time.monotonic_ns()
        data = self._rest + data
        end = data.rfind(b"\n\n") + 2
        self._rest = data[end:] if end > 1 else data
        if end > 1:
            self.delays_ns += [now - int(sent) for sent in _SENT.findall(data[:end])]
        if b"data: [DONE]" in data and not self.is_whole:
            self.is_whole = True
            self._transport.close()

    def connection_lost(self, _: Exception | None) -> None:
        """The stream has ended, well or not."""
        self._done()


def measure(folder: Path, say: Callable[[str], None]) -> Streams:
    """Read all streams directly, then through Keyhouse. Raises CannotRun."""
    folder.mkdir()
    port = free_port()
    mock = [sys.executable, str(HERE / "stream_mock.py"), str(port), str(PIECES), str(PIECE_SECONDS)]
    house = Keyhouse(folder / "keyhouse", {"stream": port})
    body = body_file(folder, "stream").read_bytes()
    with Pinned(LOAD_CORE, mock, folder / "mock.log") as mocking, house.serving(SERVER_CORE) as serving:
        mocking.wait_for_port(port)
        key = house.make_key(serving)
        say(f"{STREAMS} streams directly")
        direct = _read(port, key, body, None)[0]
        say(f"{STREAMS} streams through Keyhouse")
        _read(serving.port, key, body, None, streams=STREAMS // 10, pieces=PIECES)
        before, used = serving.process.resident_mb, serving.process.cpu_seconds
        ours, loaded = _read(serving.port, key, body, serving.process)
        used = serving.process.cpu_seconds - used
        problems = verify(house, STREAMS + STREAMS // 10)
    return Streams(
        streams=STREAMS,
        pieces=len(ours.all_ms),
        lost=ours.lost,
        added_p50_ms=ours.percentile(0.5) - direct.percentile(0.5),
        added_p99_ms=ours.percentile(0.99) - direct.percentile(0.99),
        added_first_ms=ours.first - direct.first,
        kb_a_stream=(loaded - before) * 1000 / STREAMS,
        cpu_us_a_piece=used / (STREAMS * PIECES) * 1e6,
        problems=tuple(problems + ([f"{ours.lost} pieces of streams were lost"] if ours.lost else [])),
    )


def _read(
    port: int, key: str, body: bytes, server: Pinned | None, *, streams: int = STREAMS, pieces: int = PIECES
) -> tuple[Delays, float]:
    """Read them all, and how much memory the server had when all of them ran."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {LOAD_CORE})
    try:
        return uvloop.run(_reading(port, key, body, server, streams, pieces))
    finally:
        os.sched_setaffinity(0, cores)


async def _reading(
    port: int, key: str, body: bytes, server: Pinned | None, streams: int, pieces: int
) -> tuple[Delays, float]:
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {key}\r\n"
    head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    loop = asyncio.get_running_loop()
    ended = asyncio.Semaphore(0)
    readers: list[Reader] = []
    for _ in range(streams):
        _, reader = await loop.create_connection(lambda: Reader(head.encode() + body, ended.release), "127.0.0.1", port)
        readers.append(reader)
        await asyncio.sleep(BEGIN_SECONDS / STREAMS)
    await asyncio.sleep(1)
    loaded = 0.0 if server is None else server.resident_mb
    async with asyncio.timeout(PATIENCE_SECONDS + PIECES * PIECE_SECONDS):
        for _ in readers:
            await ended.acquire()
    cut = sum(not reader.is_whole for reader in readers)
    if cut:
        raise CannotRun(f"{cut} of {streams} streams did not come to their end")
    delays = sorted(delay / 1e6 for reader in readers for delay in reader.delays_ns)
    first = sorted(reader.delays_ns[0] / 1e6 for reader in readers)
    return Delays(tuple(delays), tuple(first), streams * pieces - len(delays)), loaded
