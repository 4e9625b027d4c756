"""Rounds of load and kill -9, and what must be true after each of them.

A round lets 64 clients call as fast as they can, kills a gateway at a random moment, lets the others go on for a
moment, starts it again on the same books, and compares three witnesses: the upstream's own record, the ledger's rows,
and what clients were answered. One seed decides everything that is random; it is in every report.
"""

import asyncio
import os
import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from e2e.processes import KEYHOUSE
from faults.fleet import Fleet
from faults.ground import Ground
from faults.load import Load, some_bodies

CLIENTS: Final = 64
TIGHT: Final = 150
"""The requests that the tight key may make in all, over every crash."""


def seed() -> int:
    """KEYHOUSE_FAULTS_SEED, or another one each time."""
    given = os.environ.get("KEYHOUSE_FAULTS_SEED")
    return int(given) if given else time.time_ns() % 2**32


class Rounds:
    """A fleet of gateways, and what went wrong so far.

    `closed_within` is how many seconds after a kill the others have closed what the dead one held.
    """

    def __init__(
        self,
        folder: Path,
        ground: Ground,
        chosen_seed: int,
        serve: Sequence[Sequence[str]] = (KEYHOUSE,),
        closed_within: float = 45.0,
    ) -> None:
        self._random = random.Random(chosen_seed)
        self._closed_within = closed_within
        self.fleet = Fleet(folder, ground, serve)
        self.witnesses = self.fleet.witnesses
        self.closed_after: list[float] = []
        """How long it took after each kill until nothing was held."""

    def start(self) -> None:
        """Start the gateways, and make the keys."""
        self.fleet.start()
        self._roomy = self.fleet.roomy_key()
        limits = [{"unit": "requests", "window": "total", "amount": str(TIGHT)}]
        self._tight = self.fleet.key("tight", limits=limits)
        self.witnesses.caps[self._tight["id"]] = TIGHT

    def end(self) -> None:
        """Stop everything."""
        self.fleet.end()

    async def round(self) -> list[str]:
        """One round; returns what must not be, in words."""
        killed_at = await self._load_and_kill(self._random.uniform(0.1, 0.7))
        self.fleet.start()
        # On SQLite the start has closed everything; on PostgreSQL the others do, without waiting for it.
        self.witnesses.wait_until_none_is_held(self._closed_within - (time.monotonic() - killed_at))
        self.closed_after.append(time.monotonic() - killed_at)
        return self.witnesses.problems()

    @property
    def orphans(self) -> int:
        """How many calls were cut off so far."""
        return sum(row["state"] == "orphaned" for row in self.witnesses.rows().values())

    async def _load_and_kill(self, seconds: float) -> float:
        house = self._random.choice(self.fleet.houses)
        roomy, tight = self._roomy["value"], self._tight["value"]
        # Every fourth client uses the tight key too, until it is used up and after.
        keys = [[tight, roomy], [roomy], [roomy], [roomy]]
        load = Load(self.fleet.urls, some_bodies(self._random), keys, clients=CLIENTS)
        async with load:
            # A round in which nothing was under way proves nothing: its moment is counted from the first calls on.
            await load.until_answered(CLIENTS)
            await asyncio.sleep(seconds)
            house.kill()
            killed_at = time.monotonic()
            if len(self.fleet.houses) > 1:
                await load.until_answered(CLIENTS)
        self.witnesses.answered |= load.answered
        return killed_at
