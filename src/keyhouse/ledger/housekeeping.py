"""Housekeeping: what is no longer needed goes, a little at a time and never in the way of a call.

Periods of limits per minute go an hour after they ended, rollups by minute after some days, sessions and attempts to
sign in once nothing depends on them, and calls after as many days as the policy says, or never. What deleted calls
counted stays in the books (`limit_periods.pruned`), and rollups by the hour stay for ever. With several gateways on
one database, one of them does the work.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final, TypeVar

import msgspec

from keyhouse.core.clock import Clock
from keyhouse.core.rollup import HOUR_MS
from keyhouse.store import pruning
from keyhouse.store.engine import Connection, Database

T = TypeVar("T")
Pause = Callable[[float], Awaitable[None]]

SWEEP_SECONDS: Final = 300.0
AT_ONCE: Final = 1_000
"""How many rows go in one transaction: a batch of calls that waits behind it waits some milliseconds."""

PAUSE_SECONDS: Final = 0.1
"""Rest after each transaction."""

PERIODS_MS: Final = HOUR_MS
ATTEMPTS_MS: Final = HOUR_MS
"""Longer than any throttle looks back."""

DAY_MS: Final = 24 * HOUR_MS
SESSIONS_MS: Final = DAY_MS
REPEATS_MS: Final = DAY_MS
SEEDS_MS: Final = 10 * 60_000
"""From what is older no secret is shown again."""


class Kept(msgspec.Struct, frozen=True):
    """How many days rollups by minute and calls are kept; calls for ever if None."""

    minutes_days: int = 7
    calls_days: int | None = None


class Swept(msgspec.Struct, frozen=True):
    """How many rows of each kind went."""

    periods: int = 0
    minutes: int = 0
    sessions: int = 0
    attempts: int = 0
    repeats: int = 0
    calls: int = 0


class Housekeeping:
    """Sweeps, round by round. `swept` is what went since the start, for the metrics."""

    def __init__(
        self, database: Database, clock: Clock, kept: Kept, *, pause: Pause = asyncio.sleep, at_once: int = AT_ONCE
    ) -> None:
        self._database = database
        self._clock = clock
        self._kept = kept
        self._pause = pause
        self._at_once = at_once
        self.swept = Swept()

    async def round(self) -> Swept:
        """Delete all that may go now. Raises what the database raises; what was deleted until then is."""
        now_ms = self._clock.now_ms()
        minutes_ms = now_ms - self._kept.minutes_days * DAY_MS
        at_once = self._at_once
        swept = Swept(
            periods=await self._sweep_listed(
                partial(pruning.list_old_minutes, before_ms=now_ms - PERIODS_MS, at_most=at_once),
                pruning.delete_old_minutes,
            ),
            minutes=await self._sweep(
                partial(pruning.delete_usage_minutes, before_ms=minutes_ms, at_most=at_once), at_once
            ),
            sessions=await self._sweep(partial(pruning.delete_spent_sessions, before_ms=now_ms - SESSIONS_MS)),
            attempts=await self._sweep(partial(pruning.delete_spent_attempts, before_ms=now_ms - ATTEMPTS_MS)),
            repeats=await self._sweep(
                partial(pruning.delete_spent_repeats, seeds_ms=now_ms - SEEDS_MS, before_ms=now_ms - REPEATS_MS)
            ),
            calls=await self._sweep_calls(now_ms),
        )
        self.swept = Swept(
            *(
                before + now
                for before, now in zip(msgspec.structs.astuple(self.swept), msgspec.structs.astuple(swept), strict=True)
            )
        )
        return swept

    async def _sweep_calls(self, now_ms: int) -> int:
        if self._kept.calls_days is None:
            return 0
        before_ms = now_ms - self._kept.calls_days * DAY_MS
        return await self._sweep_listed(
            partial(pruning.list_old_calls, before_ms=before_ms, at_most=self._at_once), pruning.delete_calls
        )

    async def _sweep(self, delete: Callable[[Connection], int | None], again_at: int | None = None) -> int:
        """Delete; and again as long as so many rows went."""
        swept = 0
        while count := await self._database.write(delete):
            swept += count
            if again_at is None or count < again_at:
                break
            await self._pause(PAUSE_SECONDS)
        return swept

    async def _sweep_listed(
        self, find: Callable[[Connection], Sequence[T]], delete: Callable[[Connection, Sequence[T]], int | None]
    ) -> int:
        """Look for rows on a reader and delete them, until there are no more: searching keeps no call waiting."""
        swept = 0
        while found := await self._database.read(find):
            count = await self._database.write(partial(_call_with, delete, found))
            if not count:
                break
            swept += count
            if len(found) < self._at_once:
                break
            await self._pause(PAUSE_SECONDS)
        return swept


def _call_with(
    delete: Callable[[Connection, Sequence[T]], int | None], found: Sequence[T], connection: Connection
) -> int | None:
    return delete(connection, found)
