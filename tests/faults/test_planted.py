"""The tests are tested: each guard taken out of a running Keyhouse is noticed by the rounds of kill -9."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from faults.ground import Ground, PostgresGround, SqliteGround
from faults.planted import planted
from faults.rounds import Rounds, seed

TRIES = 8
"""Rounds in which a planted bug must show; most show in the first."""


async def first_problems(
    folder: Path, ground: Ground, serve: Sequence[Sequence[str]], tries: int, closed_within: float = 1.0
) -> tuple[list[str], int]:
    chosen = seed()
    rounds = Rounds(folder, ground, chosen, serve, closed_within)
    try:
        rounds.start()
        for _ in range(tries):
            if problems := await rounds.round():
                return problems, chosen
    finally:
        rounds.end()
    return [], chosen


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("early-forward", "unknown: "),
        ("lost-counters", "books: "),
        pytest.param("lost-rollup", "books: ", marks=pytest.mark.soak),
        pytest.param("lost-close", "books: ", marks=pytest.mark.soak),
        pytest.param("orphans-released", "free: ", marks=pytest.mark.soak),
        pytest.param("orphans-forgotten", "held: ", marks=pytest.mark.soak),
    ],
)
async def test_a_planted_bug_is_noticed(tmp_path: Path, sqlite_ground: SqliteGround, name: str, kind: str) -> None:
    problems, chosen = await first_problems(tmp_path, sqlite_ground, [planted(name)], TRIES)
    assert any(problem.startswith(kind) for problem in problems), f"KEYHOUSE_FAULTS_SEED={chosen}: {problems}"


@pytest.mark.soak
@pytest.mark.asyncio
@pytest.mark.parametrize(("name", "kind"), [("dead-released", "free: "), ("dead-forgotten", "held: ")])
async def test_a_gateway_that_does_not_charge_what_the_dead_held_is_noticed(
    tmp_path: Path, postgres_ground: PostgresGround, name: str, kind: str
) -> None:
    serve = [planted("quick-heart", name)] * 2
    problems, chosen = await first_problems(tmp_path, postgres_ground, serve, TRIES, closed_within=5.0)
    assert any(problem.startswith(kind) for problem in problems), f"KEYHOUSE_FAULTS_SEED={chosen}: {problems}"


@pytest.mark.asyncio
async def test_a_slow_disk_alone_is_no_bug(tmp_path: Path, sqlite_ground: SqliteGround) -> None:
    problems, chosen = await first_problems(tmp_path, sqlite_ground, [planted("slow-disk")], 1)
    assert problems == [], f"KEYHOUSE_FAULTS_SEED={chosen}"
