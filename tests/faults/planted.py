"""Runs `keyhouse` with one guard taken out, so that the tests can show that they would notice.

    python planted.py NAME serve ...

It replaces one thing inside the running program and changes nothing in the product; README.md lists the names.
`slow-disk` is no bug: it makes every batch take as long as on a slow disk, so that what happens before a commit
has the time to show.
"""

import sys
import time
from collections.abc import Callable, Sequence
from typing import Final

from keyhouse.cli.main import run
from keyhouse.core.call import Closing, State
from keyhouse.core.decide import Admitted, Decision, Operation, Reserve, Reserved, Verdict
from keyhouse.ledger.book import Hold
from keyhouse.store.books_sqlite import SqliteBooks

COMMIT_SECONDS: Final = 0.02
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
        return Admitted(Reserved(10**9, 10**6, 10**6, ()), None, is_shortened=False, remaining=())

    Hold._verdict = verdict  # type: ignore[method-assign]
    slow_disk()


def _without(statement: str) -> None:
    """The books forget one statement."""

    async def begin(self: SqliteBooks) -> int:
        question = "SELECT ?1, ?2" if "?2" in self._sql[statement] else "SELECT ?1"
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


PLANTS: Final[dict[str, Callable[[], None]]] = {
    "slow-disk": slow_disk,
    "early-forward": early_forward,
    "lost-counters": lambda: _without("update_periods"),
    "lost-rollup": lambda: _without("roll_up_hours"),
    "lost-close": lambda: _without("close_calls"),
    "orphans-released": orphans_released,
    "orphans-forgotten": orphans_forgotten,
}

if __name__ == "__main__":
    PLANTS[sys.argv.pop(1)]()
    run()
