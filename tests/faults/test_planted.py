"""The tests are tested: each guard taken out of a running Keyhouse is noticed by the rounds of kill -9."""

from pathlib import Path

import pytest

from faults.ground import SqliteGround
from faults.planted import planted
from faults.rounds import Rounds, seed

TRIES = 8
"""Rounds in which a planted bug must show; most show in the first."""


async def first_problems(folder: Path, ground: SqliteGround, name: str, tries: int) -> tuple[list[str], int]:
    chosen = seed()
    rounds = Rounds(folder, ground, chosen, [planted(name)], closed_within=1.0)
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
        ("lost-rollup", "books: "),
        ("lost-close", "books: "),
        ("orphans-released", "free: "),
        ("orphans-forgotten", "held: "),
    ],
)
async def test_a_planted_bug_is_noticed(tmp_path: Path, sqlite_ground: SqliteGround, name: str, kind: str) -> None:
    problems, chosen = await first_problems(tmp_path, sqlite_ground, name, TRIES)
    assert any(problem.startswith(kind) for problem in problems), f"KEYHOUSE_FAULTS_SEED={chosen}: {problems}"


@pytest.mark.asyncio
async def test_a_slow_disk_alone_is_no_bug(tmp_path: Path, sqlite_ground: SqliteGround) -> None:
    problems, chosen = await first_problems(tmp_path, sqlite_ground, "slow-disk", 1)
    assert problems == [], f"KEYHOUSE_FAULTS_SEED={chosen}"
