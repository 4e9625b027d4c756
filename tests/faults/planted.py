"""Runs `keyhouse` with one guard taken out, so that the tests can show that they would notice.

    python -m faults.planted NAME[,NAME...] serve ...

It replaces one thing inside the running program and changes nothing in the product; README.md lists the names. Some
are no bugs: they change a pace, so that something has the time to show or need not be waited for so long. A name with
a number, such as `before-send:2`, ends the program when it comes to that point for the second time.
"""

import asyncio
import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import Final

from e2e.processes import finding_tests
from faults import planted_postgres as postgres
from faults.crash_points import POINTS, fuse
from keyhouse.cli.main import run
from keyhouse.core.call import Closing, State
from keyhouse.core.decide import Admitted, Decision, Operation, Reserve, Reserved, Verdict
from keyhouse.ledger.book import Hold
from keyhouse.ledger.commit import GroupCommit
from keyhouse.store.books_sqlite import SqliteBooks
from keyhouse.store.statements import ROW

COMMIT_SECONDS: Final = 0.02
ADMITTED: Final = Admitted(Reserved(10**9, 10**6, 10**6, ()), None, is_shortened=False, remaining=())
_begin = SqliteBooks.begin
_run = SqliteBooks.run


def slow_disk() -> None:
    """Every batch takes 20 ms longer, before it is durable."""

    async def begin(self: SqliteBooks) -> int:
        self._after = lambda: time.sleep(COMMIT_SECONDS)
        return await _begin(self)

    SqliteBooks.begin = begin  # type: ignore[method-assign]


def early_forward() -> None:
    """A call is forwarded as soon as its reservation is queued, before it is durable."""

    async def verdict(self: Hold) -> Verdict:
        self._commit.submit(Reserve(self._opening, self._need))
        return ADMITTED

    Hold._verdict = verdict  # type: ignore[method-assign]
    slow_disk()


def _without(statement: str) -> None:
    """The books forget one statement."""

    async def begin(self: SqliteBooks) -> int:
        question = "SELECT ?1, ?2" if "?2" in self._sql[statement] else "SELECT ?1"
        if ROW in self._sql[statement]:
            before, _, after = self._sql[statement].partition(ROW)
            row, own = after.partition("\n")[0], ", ?" * before.count("?")
            question = f"SELECT 1{own} FROM (VALUES" + ROW + row + "\n)"  # noqa: S608  placeholders of our own
        self._sql = self._sql | {statement: question}
        return await _begin(self)

    SqliteBooks.begin = begin  # type: ignore[method-assign]


def orphans_released() -> None:
    """Calls that a crash cut off are released, as if nothing had been sent."""

    async def released(self: SqliteBooks, batch: Sequence[Operation]) -> Decision:
        return await _run(self, [_released(operation) for operation in batch])

    SqliteBooks.run = released  # type: ignore[method-assign]


def _released(operation: Operation) -> Operation:
    if isinstance(operation, Closing) and operation.state is State.ORPHANED:
        return Closing(operation.call_id, State.RELEASED)
    return operation


def orphans_forgotten() -> None:
    """Calls that a crash cut off stay held for ever."""

    async def nothing(self: SqliteBooks, after: str, most: int) -> list[str]:
        return []

    SqliteBooks.held_by_the_dead = nothing  # type: ignore[method-assign]


def fail_open() -> None:
    """A call that could not be written into the books is forwarded all the same."""
    submit = GroupCommit.submit

    def submitted(self: GroupCommit, reserve: Reserve) -> asyncio.Future[Verdict]:
        queued = submit(self, reserve)
        answer: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
        queued.add_done_callback(lambda done: answer.set_result(done.result() if not done.exception() else ADMITTED))
        return answer

    GroupCommit.submit = submitted  # type: ignore[method-assign]


PLANTS: Final[dict[str, Callable[[], None]]] = {
    "slow-disk": slow_disk,
    "early-forward": early_forward,
    "lost-counters": lambda: _without("update_periods"),
    "lost-rollup": lambda: _without("roll_up_hours"),
    "lost-close": lambda: _without("close_calls"),
    "orphans-released": orphans_released,
    "orphans-forgotten": orphans_forgotten,
    "fail-open": fail_open,
    "slow-commit": postgres.slow_commit,
    "quick-heart": postgres.quick_heart,
    "impatient": postgres.impatient,
    "deaf": postgres.deaf,
    "unlocked-periods": postgres.unlocked_periods,
    "early-load": postgres.early_load,
    "unlocked-instance": postgres.unlocked_instance,
    "unknown-commit-forwarded": postgres.unknown_commit_forwarded,
    "dead-released": postgres.orphans_released,
    "dead-forgotten": postgres.orphans_forgotten,
    "late-settle-added": postgres.late_settle_added,
    "revocation-not-read-again": postgres.revocation_not_read_again,
    "hasty-burial": postgres.hasty_burial,
}


_FOUND: Final = finding_tests(os.environ)["PYTHONPATH"]
PREFIX: Final = ("env", f"PYTHONPATH={_FOUND}", sys.executable, "-m", "faults.planted")


def planted(*names: str) -> tuple[str, ...]:
    """The command that serves with these planted."""
    return (*PREFIX, ",".join(names))


def plant(name: str) -> None:
    """Plant one of them."""
    point, _, count = name.partition(":")
    if count:
        POINTS[point](fuse(int(count)))
    else:
        PLANTS[name]()


if __name__ == "__main__":
    for chosen in sys.argv.pop(1).split(","):
        plant(chosen)
    run()
