"""Every failure of PostgreSQL is told apart: to try again, to wait for, or a mistake of ours."""

import asyncpg
import pytest
from sqlalchemy.exc import DBAPIError

from keyhouse.core.errors import Code, Refusal
from keyhouse.store.engine import Unavailable
from keyhouse.store.failures import FAILURES, Kind, kind_of, said, translated

EXPECTED: list[tuple[BaseException, Kind]] = [
    (asyncpg.DeadlockDetectedError("deadlock detected"), Kind.AGAIN),
    (asyncpg.SerializationError("could not serialize access"), Kind.AGAIN),
    (asyncpg.InvalidCachedStatementError("cached statement plan is invalid"), Kind.AGAIN),
    (asyncpg.AdminShutdownError("terminating connection"), Kind.LOST),
    (asyncpg.CrashShutdownError("terminating connection"), Kind.LOST),
    (asyncpg.ConnectionDoesNotExistError("closed in the middle"), Kind.LOST),
    (asyncpg.IdleInTransactionSessionTimeoutError("idle"), Kind.LOST),
    (asyncpg.InterfaceError("connection is closed"), Kind.LOST),
    (ConnectionResetError("reset by peer"), Kind.LOST),
    (EOFError(), Kind.LOST),
    (asyncpg.CannotConnectNowError("starting up"), Kind.WAIT),
    (asyncpg.TooManyConnectionsError("too many clients"), Kind.WAIT),
    (asyncpg.DiskFullError("no space left"), Kind.WAIT),
    (asyncpg.LockNotAvailableError("lock timeout"), Kind.WAIT),
    (asyncpg.QueryCanceledError("statement timeout"), Kind.WAIT),
    (TimeoutError(), Kind.WAIT),
    (OSError("no route to host"), Kind.WAIT),
    (asyncpg.ReadOnlySQLTransactionError("read-only"), Kind.READ_ONLY),
    (asyncpg.CharacterNotInRepertoireError("invalid byte sequence"), Kind.NOT_TEXT),
    (asyncpg.UniqueViolationError("duplicate key"), Kind.MISTAKE),
    (asyncpg.UndefinedTableError("does not exist"), Kind.MISTAKE),
    (asyncpg.InterfaceError("another operation is in progress"), Kind.MISTAKE),
    (asyncpg.DataError("value out of int32 range"), Kind.MISTAKE),
]


@pytest.mark.parametrize(("error", "kind"), EXPECTED, ids=repr)
def test_each_failure_is_told_apart(error: BaseException, kind: Kind) -> None:
    assert isinstance(error, FAILURES)
    assert kind_of(error) is kind
    wrapped = Exception("as the dialect wraps it")
    wrapped.__cause__ = error
    assert kind_of(DBAPIError("SELECT 1", None, wrapped)) is kind
    match kind:
        case Kind.MISTAKE:
            assert translated(error) is error
        case Kind.NOT_TEXT:
            refusal = translated(error)
            assert isinstance(refusal, Refusal)
            assert refusal.code is Code.PARAMETER_INVALID
        case _:
            assert isinstance(translated(error), Unavailable)


def test_what_is_said_is_one_line_for_the_log_and_not_for_the_caller() -> None:
    error = translated(asyncpg.DiskFullError("no space left on device\nDETAIL: row (1, secret)"))
    assert isinstance(error, Unavailable)
    assert error.internal == "DiskFullError: no space left on device"
    assert "space" not in error.text
    assert "space" in repr(error)
    assert said(EOFError()) == "EOFError"
