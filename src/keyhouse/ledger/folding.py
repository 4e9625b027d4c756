"""Folds days that are over, so that pages of weeks and months stay fast however many keys there are.

Each day is one short transaction of its own, and the ledger's writer is given time between two of them. A database
that was filled before there were folded days is caught up with, the newest days first.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Final
from zoneinfo import ZoneInfo

from keyhouse.core.clock import Clock
from keyhouse.core.limit import Window, span_at
from keyhouse.ledger.rounds import Pause
from keyhouse.store import folding
from keyhouse.store.engine import Connection, Database
from keyhouse.store.folding import Day

FOLD_SECONDS: Final = 60.0
"""How often days are looked at."""

OVER_MS: Final = 10 * 60_000
"""How long after its end a day is over on every gateway's clock."""

PAUSE_SECONDS: Final = 0.2


class Folding:
    """Folds, round by round."""

    def __init__(self, database: Database, clock: Clock, *, pause: Pause = asyncio.sleep) -> None:
        self._database = database
        self._clock = clock
        self._pause = pause

    async def round(self) -> int:
        """Fold all that can be folded now; how many days were. Raises what the database raises."""
        folded = 0
        now_ms = self._clock.now_ms()
        for organization_id, zone in await self._database.read(folding.list_organizations):
            for day in await self._database.read(_missing(organization_id, ZoneInfo(zone), now_ms - OVER_MS)):
                folded += await self._database.write(
                    partial(_fold, organization_id=organization_id, day=day, now_ms=now_ms)
                )
                await self._pause(PAUSE_SECONDS)
        return folded


def _fold(connection: Connection, *, organization_id: str, day: Day, now_ms: int) -> bool:
    return folding.insert_day(connection, organization_id, day, now_ms)


def _missing(organization_id: str, zone: ZoneInfo, until_ms: int) -> Callable[[Connection], list[Day]]:
    """How to find the days up to then that are not folded, or changed since they were, newest first."""

    def find(connection: Connection) -> list[Day]:
        first_ms = folding.find_first_slot(connection, organization_id)
        if first_ms is None:
            return []
        days = _days(first_ms, until_ms, zone)
        folded = set(folding.list_folded(connection, organization_id, days))
        return [day for day in reversed(days) if day not in folded]

    return find


def _days(first_ms: int, until_ms: int, zone: ZoneInfo) -> list[Day]:
    """The whole days of a zone from the one that holds `first_ms` on, that have ended by `until_ms`."""
    days: list[Day] = []
    span = span_at(Window.DAY, first_ms, zone)
    while span.ends_at_ms is not None and span.ends_at_ms <= until_ms:
        days.append((span.starts_at_ms, span.ends_at_ms))
        span = span_at(Window.DAY, span.ends_at_ms, zone)
    return days
