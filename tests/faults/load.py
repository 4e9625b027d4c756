"""Clients that call gateways as fast as they are answered, and remember what they heard."""

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

from e2e.wire import Reply, chat, post

UNHEARD: Final = (OSError, EOFError, AssertionError, IndexError, ValueError)
"""What a client meets whose gateway goes away: refused, reset, or cut off in the middle of an answer."""

PAUSE_SECONDS: Final = 0.05
"""How long a client waits that was told to try again later."""


class Heard(NamedTuple):
    """One answer: who gave it, when it was asked for and when it had come, on the machine's clock in ms."""

    url: str
    status: int
    call_id: str | None
    error: dict[str, Any] | None
    has_retry: bool
    began_ms: float
    ended_ms: float


def now_ms() -> float:
    """The machine's clock: gateways and PostgreSQL read the same one."""
    return time.time_ns() / 1_000_000


def heard(url: str, reply: Reply, began_ms: float) -> Heard:
    """What is kept of an answer."""
    error = None if reply.status == 200 else reply.error
    call_id = reply.headers.get("x-keyhouse-call-id")
    return Heard(url, reply.status, call_id, error, "retry-after" in reply.headers, began_ms, now_ms())


def some_bodies(chosen: random.Random, count: int = 32) -> list[bytes]:
    """Requests of many kinds: at once and slow, whole and streamed."""
    return [_body(chosen) for _ in range(count)]


def _body(chosen: random.Random) -> bytes:
    script = {"delay_ms": chosen.choice((0, 0, 2, 10)), "chunks": 5, "chunk_delay_ms": 2}
    return json.dumps(chat(max_tokens=20, stream=chosen.random() < 0.5, script=script)).encode()


class Load:
    """So many clients spread over gateways, each calling with these bodies and keys in turn until `stop`.

    A client whose gateway goes away ends, unless it is to be `patient`: then it tries again. `ends` says after which
    answer a client has had enough. What was heard is in `replies`, and whose connections broke in `broken`.
    """

    def __init__(
        self,
        urls: Sequence[str],
        bodies: Sequence[bytes],
        keys: Sequence[Sequence[str]],
        *,
        clients: int,
        patient: bool = False,
        ends: Callable[[Heard], bool] = lambda _: False,
    ) -> None:
        self._urls = urls
        self._bodies = bodies
        self._keys = keys
        self._number = clients
        self._patient = patient
        self._ends = ends
        self._stopping = False
        self._clients: list[asyncio.Task[None]] = []
        self.replies: list[Heard] = []
        self.broken: list[tuple[str, float]] = []

    async def __aenter__(self) -> Self:
        for place in range(self._number):
            self._clients.append(asyncio.create_task(self._client(place)))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Let every client hear the answer it waits for, and end."""
        self._stopping = True
        await self.end()

    async def end(self) -> None:
        """Wait until every client has had enough."""
        await asyncio.gather(*self._clients)

    @property
    def answered(self) -> set[str]:
        """The ids of whole answers."""
        return {reply.call_id for reply in self.replies if reply.status == 200 and reply.call_id is not None}

    @property
    def statuses(self) -> Counter[int]:
        """How often each status was heard."""
        return Counter(reply.status for reply in self.replies)

    async def until(self, is_so: Callable[[list[Heard]], object], otherwise: str, seconds: float = 20.0) -> None:
        """Wait until something has been heard."""
        deadline = time.monotonic() + seconds
        while not is_so(self.replies):
            assert time.monotonic() < deadline, f"{otherwise}: {self.statuses}, {len(self.broken)} broken"
            await asyncio.sleep(0.01)

    async def until_answered(self, more: int, seconds: float = 20.0) -> None:
        """Wait until so many more calls were answered with success."""
        before = self.statuses[200]
        await self.until(lambda _: self.statuses[200] >= before + more, "calls are not answered", seconds)

    async def _client(self, place: int) -> None:
        url = self._urls[place % len(self._urls)]
        keys = self._keys[place % len(self._keys)]
        number = place
        while not self._stopping:
            number += 1
            began_ms = now_ms()
            try:
                reply = await post(url, self._bodies[number % len(self._bodies)], keys[number % len(keys)])
            except UNHEARD:
                self.broken.append((url, began_ms))
                if not self._patient:
                    return
                await asyncio.sleep(PAUSE_SECONDS)
                continue
            found = heard(url, reply, began_ms)
            self.replies.append(found)
            if self._ends(found):
                return
            if found.error is not None:
                await asyncio.sleep(PAUSE_SECONDS)
