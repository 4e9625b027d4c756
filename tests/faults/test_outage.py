"""PostgreSQL stopped and started under load: calls are refused meanwhile, and gateways come back by themselves."""

import asyncio
import random
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

from e2e.processes import eventually
from faults.fleet import Fleet
from faults.ground import PostgresGround
from faults.load import Load, now_ms, some_bodies
from faults.planted import planted
from faults.planted_postgres import QUICK_BEAT_SECONDS
from faults.rounds import seed
from keyhouse.ledger.instances import STEADY_BEATS

CLIENTS: Final = 64
LONG_SECONDS: Final = 2.5
"""Longer than these gateways may be silent: whoever comes back first must not bury the others."""

SHORT: Final = (LONG_SECONDS, 0.3, 0.3)
RESUMED_SECONDS: Final = 10.0


class Outages:
    """A fleet whose database goes away, and a load that goes on."""

    def __init__(self, fleet: Fleet, ground: PostgresGround, load: Load) -> None:
        self._fleet = fleet
        self._cluster = ground.cluster
        self._load = load
        self._number = 0

    async def outage(self, seconds: float) -> list[str]:
        """Stop the server, in good order and killed in turns, and start it again; what must not be, in words.

        It is away for so long at least, and until somebody who asked meanwhile has been answered.
        """
        await self._load.until_answered(CLIENTS)
        self._number += 1
        await asyncio.to_thread(self._cluster.stop if self._number % 2 else self._cluster.kill)
        down_ms = now_ms()
        answered = len(self._load.replies)
        await asyncio.sleep(seconds)
        await self._load.until(
            lambda replies: any(reply.began_ms > down_ms for reply in replies[answered:]),
            "nobody is answered meanwhile",
        )
        up_ms = now_ms()
        await asyncio.to_thread(self._cluster.start)
        began = time.monotonic()
        served = len(self._load.replies)
        await self._load.until(
            lambda replies: {reply.url for reply in replies[served:] if reply.status == 200} == set(self._fleet.urls),
            "not every gateway serves again",
        )
        resumed = time.monotonic() - began
        meanwhile = [reply for reply in self._load.replies if reply.began_ms > down_ms and reply.ended_ms < up_ms]
        found = [f"answered: {reply}" for reply in meanwhile if reply.status != 503 or not reply.has_retry]
        if resumed > RESUMED_SECONDS:
            found.append(f"late: served again {resumed:.1f} s after the start")
        return found

    def problems(self) -> list[str]:
        """What must not be in the end."""
        load, fleet = self._load, self._fleet
        fleet.witnesses.answered |= load.answered
        fleet.witnesses.wait_until_none_is_held(20)
        unexpected = {status: count for status, count in load.statuses.items() if status not in (200, 503)}
        found = [f"answered: {unexpected}"] if unexpected else []
        found += [f"broken: a connection to {url} broke" for url, _ in load.broken]
        buried = fleet.first.rows("SELECT id FROM instances WHERE dead_at_ms IS NOT NULL")
        found += [f"buried: the gateway {row['id']} is declared dead" for row in buried]
        return found + fleet.witnesses.problems()


async def outlive(
    folder: Path, ground: PostgresGround, serve: Sequence[str], outages: Sequence[float], chosen: int
) -> list[str]:
    with Fleet(folder, ground, [serve] * 2) as fleet:
        key = fleet.roomy_key()
        bodies = some_bodies(random.Random(chosen))
        load = Load(fleet.urls, bodies, [[key["value"]]], clients=CLIENTS, patient=True)
        during = Outages(fleet, ground, load)
        found: list[str] = []
        async with load:
            for place, seconds in enumerate(outages, 1):
                found += await during.outage(seconds)
                if len(outages) > 5:
                    print(f"outage {place} of {seconds:.1f} s: {load.statuses}")  # noqa: T201
            await load.until_answered(CLIENTS)
        return found + during.problems()


@pytest.mark.asyncio
async def test_while_postgresql_is_away_calls_are_refused_and_then_served_again(
    tmp_path: Path, postgres_ground: PostgresGround
) -> None:
    chosen = seed()
    found = await outlive(tmp_path, postgres_ground, planted("quick-heart"), SHORT, chosen)
    assert found == [], f"KEYHOUSE_FAULTS_SEED={chosen}"


@pytest.mark.soak
@pytest.mark.asyncio
@pytest.mark.timeout(1800)
async def test_of_20_outages_each_is_outlived(tmp_path: Path, postgres_ground: PostgresGround) -> None:
    chosen = seed()
    drawn = random.Random(chosen)
    outages = [drawn.choice((0.2, 1.0, LONG_SECONDS, 5.0)) for _ in range(20)]
    found = await outlive(tmp_path, postgres_ground, planted("quick-heart"), outages, chosen)
    assert found == [], f"KEYHOUSE_FAULTS_SEED={chosen}"


async def buried_by_the_first_back(folder: Path, ground: PostgresGround, serve: Sequence[str]) -> list[int]:
    """Let one gateway come back long before the other after an outage; the numbers of those declared dead."""
    with Fleet(folder, ground, [serve] * 2) as fleet:
        first, last = fleet.houses
        heard = "SELECT count(*) AS times FROM instances WHERE heartbeat_at_ms > ?"
        # For so long both have been heard of that silence meant something.
        steady_ms = int(now_ms()) + round(QUICK_BEAT_SECONDS * 1000 * (STEADY_BEATS + 2))
        await asyncio.to_thread(eventually, lambda: first.rows(heard, steady_ms)[0]["times"] == 2, "not steady")
        await asyncio.to_thread(ground.cluster.stop)
        last.signal(signal.SIGSTOP)
        await asyncio.sleep(LONG_SECONDS)
        up_ms = int(now_ms())
        await asyncio.to_thread(ground.cluster.start)
        try:
            await asyncio.to_thread(eventually, lambda: first.rows(heard, up_ms)[0]["times"] == 1, "not back")
        finally:
            last.signal(signal.SIGCONT)
        await asyncio.to_thread(eventually, lambda: first.rows(heard, up_ms)[0]["times"] == 2, "not back")
        return [row["id"] for row in first.rows("SELECT id FROM instances WHERE dead_at_ms IS NOT NULL")]


@pytest.mark.soak
@pytest.mark.asyncio
async def test_whoever_comes_back_first_does_not_bury_the_other(
    tmp_path: Path, postgres_ground: PostgresGround
) -> None:
    assert await buried_by_the_first_back(tmp_path, postgres_ground, planted("quick-heart")) == []


@pytest.mark.soak
@pytest.mark.asyncio
async def test_a_hasty_burial_is_noticed(tmp_path: Path, postgres_ground: PostgresGround) -> None:
    assert await buried_by_the_first_back(tmp_path, postgres_ground, planted("quick-heart", "hasty-burial")) != []


@pytest.mark.soak
@pytest.mark.asyncio
async def test_a_gateway_that_forwards_what_it_could_not_write_is_noticed(
    tmp_path: Path, postgres_ground: PostgresGround
) -> None:
    found = await outlive(tmp_path, postgres_ground, planted("quick-heart", "fail-open"), [0.5], 1)
    assert any(problem.startswith("unknown: ") for problem in found), found
