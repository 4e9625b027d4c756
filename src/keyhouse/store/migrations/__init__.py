"""The schema's history, by Alembic; `upgrade` runs what is missing, under the caller's lock.

Files are named NNNN_pre_what where the old program can run beside the new schema, NNNN_post_what where it
cannot.
"""

from pathlib import Path
from typing import Final

from sqlalchemy import Connection, inspect, text

from keyhouse.store.engine import CannotOpen

HEAD: Final = "0028"
"""The newest migration. A start on a database that has it need not load Alembic at all."""


def upgrade(connection: Connection) -> None:
    """Bring the schema to `HEAD`, in one transaction.

    Raises CannotOpen if the database was written by a newer program.
    """
    found = revision(connection)
    connection.rollback()
    if found == HEAD:
        return
    if found is not None and found > HEAD:
        raise _newer(found)
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def require_newest(connection: Connection) -> None:
    """Raise CannotOpen, saying what to do, unless the schema is `HEAD`, which all questions are written for."""
    found = revision(connection)
    if found is not None and found > HEAD:
        raise _newer(found)
    if found != HEAD:
        has = "no schema yet" if found is None else f"schema {found}"
        raise CannotOpen(
            f"The database has {has}, and this program reads {HEAD}. Upgrade it first: `keyhouse db upgrade`, or start "
            "the server of this version. Nothing was changed."
        )


def _newer(found: str) -> CannotOpen:
    return CannotOpen(
        f"The database has schema {found}, this program knows {HEAD}: it was written by a newer Keyhouse. "
        "Install that version; nothing was changed."
    )


def revision(connection: Connection) -> str | None:
    """The schema's revision, None for an empty database."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
