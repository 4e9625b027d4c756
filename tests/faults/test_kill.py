"""kill -9 at a random moment under 64 clients: no call is lost, counted twice, free or over its limit."""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from e2e.processes import KEYHOUSE
from faults.ground import Ground, PostgresGround, SqliteGround
from faults.planted import planted
from faults.rounds import Rounds, seed

SHORT = 4
SHORT_POSTGRES = 3
LONG = int(os.environ.get("KEYHOUSE_SOAK_ROUNDS", "500"))
QUICK = planted("quick-heart")
QUICK_SECONDS = 15.0
"""Two seconds of silence, and what a busy machine adds."""


async def survive(
    folder: Path,
    ground: Ground,
    number: int,
    serve: Sequence[Sequence[str]] = (KEYHOUSE,),
    closed_within: float = 45.0,
) -> Rounds:
    chosen = seed()
    rounds = Rounds(folder, ground, chosen, serve, closed_within)
    try:
        rounds.start()
        for place in range(number):
            problems = await rounds.round()
            assert not problems, f"round {place}, KEYHOUSE_FAULTS_SEED={chosen}:\n" + "\n".join(problems[:20])
            if place % 10 == 9:
                print(f"{ground.name}: {place + 1} kills, {len(rounds.witnesses.answered)} answers")  # noqa: T201
        assert rounds.orphans, "no kill cut a call off: the rounds prove nothing"
        assert rounds.witnesses.answered
    finally:
        rounds.end()
    return rounds


@pytest.mark.asyncio
@pytest.mark.timeout(180)
async def test_after_each_of_4_kills_every_call_has_its_row_and_the_books_agree(
    tmp_path: Path, sqlite_ground: SqliteGround
) -> None:
    await survive(tmp_path, sqlite_ground, SHORT)


@pytest.mark.asyncio
@pytest.mark.timeout(180)
async def test_after_each_of_3_kills_the_other_gateway_closes_what_was_held(
    tmp_path: Path, postgres_ground: PostgresGround
) -> None:
    await survive(tmp_path, postgres_ground, SHORT_POSTGRES, [QUICK, QUICK], QUICK_SECONDS)


@pytest.mark.soak
@pytest.mark.asyncio
@pytest.mark.timeout(7200)
async def test_after_each_of_hundreds_of_kills_every_call_has_its_row_and_the_books_agree(
    tmp_path: Path, sqlite_ground: SqliteGround
) -> None:
    await survive(tmp_path, sqlite_ground, LONG - LONG // 2)


@pytest.mark.soak
@pytest.mark.asyncio
@pytest.mark.timeout(7200)
async def test_after_each_of_hundreds_of_kills_the_other_gateways_close_what_was_held(
    tmp_path: Path, postgres_ground: PostgresGround
) -> None:
    await survive(tmp_path, postgres_ground, LONG // 2, [QUICK] * 3, QUICK_SECONDS)


@pytest.mark.soak
@pytest.mark.asyncio
@pytest.mark.timeout(600)
async def test_within_45_seconds_of_a_kill_nothing_is_held(tmp_path: Path, postgres_ground: PostgresGround) -> None:
    """With the real times: 30 s of silence, a beat every 5 s."""
    rounds = await survive(tmp_path, postgres_ground, 3, [KEYHOUSE] * 2, 45.0)
    print(f"closed after {[round(seconds) for seconds in rounds.closed_after]} s")  # noqa: T201
    assert max(rounds.closed_after) < 45
