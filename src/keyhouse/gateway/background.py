"""Work that an upstream goes on with after it has answered: a response with `background: true`.

The client has its answer, but the call runs on: what it reserved stays reserved, it counts as one that runs, and it
is settled by what the upstream reports when it is finished. Where that can never be known, because the response was
deleted or its usage left out, it is settled at all it had reserved; so is what still runs when Keyhouse stops.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from keyhouse.core.errors import Refusal
from keyhouse.gateway.objects import is_object_id
from keyhouse.gateway.passing import read_whole
from keyhouse.gateway.routing import Upstream
from keyhouse.gateway.upstream import UpstreamClient
from keyhouse.ledger.book import Hold

POLL_SECONDS: Final = 2.0
"""How long to wait before the upstream is asked for the first time."""

_POLL_SLOWER: Final = 1.5
_POLL_TIMES_MAX: Final = 15.0
"""Each wait is longer than the last, up to so many times the first."""

POLLS_MAX: Final = 3_000
"""About a day: an answer that is not finished then never is."""

_GONE: Final = frozenset({404, 410})


class Following:
    """Waits for the end of a call that was answered and goes on upstream.

    `finish` settles by what the upstream says, and says whether it was over; `give_up` settles where nobody knows.
    """

    def __init__(
        self,
        hold: Hold,
        client: UpstreamClient,
        upstream: Upstream,
        poll_seconds: float,
        finish: Callable[[bytes], Awaitable[bool]],
        give_up: Callable[[], object],
    ) -> None:
        self._finish = finish
        self._give_up = give_up
        self._hold = hold
        self._client = client
        self._upstream = upstream
        self._poll_seconds = poll_seconds
        self._stopping = asyncio.Event()

    async def run(self, path: str, object_id: str | None) -> None:
        """Ask the upstream again and again, until the call is settled or Keyhouse stops."""
        self._hold.at_cut(self._stopping.set)
        if object_id is not None and is_object_id(object_id):
            seconds = self._poll_seconds
            for _ in range(POLLS_MAX):
                if await self._has_stopped(seconds):
                    return
                status, content = await self._ask(path + object_id)
                if status in _GONE:
                    break
                if status == 200 and await self._finish(content):
                    return
                seconds = min(seconds * _POLL_SLOWER, self._poll_seconds * _POLL_TIMES_MAX)
        self._give_up()

    async def _has_stopped(self, seconds: float) -> bool:
        """Wait; whether Keyhouse has stopped meanwhile."""
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return False
        return True

    async def _ask(self, path: str) -> tuple[int, bytes]:
        """What the upstream says now: its status, 0 if it cannot be asked, and the answer."""
        try:
            async with self._client.ask(self._upstream, "GET", path, self._hold.call_id) as answer:
                return answer.status, await read_whole(answer)
        except Refusal:
            return 0, b""
