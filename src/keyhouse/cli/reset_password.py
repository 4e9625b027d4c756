"""`keyhouse reset-password`: a link by which someone chooses a new password, made where Keyhouse runs."""

import os
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from keyhouse import config
from keyhouse.cli.client import server_url
from keyhouse.cli.place import Data, Database, database_url, master_key_path, wait_for
from keyhouse.cli.talk import AsJson, Exit, Failure, say, show_json
from keyhouse.control.account import LIFETIME_MS, ResetLink, link_by_command
from keyhouse.core.errors import Refusal
from keyhouse.store.engine import Connection
from keyhouse.store.master_key import find_keyring
from keyhouse.store.opening import ask_newest


def reset_password(
    *,
    email: Annotated[str, Parameter(help="Whose password; the address they sign in with.")],
    data: Data = None,
    database: Database = None,
    master_key: Annotated[Path | None, Parameter(help="The master key's file; default DATA/master.key.")] = None,
    url: Annotated[str | None, Parameter(help="The console; default server.public_url, else KEYHOUSE_URL.")] = None,
    json: AsJson = False,
) -> None:
    """Make a one-time link by which someone chooses a new password, for 30 minutes.

    It only reads, also beside a running server. The link leads to server.public_url, to KEYHOUSE_URL where there is
    none, or else to the configured port on this machine.

    For example:

        keyhouse reset-password --data data --email ada@example.com

        keyhouse reset-password --data data --email ada@example.com --url http://127.0.0.1:9000
    """
    try:
        server = config.load(None, os.environ).server
    except config.BadConfiguration as error:
        raise Failure(str(error)) from None
    base = url or server.public_url or server_url(os.environ, f"http://127.0.0.1:{server.port}")
    address, key_path = database_url(data, database, Path("data")), master_key_path(data, master_key)
    try:
        found: ResetLink = wait_for(ask_newest(address, lambda c: _link(c, email, key_path)))
    except Refusal as refusal:
        raise Failure(refusal.text, Exit.NOT_FOUND) from None
    link = f"{base.rstrip('/')}/new-password/{found.token}"
    if json:
        show_json({"email": found.email, "url": link, "expires_at_ms": found.until_ms})
        return
    print(link)
    say(f"{found.email} can choose a new password there, once, within {LIFETIME_MS // 60_000} minutes.")
    if not (url or server.public_url or os.environ.get("KEYHOUSE_URL")):
        say(f"{base} is where Keyhouse is by its configuration; started with another --port, name it by --url.")


def _link(connection: Connection, email: str, key_path: Path) -> ResetLink:
    from keyhouse.ground import SystemClock  # what it stands on is slow to load

    reset_key = find_keyring(connection, key_path).reset
    return link_by_command(connection, email.strip().lower(), reset_key, SystemClock().now_ms())
