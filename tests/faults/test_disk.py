"""A disk without room: calls are refused until there is some, and the books agree."""

import asyncio
import random
import resource
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

from e2e.processes import KEYHOUSE, House
from faults.fleet import Fleet
from faults.ground import SqliteGround
from faults.load import Load, some_bodies
from faults.planted import planted
from faults.rounds import seed

CLIENTS: Final = 32
ANSWERS: Final = 300
"""So many are given before there is room again."""

UNBOUNDED: Final = resource.RLIM_INFINITY


def fill_disk(house: House) -> None:
    """From now on no file of the house may grow beyond the length that its log of transactions has."""
    log = house.data / "keyhouse.db-wal"
    allow(house, log.stat().st_size)


def allow(house: House, file_bytes: int) -> None:
    assert house.child is not None
    resource.prlimit(house.child.process.pid, resource.RLIMIT_FSIZE, (file_bytes, UNBOUNDED))


async def full_for_a_while(folder: Path, ground: SqliteGround, serve: Sequence[str], chosen: int) -> list[str]:
    with Fleet(folder, ground, [serve]) as fleet:
        house = fleet.first
        key = fleet.roomy_key()
        load = Load(fleet.urls, some_bodies(random.Random(chosen)), [[key["value"]]], clients=CLIENTS, patient=True)
        async with load:
            await load.until_answered(4 * CLIENTS)
            fill_disk(house)
            before = len(load.replies)
            await load.until(lambda replies: len(replies) >= before + ANSWERS, "nobody is answered")
            was_ready = await asyncio.to_thread(house.is_ready)
            allow(house, UNBOUNDED)
            await load.until_answered(CLIENTS)
        fleet.witnesses.answered |= load.answered
        fleet.witnesses.wait_until_none_is_held()
        found = [
            f"answered: {reply}"
            for reply in load.replies
            if reply.status not in (200, 503) or reply.has_retry != (reply.status == 503)
        ]
        if not load.statuses[503]:
            found.append("answered: nobody was refused")
        if was_ready:
            found.append("ready: it said so while it could not write")
        if load.broken:
            found.append(f"broken: {len(load.broken)} connections")
        return found + fleet.witnesses.problems()


@pytest.mark.asyncio
async def test_while_the_disk_is_full_calls_are_refused_and_then_served_again(
    tmp_path: Path, sqlite_ground: SqliteGround
) -> None:
    chosen = seed()
    found = await full_for_a_while(tmp_path, sqlite_ground, KEYHOUSE, chosen)
    assert found == [], f"KEYHOUSE_FAULTS_SEED={chosen}"


@pytest.mark.soak
@pytest.mark.asyncio
async def test_a_gateway_that_forwards_what_it_could_not_write_is_noticed(
    tmp_path: Path, sqlite_ground: SqliteGround
) -> None:
    found = await full_for_a_while(tmp_path, sqlite_ground, planted("fail-open"), 1)
    assert any(problem.startswith("unknown: ") for problem in found), found
