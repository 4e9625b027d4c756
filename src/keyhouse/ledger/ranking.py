"""Ranks, once an hour, who used most in what pages ask for, so that none of them adds up every key's days.

The times are those of the pages' period picker: the last 24 hours, 7 and 30 days, and the month, each up to the last
hour that is over. A page that asks for an hour or a day later still has the ranking that begins earlier. They are read
beside the ledger's writer, one after the other, and written in a short transaction.
"""

import asyncio
from datetime import datetime, time, timedelta
from functools import partial
from typing import Final
from zoneinfo import ZoneInfo

from keyhouse.core.clock import Clock
from keyhouse.core.limit import instant_ms
from keyhouse.core.rollup import HOUR_MS
from keyhouse.ledger.folding import OVER_MS
from keyhouse.ledger.rounds import Pause
from keyhouse.store import rankings
from keyhouse.store.engine import Connection, Database
from keyhouse.store.folding import list_organizations
from keyhouse.store.rankings import Place, Ranking
from keyhouse.store.spans import Bounds

PAUSE_SECONDS: Final = 0.2
_DAYS: Final = (7, 30)


class Rankings:
    """Ranks, round by round."""

    def __init__(self, database: Database, clock: Clock, *, pause: Pause = asyncio.sleep) -> None:
        self._database = database
        self._clock = clock
        self._pause = pause
        self._until_ms: dict[tuple[str, str], int] = {}

    async def round(self) -> int:
        """Rank what has not been ranked since the last hour was over; how many times were. Raises what the database
        raises.
        """
        ranked = 0
        now_ms = self._clock.now_ms()
        until_ms = (now_ms - OVER_MS) // HOUR_MS * HOUR_MS
        for place in await self._database.read(list_organizations):
            if self._until_ms.get(place) != until_ms:
                # Whatever fails is tried again in an hour: it takes long.
                self._until_ms[place] = until_ms
                ranked += await self._rank(*place, now_ms, until_ms)
        return ranked

    async def _rank(self, organization_id: str, zone: str, now_ms: int, until_ms: int) -> int:
        read, write = self._database.read, self._database.write
        projects = await read(lambda c: rankings.list_ranked_projects(c, organization_id))
        starts = begins(now_ms, ZoneInfo(zone)) if projects else []
        ranked = 0
        for start_ms in starts:
            if await read(partial(_is_made, organization_id=organization_id, start_ms=start_ms, until_ms=until_ms)):
                continue
            bounds = start_ms, until_ms
            made = await read(partial(_made, organization_id=organization_id, projects=projects, bounds=bounds))
            await write(partial(_keep, organization_id=organization_id, start_ms=start_ms, made=made, now_ms=now_ms))
            ranked += 1
            await self._pause(PAUSE_SECONDS)
        await write(lambda c: rankings.delete_rankings(c, organization_id, starts))
        return ranked


def _is_made(connection: Connection, *, organization_id: str, start_ms: int, until_ms: int) -> bool:
    made_at_ms = rankings.find_made_at(connection, organization_id, start_ms)
    return made_at_ms is not None and made_at_ms - OVER_MS >= until_ms


def _made(connection: Connection, *, organization_id: str, projects: list[str], bounds: Bounds) -> dict[Place, Ranking]:
    return rankings.read_rankings(connection, organization_id, projects, *bounds)


def _keep(
    connection: Connection, *, organization_id: str, start_ms: int, made: dict[Place, Ranking], now_ms: int
) -> None:
    rankings.replace_rankings(connection, organization_id, start_ms, made, now_ms)


def begins(now_ms: int, zone: ZoneInfo) -> list[int]:
    """When the times begin that pages ask for, the shortest first."""
    today = datetime.fromtimestamp(now_ms / 1000, zone).date()
    dates = {today - timedelta(days=days - 1) for days in _DAYS} | {today.replace(day=1)}
    days_ms = {instant_ms(datetime.combine(date, time(), tzinfo=zone)) for date in dates}
    hour_ms = now_ms // HOUR_MS * HOUR_MS
    return sorted({*days_ms, hour_ms - 23 * HOUR_MS}, reverse=True)
