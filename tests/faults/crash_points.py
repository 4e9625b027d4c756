"""Ends the running program at a named point of a call, as kill -9 would, the Nth time it comes there.

Each point replaces methods inside the running program and changes nothing in the product. The points stand in the
order in which a call comes by.
"""

import os
import signal
from collections.abc import Callable, Sequence
from typing import Any, Final

from keyhouse.core.call import Closing, State
from keyhouse.core.decide import Admitted, Decision, Operation
from keyhouse.gateway.upstream import _HttpAnswer
from keyhouse.ledger.book import Hold
from keyhouse.store.books_postgres import PostgresBooks
from keyhouse.store.books_sqlite import SqliteBooks

Reach = Callable[[], None]


def fuse(count: int) -> Reach:
    """What kills this process the Nth time it is reached."""
    left = count

    def reach() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    return reach


def after_reserve_commit(reach: Reach) -> None:
    """The call is in the books, and nobody has been told."""

    def ran(_batch: Sequence[Operation], decision: Decision) -> None:
        if any(isinstance(verdict, Admitted) for verdict in decision.verdicts):
            reach()

    _after_batches(ran)


def before_send(reach: Reach) -> None:
    """The gateway is about to call the upstream."""
    sent = Hold.sent

    def sending(self: Hold) -> None:
        sent(self)
        reach()

    Hold.sent = sending  # type: ignore[method-assign]


def after_first_byte(reach: Reach) -> None:
    """The answer has begun to come."""
    chunk = _HttpAnswer.chunk
    begun: list[_HttpAnswer] = []

    async def coming(self: _HttpAnswer) -> bytes | None:
        found = await chunk(self)
        if self not in begun:
            begun.append(self)
            reach()
        return found

    _HttpAnswer.chunk = coming  # type: ignore[method-assign]


def after_usage(reach: Reach) -> None:
    """The whole answer has come, and what it cost is known, but not yet recorded."""
    settle = Hold.settle

    def settling(self: Hold, *arguments: Any, **more: Any) -> int | None:
        reach()
        return settle(self, *arguments, **more)

    Hold.settle = settling  # type: ignore[method-assign]


def before_settle_commit(reach: Reach) -> None:
    """The settling transaction has written everything, and has not committed."""
    running: list[Sequence[Operation]] = []

    def about_to_commit() -> None:
        if _settles(running[-1]):
            reach()

    for books in (SqliteBooks, PostgresBooks):
        _remember_batches(books, running)
    begin = SqliteBooks.begin

    async def begun(self: SqliteBooks) -> int:
        self._after = about_to_commit
        return await begin(self)

    async def before_commit(self: PostgresBooks) -> None:
        about_to_commit()

    SqliteBooks.begin = begun  # type: ignore[method-assign]
    PostgresBooks.before_commit = before_commit  # type: ignore[method-assign]


def after_settle_commit(reach: Reach) -> None:
    """The call is closed in the books."""

    def ran(batch: Sequence[Operation], _decision: Decision) -> None:
        if _settles(batch):
            reach()

    _after_batches(ran)


POINTS: Final[dict[str, Callable[[Reach], None]]] = {
    "after-reserve-commit": after_reserve_commit,
    "before-send": before_send,
    "after-first-byte": after_first_byte,
    "after-usage": after_usage,
    "before-settle-commit": before_settle_commit,
    "after-settle-commit": after_settle_commit,
}


def _settles(batch: Sequence[Operation]) -> bool:
    return any(isinstance(operation, Closing) and operation.state is State.SETTLED for operation in batch)


def _after_batches(ran: Callable[[Sequence[Operation], Decision], None]) -> None:
    for books in (SqliteBooks, PostgresBooks):
        _after_batches_of(books, ran)


def _after_batches_of(
    books: type[SqliteBooks | PostgresBooks], ran: Callable[[Sequence[Operation], Decision], None]
) -> None:
    run: Any = books.run

    async def running(self: object, batch: Sequence[Operation]) -> Decision:
        decision: Decision = await run(self, batch)
        ran(batch, decision)
        return decision

    books.run = running  # type: ignore[method-assign]


def _remember_batches(books: type[SqliteBooks | PostgresBooks], running: list[Sequence[Operation]]) -> None:
    run: Any = books.run

    async def remembering(self: object, batch: Sequence[Operation]) -> Decision:
        running[:] = [batch]
        decision: Decision = await run(self, batch)
        return decision

    books.run = remembering  # type: ignore[method-assign]
