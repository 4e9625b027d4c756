"""Decisions that only one transaction at a time may make, where no row is there yet to be locked.

In SQLite every writing transaction is alone anyway. In PostgreSQL a turn is an advisory lock that ends with
its transaction, on every gateway of one database; what was committed before is seen by what is asked after.
"""

from enum import IntEnum
from typing import Final

from sqlalchemy import Connection, func, select

NAMESPACE: Final = 0x4B65_7968
"""The first half of every advisory lock of Keyhouse's: `Keyh`."""


class Turn(IntEnum):
    """What is decided. The numbers are agreed between gateways of different versions: they never change."""

    SCHEMA = 1
    SET_UP = 2
    MASTER_KEY = 3
    SIGN_IN = 4
    PRICES = 5
    HOUSEKEEPING = 6
    AUDIT_CHAINS = 7
    ACCOUNTS = 8


def take_turn(connection: Connection, turn: Turn) -> None:
    """Wait until no other transaction is deciding this, and let none begin until this one has ended."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(NAMESPACE, int(turn))))


def try_turn(connection: Connection, turn: Turn) -> bool:
    """The same without waiting: whether no other transaction is at it."""
    if connection.dialect.name != "postgresql":
        return True
    return bool(connection.execute(select(func.pg_try_advisory_xact_lock(NAMESPACE, int(turn)))).scalar_one())
