"""What SQLAlchemy has compiled once is not compiled again for the next test.

It keeps compiled statements with their engine, as a server does that runs for months. Each test has an engine of its
own, and compiled them all anew: a third of the time of the control plane's tests.
"""

from collections.abc import MutableMapping
from typing import Any, Final

from sqlalchemy import Connection, Dialect, Engine, event

_KEPT: Final[dict[tuple[object, ...], tuple[Dialect, MutableMapping[Any, Any]]]] = {}
"""The dialect, which is part of what a statement is found by, and what was compiled for it."""


def keep_compiled() -> None:
    """From now on every connection of this process uses what was compiled for any that is like it."""
    event.listen(Engine, "engine_connect", _share)


def _share(connection: Connection) -> None:
    dialect = connection.dialect
    like = type(dialect), dialect.server_version_info, getattr(dialect, "_on_connect_isolation_level", None)
    connection.dialect, kept = _KEPT.setdefault(like, (dialect, {}))
    connection.engine._compiled_cache = kept
