"""Gateways beside each other: each says that it lives, and closes what those left that no longer do.

The deadlines add up: a gateway is declared dead `SILENT_MS` after it was last heard of, is found at the next
beat, and what it held is closed in the batches that follow: within 45 s (I5). One that was only paused settles
late, and the ledger corrects what was charged for it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from keyhouse.core.call import Closing
from keyhouse.ledger.commit import GroupCommit
from keyhouse.ledger.orphans import close_orphans
from keyhouse.store.books import Books

BEAT_SECONDS: Final = 5.0
SILENT_MS: Final = 30_000
STEADY_BEATS: Final = 7
"""How many beats in a row must have reached the database before silence means anything: after the database itself
was away, everybody has been silent, and whoever comes back first must not bury the others."""

Pause = Callable[[float], Awaitable[None]]


class Instances:
    """This gateway's heart. `report` is told, in words for the log, what failed."""

    def __init__(
        self,
        books: Books,
        commit: GroupCommit,
        report: Callable[[str, BaseException], None],
        pause: Pause = asyncio.sleep,
    ) -> None:
        self._books = books
        self._commit = commit
        self._report = report
        self._pause = pause
        self._steady = 0
        self.orphans = 0
        """How many calls of dead gateways this one has closed."""

    async def run(self) -> None:
        """Beat until cancelled."""
        while True:
            try:
                await self.beat()
            except Exception as error:  # noqa: BLE001  whatever it was, a heart that stops buries its gateway
                self._steady = 0
                self._report("this gateway could not say that it lives", error)
            await self._pause(BEAT_SECONDS)

    async def beat(self) -> None:
        """Say that this gateway lives, declare dead who is silent, and close what the dead held. Raises Unavailable."""
        await self._books.beat(SILENT_MS if self._steady >= STEADY_BEATS else None)
        self._steady += 1
        self.orphans += await close_orphans(self._books, self._close)

    async def _close(self, closings: Sequence[Closing]) -> None:
        await asyncio.wait({self._commit.close(closing) for closing in closings})
