"""A database by its address, whichever engine it is."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

from keyhouse.core.clock import Clock, Entropy
from keyhouse.store import migrations, sqlite
from keyhouse.store.address import is_postgres
from keyhouse.store.engine import CannotOpen, Connection, Database

T = TypeVar("T")

SQLITE: Final = "sqlite:///"


def address_of(folder: Path) -> str:
    """The address of the database in a data folder."""
    return f"{SQLITE}{folder / 'keyhouse.db'}"


async def open_database(url: str, clock: Clock, entropy: Entropy) -> Database:
    """Open the database at `sqlite:///path` or `postgresql://...`, and bring its schema up to date.

    Raises CannotOpen, with nothing changed.
    """
    if is_postgres(url):
        # Late: its driver takes 11 MB and a quarter of a second.
        from keyhouse.store import postgres

        return await postgres.open_postgres(url, clock, entropy)
    return await asyncio.to_thread(sqlite.open_sqlite, _path(url), clock, entropy)


async def look(url: str, question: Callable[[Connection], T]) -> T:
    """Ask a question of any length on a snapshot, beside a running server. Raises CannotOpen."""
    if is_postgres(url):
        from keyhouse.store import postgres

        return await postgres.read_only(url, question)

    def ask() -> T:
        engine = sqlite.read_only(_path(url))
        try:
            with engine.connect() as connection:
                return question(connection)
        finally:
            engine.dispose()

    return await asyncio.to_thread(ask)


async def ask_newest(url: str, question: Callable[[Connection], T]) -> T:
    """The same of a database whose schema is the newest. Raises CannotOpen, for an older one with what to do first."""

    def ask(connection: Connection) -> T:
        migrations.require_newest(connection)
        return question(connection)

    return await look(url, ask)


def _path(url: str) -> Path:
    if not url.startswith(SQLITE):
        raise CannotOpen(
            "The database address is neither sqlite:///path/to/keyhouse.db nor postgresql://user@host/name."
        )
    return Path(url.removeprefix(SQLITE))
