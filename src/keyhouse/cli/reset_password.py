"""`keyhouse reset-password`: a link by which someone chooses a new password, made where Keyhouse runs."""

import os
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from keyhouse import config
from keyhouse.cli.place import Data, Database, database_url, master_key_path, wait_for
from keyhouse.cli.talk import AsJson, Exit, Failure, say, show_json
from keyhouse.control.account import LIFETIME_MS, ResetLink, link_by_command
from keyhouse.core.errors import Refusal
from keyhouse.core.keyring import derive
from keyhouse.store.engine import CannotOpen, Connection
from keyhouse.store.installation import find_lock
from keyhouse.store.master_key import read_master_key, root_of
from keyhouse.store.opening import ask_newest


def reset_password(
    *,
    email: Annotated[str, Parameter(help="Whose password; the address they sign in with.")],
    data: Data = None,
    database: Database = None,
    master_key: Annotated[Path | None, Parameter(help="The master key's file; default DATA/master.key.")] = None,
    url: Annotated[str | None, Parameter(help="The console; default server.public_url, else here.")] = None,
    json: AsJson = False,
) -> None:
    """Make a one-time link by which someone chooses a new password, for 30 minutes."""
    place = data if data is not None or database is not None else Path("data")
    try:
        key = read_master_key(master_key_path(place, master_key))
        server = config.load(None, os.environ).server
        found: ResetLink = wait_for(
            ask_newest(
                database_url(place, database),
                lambda connection: _link(connection, email.strip().lower(), key),
            )
        )
    except (CannotOpen, config.BadConfiguration) as error:
        raise Failure(str(error)) from None
    except Refusal as refusal:
        raise Failure(refusal.text, Exit.NOT_FOUND) from None
    base = (url or server.public_url or f"http://127.0.0.1:{server.port}").rstrip("/")
    link = f"{base}/new-password/{found.token}"
    if json:
        show_json({"email": found.email, "url": link, "expires_at_ms": found.until_ms})
        return
    print(link)
    say(f"{found.email} can choose a new password there, once, within {LIFETIME_MS // 60_000} minutes.")


def _link(connection: Connection, email: str, master_key: bytes) -> ResetLink:
    from keyhouse.ground import SystemClock  # what it stands on is slow to load

    keyring = derive(root_of(find_lock(connection), master_key))
    return link_by_command(connection, email, keyring.reset, SystemClock().now_ms())
