"""`keyhouse db`: the database's schema."""

import os
from typing import Final

from cyclopts import App

from keyhouse.cli.place import Data, Database, database_url, wait_for
from keyhouse.cli.talk import AsJson, say, show_fields, show_json
from keyhouse.store import migrations
from keyhouse.store.opening import look, open_database

db_app: Final = App(name="db", help="The database's schema.")


@db_app.command
def status(*, data: Data = None, database: Database = None, json: AsJson = False) -> None:
    """Show which schema the database has, and whether it has to be upgraded. It only reads.

    For example:

        keyhouse db status --data data

        keyhouse db status --database postgresql://keyhouse@db.example.com/keyhouse --json
    """
    _show(wait_for(look(database_url(data, database), migrations.revision)), as_json=json)


@db_app.command
def upgrade(*, data: Data = None, database: Database = None, json: AsJson = False) -> None:
    """Bring the schema up to date. A start does the same; this does it before, alone among all gateways.

    For example:

        keyhouse db upgrade --database postgresql://keyhouse@db.example.com/keyhouse
    """
    found = wait_for(_upgrade(database_url(data, database)))
    if found != migrations.HEAD:
        say(f"upgraded from {found or 'an empty database'} to {migrations.HEAD}.")
    _show(migrations.HEAD, as_json=json)


async def _upgrade(url: str) -> str | None:
    """Upgrade; the revision before."""
    # It brings the whole of Keyhouse along, which looking does not need.
    from keyhouse.ground import SystemClock

    found = await look(url, migrations.revision)
    opened = await open_database(url, SystemClock(), os.urandom)
    await opened.close()
    return found


def _show(revision: str | None, *, as_json: bool) -> None:
    needs_upgrade = revision is None or revision < migrations.HEAD
    body = {"revision": revision, "newest": migrations.HEAD, "needs_upgrade": needs_upgrade}
    if as_json:
        show_json({"object": "database.status", **body})
        return
    show_fields({"revision": revision, "newest known": migrations.HEAD, "needs upgrade": needs_upgrade})
