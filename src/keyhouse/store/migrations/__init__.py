"""The schema's history, by Alembic; `upgrade` runs what is missing, under the caller's lock.

Files are named NNNN_pre_what where the old program can run beside the new schema, NNNN_post_what where it
cannot.
"""

from pathlib import Path
from typing import Final

from sqlalchemy import Connection, inspect, text

from keyhouse.store.engine import CannotOpen

HEAD: Final = "0022"
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
        raise CannotOpen(
            f"The database has schema {found}, this program knows {HEAD}: it was written by a newer Keyhouse. "
            "Install that version; nothing was changed."
        )
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def revision(connection: Connection) -> str | None:
    """The schema's revision, None for an empty database."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
