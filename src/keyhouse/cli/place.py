"""Which database a command works on that needs no running server."""

import asyncio
import os
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, TypeVar

from cyclopts import Parameter

from keyhouse import config
from keyhouse.cli.talk import Exit, Failure

T = TypeVar("T")

Data = Annotated[Path | None, Parameter(help="Folder of the database.")]
Database = Annotated[
    str | None,
    Parameter(
        help="Address of the database: sqlite:///path/to/keyhouse.db or postgresql://user@host/name. "
        "A password is better kept in PGPASSWORD or ~/.pgpass."
    ),
]


def database_url(data: Path | None, database: str | None, otherwise: Path | None = None) -> str:
    """The address that is meant: the one given, the configured one, or the folder `otherwise`. Raises Failure."""
    if data is not None and database is not None:
        raise Failure("name the database by either --data or --database.", Exit.USAGE)
    from keyhouse.store.opening import address_of  # Late, as below: what knows SQL is slow to load.

    if data is not None:
        return address_of(data)
    if database is not None:
        return database
    try:
        configured = config.load(None, os.environ).database.url
    except config.BadConfiguration as error:
        raise Failure(str(error)) from None
    if configured is None and otherwise is not None:
        return address_of(otherwise)
    if configured is None:
        raise Failure("name the database by either --data or --database, or configure database.url.", Exit.USAGE)
    return configured


def master_key_path(data: Path | None, named: Path | None) -> Path:
    """The file with the master key: the one named, the configured one, or the one beside the database."""
    if named is not None:
        return named
    try:
        secrets = config.load(None, os.environ).secrets
    except config.BadConfiguration as error:
        raise Failure(str(error)) from None
    return secrets.master_key_beside(data or Path("data"))


def wait_for(work: Coroutine[Any, Any, T]) -> T:
    """The result of work on a database; raises Failure where that cannot be opened or used."""
    from keyhouse.store.engine import CannotOpen, Unavailable

    try:
        return asyncio.run(work)
    except CannotOpen as error:
        raise Failure(str(error)) from None
    except Unavailable as refusal:
        raise Failure(refusal.text, Exit.TRY_AGAIN) from None
