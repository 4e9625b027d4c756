"""kill -9 at a random moment under 64 clients: no call is lost, counted twice, free or over its limit."""

import os
from pathlib import Path

import pytest

from faults.rounds import Rounds, seed

SHORT = 6
LONG = int(os.environ.get("KEYHOUSE_SOAK_ROUNDS", "50"))


async def survive(folder: Path, number: int) -> None:
    chosen = seed()
    rounds = Rounds(folder, chosen)
    try:
        for place in range(number):
            before = rounds.seen
            problems = await rounds.round()
            assert not problems, f"round {place}, KEYHOUSE_FAULTS_SEED={chosen}:\n" + "\n".join(problems[:20])
            assert rounds.seen > before, "nothing was under way"
        assert rounds.orphans, "no kill cut a call off: the rounds prove nothing"
        assert rounds.answered
    finally:
        rounds.end()


@pytest.mark.asyncio
@pytest.mark.timeout(180)
async def test_after_each_of_6_kills_every_call_has_its_row_and_the_books_agree(tmp_path: Path) -> None:
    await survive(tmp_path, SHORT)


@pytest.mark.soak
@pytest.mark.asyncio
@pytest.mark.timeout(7200)
async def test_after_each_of_50_kills_every_call_has_its_row_and_the_books_agree(tmp_path: Path) -> None:
    await survive(tmp_path, LONG)
