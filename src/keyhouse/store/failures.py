"""What went wrong with PostgreSQL: something to try again, to wait for, to refuse, or a mistake of ours."""

from enum import Enum, auto
from typing import Final

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from keyhouse.core.errors import Code, Refusal
from keyhouse.store.engine import Unavailable

FAILURES: Final = (
    DBAPIError,
    PoolTimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    EOFError,
    OSError,
)
"""Everything the driver and the pool raise. TimeoutError is an OSError."""

_AGAIN: Final = frozenset({"40001", "40P01"})
"""Serialization failure and deadlock: from BEGIN it may well succeed."""

_LOST: Final = frozenset({"25P03", "57P01", "57P02", "57P05"})
"""The server has ended the connection: idle too long in a transaction, shutting down, crashed, idle too long."""

_WAIT: Final = frozenset({"55P03", "57014", "57P03"})
"""A lock or a statement that took too long, starting up."""

_READ_ONLY: Final = "25006"
"""The server takes no writes now, perhaps because its disk is full; or a reader has tried to write."""

_WAIT_CLASSES: Final = ("53", "58")
"""Insufficient resources (a full disk among them), system errors."""

_NOT_TEXT: Final = frozenset({"22021", "22P05"})
"""PostgreSQL keeps no NUL in a text."""


class Kind(Enum):
    """What to do about it."""

    AGAIN = auto()
    LOST = auto()
    WAIT = auto()
    READ_ONLY = auto()
    NOT_TEXT = auto()
    MISTAKE = auto()


def kind_of(error: BaseException) -> Kind:
    """What to do about an error of `FAILURES`."""
    cause = cause_of(error)
    if isinstance(cause, asyncpg.InvalidCachedStatementError):
        # The schema was changed under a running gateway; the statement is prepared anew.
        return Kind.AGAIN
    if isinstance(cause, asyncpg.PostgresError):
        state = cause.sqlstate or ""
        if state in _AGAIN:
            return Kind.AGAIN
        if state in _LOST or state.startswith("08"):
            return Kind.LOST
        if state in _WAIT or state[:2] in _WAIT_CLASSES:
            return Kind.WAIT
        if state == _READ_ONLY:
            return Kind.READ_ONLY
        return Kind.NOT_TEXT if state in _NOT_TEXT else Kind.MISTAKE
    if isinstance(cause, asyncpg.InterfaceError):
        # The same class also stands for wrong use of the driver.
        return Kind.LOST if "closed" in str(cause) else Kind.MISTAKE
    if isinstance(cause, ConnectionError | EOFError):
        return Kind.LOST
    is_wait = isinstance(cause, OSError | PoolTimeoutError | asyncpg.InternalClientError)
    return Kind.WAIT if is_wait else Kind.MISTAKE


def cause_of(error: BaseException) -> BaseException:
    """The driver's own error below what SQLAlchemy made of it."""
    if isinstance(error, DBAPIError) and error.orig is not None:
        return error.orig.__cause__ or error.orig
    return error


def translated(error: BaseException) -> BaseException:
    """The error as callers know it: `Unavailable`, a refusal of the text, or, for a mistake of ours, itself."""
    match kind_of(error):
        case Kind.AGAIN | Kind.LOST | Kind.WAIT | Kind.READ_ONLY:
            return Unavailable(said(error))
        case Kind.NOT_TEXT:
            return Refusal(
                Code.PARAMETER_INVALID,
                "A text holds a character that cannot be kept.",
                hint="Leave out the character NUL (U+0000).",
            )
        case Kind.MISTAKE:
            return error


def said(error: BaseException) -> str:
    """What the server or the system said, in one line for the log; it holds no password and no row."""
    cause = cause_of(error)
    text = str(cause).partition("\n")[0]
    return f"{type(cause).__name__}: {text}" if text else type(cause).__name__
