"""How the ledger is, and a verification that runs beside, one at a time."""

import asyncio
from pathlib import Path

import pytest

from given import FakeClock, a_database
from keyhouse.ledger.auditor import Report, audit
from keyhouse.ledger.book import Ledger
from keyhouse.ledger.commit import GroupCommit
from keyhouse.ledger.watch import Watch
from keyhouse.reporting.health import HealthQuestions, Verification
from keyhouse.store.books_sqlite import SqliteBooks
from keyhouse.store.engine import CannotOpen

pytestmark = pytest.mark.asyncio


async def test_it_tells_of_the_last_audit_and_of_the_gateways_that_live(tmp_path: Path) -> None:
    clock = FakeClock()
    database = a_database(tmp_path, clock)
    books = SqliteBooks(database, clock)
    await books.begin()
    commit = GroupCommit(books, lambda _what, _error: None)
    watch = Watch(database, clock, lambda _: None)
    questions = HealthQuestions(
        database, clock, Ledger(commit, clock, {}), commit.tally, watch, lambda: 3, lambda: database.read(audit)
    )
    before = await questions.now()
    assert (before.report, before.is_well, before.orphans, len(before.gateways)) == (None, True, 3, 1)
    await watch.round()
    after = await questions.now()
    assert after.report is not None
    assert (after.report.passes, after.audited_at_ms) == (True, clock.now_ms())
    await books.end()
    assert (await questions.now()).gateways == ()
    await database.close()


async def test_one_verification_runs_at_a_time_and_a_failure_is_told(tmp_path: Path) -> None:
    clock = FakeClock()
    database = a_database(tmp_path, clock)
    commit = GroupCommit(SqliteBooks(database, clock), lambda _what, _error: None)
    go_on, begun = asyncio.Event(), []

    async def slow() -> Report:
        begun.append(clock.now_ms())
        await go_on.wait()
        if len(begun) == 2:
            raise CannotOpen("the file is gone")
        return await database.read(audit)

    watch = Watch(database, clock, lambda _: None)
    questions = HealthQuestions(database, clock, Ledger(commit, clock, {}), commit.tally, watch, lambda: 0, slow)
    for _ in range(2):
        questions.verify()
        await asyncio.sleep(0)
    assert len(begun) == 1
    go_on.set()
    assert (await ended(questions)).report is not None
    questions.verify()
    assert (await ended(questions)).failure == "the file is gone"
    await database.close()


async def ended(questions: HealthQuestions) -> Verification:
    """The verification, once it has ended."""
    assert questions._running is not None
    await asyncio.wait({questions._running})
    assert questions.verification is not None
    return questions.verification
