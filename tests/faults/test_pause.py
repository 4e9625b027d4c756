"""A gateway that is stopped for so long that it is declared dead, and goes on: what it settles late is corrected."""

import asyncio
import json
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

from e2e.configuration import INPUT_NANO_USD, OUTPUT_NANO_USD
from e2e.processes import KEYHOUSE, eventually
from e2e.wire import Reply, call, chat, post
from faults.fleet import Fleet
from faults.ground import PostgresGround
from faults.planted import planted

BOTH: Final = (False, True)
CHARGE: Final = 10 * INPUT_NANO_USD + 5 * OUTPUT_NANO_USD
"""What the scripted upstream reports of each call."""


async def patiently(url: str, body: object, key: str) -> Reply:
    """The answer of a gateway that may stand still for a minute meanwhile."""
    async with asyncio.timeout(200):
        calling = await call(url, json.dumps(body).encode(), [("authorization", f"Bearer {key}")])
        try:
            return await calling.reply()
        finally:
            calling.hang_up()


async def pause(fleet: Fleet, at_least_seconds: float, buried_within: float) -> None:
    """Stop the second gateway in the middle of two calls, one of them streamed, until the first has closed them."""
    paused = fleet.houses[1]
    key = fleet.roomy_key()
    script = {"delay_ms": 400, "chunks": 3}
    bodies = [chat(max_tokens=20, stream=streamed, script=script) for streamed in BOTH]
    calling = [asyncio.create_task(patiently(paused.url, body, key["value"])) for body in bodies]
    await asyncio.to_thread(eventually, lambda: len(fleet.witnesses.seen) == len(BOTH), "not forwarded")
    paused.signal(signal.SIGSTOP)
    try:
        await asyncio.sleep(at_least_seconds)
        states = "SELECT state FROM calls WHERE state = 'orphaned'"
        await asyncio.to_thread(
            eventually, lambda: len(paused.rows(states)) == len(BOTH), "nobody buried it", buried_within
        )
    finally:
        paused.signal(signal.SIGCONT)
    replies = await asyncio.gather(*calling)
    assert [reply.status for reply in replies] == [200, 200]
    fleet.witnesses.answered |= {reply.headers["x-keyhouse-call-id"] for reply in replies}
    again = await post(paused.url, bodies[0], key["value"])
    assert again.status == 200
    fleet.witnesses.answered.add(again.headers["x-keyhouse-call-id"])


def is_corrected(fleet: Fleet) -> None:
    adjusted = "SELECT a.*, c.state, c.reserved_nano_usd FROM adjustments AS a JOIN calls AS c ON c.id = a.call_id"
    eventually(lambda: len(fleet.first.rows(adjusted)) == len(BOTH), "no late settle became an adjustment")
    for row in fleet.first.rows(adjusted):
        assert row["state"] == "orphaned"
        assert row["nano_usd"] == CHARGE - row["reserved_nano_usd"] < 0
        assert row["tokens"] < 0
        assert row["requests"] <= 0


def is_anew(fleet: Fleet) -> None:
    instances = fleet.first.rows("SELECT id, dead_at_ms FROM instances ORDER BY id")
    assert [row["dead_at_ms"] is None for row in instances].count(False) == 1
    assert len(instances) == len(fleet.houses) + 1
    (last,) = fleet.first.rows("SELECT instance_id, state FROM calls WHERE state <> 'orphaned'")
    assert (last["instance_id"], last["state"]) == (instances[-1]["id"], "settled")


async def paused_and_corrected(
    folder: Path, ground: PostgresGround, serve: Sequence[str], at_least_seconds: float, buried_within: float
) -> None:
    with Fleet(folder, ground, [serve] * 2) as fleet:
        # Whoever has just come up itself believes no silence yet.
        await pause(fleet, at_least_seconds, buried_within)
        is_corrected(fleet)
        fleet.witnesses.wait_until_none_is_held()
        is_anew(fleet)
        assert fleet.witnesses.problems() == []


@pytest.mark.asyncio
async def test_what_a_paused_gateway_settles_late_is_given_back(
    tmp_path: Path, postgres_ground: PostgresGround
) -> None:
    await paused_and_corrected(tmp_path, postgres_ground, planted("quick-heart"), 0, 20)


@pytest.mark.soak
@pytest.mark.asyncio
@pytest.mark.timeout(300)
async def test_after_60_seconds_of_pause_what_a_gateway_settles_late_is_given_back(
    tmp_path: Path, postgres_ground: PostgresGround
) -> None:
    """With the real times."""
    await paused_and_corrected(tmp_path, postgres_ground, KEYHOUSE, 60, 30)


@pytest.mark.soak
@pytest.mark.asyncio
async def test_a_gateway_that_adds_what_it_settles_late_is_noticed(
    tmp_path: Path, postgres_ground: PostgresGround
) -> None:
    with Fleet(tmp_path, postgres_ground, [planted("quick-heart", "late-settle-added")] * 2) as fleet:
        await pause(fleet, 0, 20)
        fleet.witnesses.wait_until_none_is_held()
        found = fleet.witnesses.problems()
    assert any(problem.startswith("books: ") for problem in found), found
