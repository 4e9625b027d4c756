"""Folds hours and days that are over, so that pages stay fast however many keys there are.

Each is read beside the ledger's writer and written in short transactions, between which the writer is given time. A
database that was filled before anything was folded is caught up with, the newest first: all of it in the first round
after a start, or for a new time zone, and then what is new.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Final
from zoneinfo import ZoneInfo

from keyhouse.core.clock import Clock
from keyhouse.core.limit import Window, span_at
from keyhouse.core.rollup import HOUR_MS
from keyhouse.ledger.rounds import Pause
from keyhouse.store import fold_parts, folding
from keyhouse.store.engine import Connection, Database
from keyhouse.store.fold_parts import ROWS_AT_ONCE, Begun
from keyhouse.store.folding import DAYS, HOURS, RECENT, Fold
from keyhouse.store.spans import Bounds

FOLD_SECONDS: Final = 60.0
"""How often it is looked for what is over."""

OVER_MS: Final = 10 * 60_000
"""How long after its end an hour or a day is over on every gateway's clock."""

PAUSE_SECONDS: Final = 0.05
RECENT_MS: Final = 4 * 24 * HOUR_MS
"""How long hours by owner and by key are kept: pages show those of two days beside the two before."""

LOOK_BACK_MS: Final = 7 * 24 * HOUR_MS
"""How far back a round looks for what is not folded, once everything was."""


class Folding:
    """Folds, round by round."""

    def __init__(
        self, database: Database, clock: Clock, *, pause: Pause = asyncio.sleep, at_once: int = ROWS_AT_ONCE
    ) -> None:
        self._database = database
        self._clock = clock
        self._pause = pause
        self._at_once = at_once
        self._caught_up: set[tuple[str, str]] = set()

    async def round(self) -> int:
        """Fold all that can be folded now; how many hours and days were. Raises what the database raises."""
        folded = 0
        now_ms = self._clock.now_ms()
        for organization_id, zone in await self._database.read(folding.list_organizations):
            since_ms = now_ms - LOOK_BACK_MS if (organization_id, zone) in self._caught_up else 0
            recent_ms = now_ms - RECENT_MS
            for fold, first_ms in ((HOURS, since_ms), (RECENT, recent_ms), (DAYS, since_ms)):
                missing = _missing(organization_id, fold, ZoneInfo(zone), first_ms, now_ms - OVER_MS)
                for bounds in await self._database.read(missing):
                    folded += await self._fold(Begun(organization_id, fold, bounds, now_ms))
                    await self._pause(PAUSE_SECONDS)
            await self._forget(organization_id, RECENT, recent_ms - HOUR_MS)
            self._caught_up.add((organization_id, zone))
        return folded

    async def _fold(self, begun: Begun) -> bool:
        """Fold an hour or a day, if that can be; whether it was."""
        read, write = self._database.read, self._database.write
        few = await read(partial(fold_parts.read_few, begun=begun, at_most=self._at_once))
        if few is not None:
            return await write(partial(fold_parts.fold_few, begun=begun, found=few))
        if not await write(partial(fold_parts.begin, begun=begun)):
            return False
        while await read(partial(fold_parts.has_rows, begun=begun)):
            if not await write(partial(fold_parts.clear, begun=begun)):
                return False
            await self._pause(PAUSE_SECONDS)
        for part in await read(partial(fold_parts.list_parts, begun=begun)):
            rows = await read(partial(fold_parts.read_part, begun=begun, part=part))
            for place in range(0, len(rows), self._at_once):
                some = rows[place : place + self._at_once]
                if not await write(partial(fold_parts.write_rows, begun=begun, part=part, rows=some)):
                    return False
                await self._pause(PAUSE_SECONDS)
        return await write(partial(fold_parts.finish, begun=begun))

    async def _forget(self, organization_id: str, fold: Fold, before_ms: int) -> None:
        """Delete what begins before this instant."""
        old = partial(fold_parts.is_old, organization_id=organization_id, fold=fold, before_ms=before_ms)
        some = partial(fold_parts.delete_old, organization_id=organization_id, fold=fold, before_ms=before_ms)
        while await self._database.read(old):
            await self._database.write(some)
            await self._pause(PAUSE_SECONDS)


def _missing(
    organization_id: str, fold: Fold, zone: ZoneInfo, since_ms: int, until_ms: int
) -> Callable[[Connection], list[Bounds]]:
    """How to find what between these times is not folded, or changed since it was, newest first."""

    def find(connection: Connection) -> list[Bounds]:
        first_ms = folding.find_first_slot(connection, organization_id)
        if first_ms is None:
            return []
        wanted = _over(fold, max(first_ms, since_ms), until_ms, zone)
        if not wanted:
            return []
        folded = set(folding.list_folded(connection, organization_id, fold, wanted[0][0], wanted[-1][1]))
        return [bounds for bounds in reversed(wanted) if bounds not in folded]

    return find


def _over(fold: Fold, first_ms: int, until_ms: int, zone: ZoneInfo) -> list[Bounds]:
    """The whole hours or days of a zone from the one that holds `first_ms` on, that have ended by `until_ms`."""
    found: list[Bounds] = []
    span = span_at(Window.DAY, first_ms, zone)
    while span.ends_at_ms is not None and span.starts_at_ms <= until_ms:
        found += [(span.starts_at_ms, span.ends_at_ms)] if fold is DAYS else _hours(span.starts_at_ms, span.ends_at_ms)
        span = span_at(Window.DAY, span.ends_at_ms, zone)
    return [bounds for bounds in found if bounds[1] > first_ms and bounds[1] <= until_ms]


def _hours(start_ms: int, end_ms: int) -> list[Bounds]:
    """The hours of a day, counted from its beginning."""
    return [(at_ms, min(at_ms + HOUR_MS, end_ms)) for at_ms in range(start_ms, end_ms, HOUR_MS)]
