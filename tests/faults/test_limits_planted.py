"""The tests are tested: a gateway that does not keep others out while it decides spends more than there is."""

import asyncio
import json
from pathlib import Path
from typing import Final

import pytest

from e2e.wire import chat
from faults.fleet import Fleet
from faults.ground import PostgresGround
from faults.load import Load
from faults.planted import planted

CLIENTS: Final = 2 * 32
AMOUNT: Final = 137


async def exhausted(folder: Path, ground: PostgresGround, *names: str) -> list[str]:
    """Let two gateways use up one limit; what must not be, in words."""
    with Fleet(folder, ground, [planted(*names)] * 2) as fleet:
        limits = [{"unit": "requests", "window": "total", "amount": str(AMOUNT)}]
        key = fleet.key("tight", limits=limits)
        fleet.witnesses.caps[key["id"]] = AMOUNT
        body = json.dumps(chat(max_tokens=16)).encode()
        load = Load(fleet.urls, [body], [[key["value"]]], clients=CLIENTS, ends=lambda reply: reply.status != 200)
        async with load, asyncio.timeout(30):
            await load.end()
        fleet.witnesses.wait_until_none_is_held()
        return fleet.witnesses.problems()


@pytest.mark.asyncio
@pytest.mark.parametrize("name", ["unlocked-periods", "early-load"])
async def test_a_planted_bug_is_noticed(tmp_path: Path, postgres_ground: PostgresGround, name: str) -> None:
    found = await exhausted(tmp_path, postgres_ground, name)
    assert any(problem.startswith("overspent: ") for problem in found), found
    assert any(problem.startswith("books: ") for problem in found), found


@pytest.mark.asyncio
async def test_a_slow_commit_alone_is_no_bug(tmp_path: Path, postgres_ground: PostgresGround) -> None:
    assert await exhausted(tmp_path, postgres_ground, "slow-commit") == []
