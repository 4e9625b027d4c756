"""Making an admin key in the database itself, where no admin key is at hand."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from keyhouse.admin import shapes
from keyhouse.cli.client import Json
from keyhouse.cli.place import wait_for
from keyhouse.cli.talk import Exit, Failure
from keyhouse.control.new_admin_keys import ByCommand
from keyhouse.core.errors import Code, Refusal
from keyhouse.ground import SystemClock
from keyhouse.reporting.listings import OwnedKey
from keyhouse.store.audit_chains import open_audit_log
from keyhouse.store.engine import Connection
from keyhouse.store.installation import find_lock
from keyhouse.store.master_key import open_keyring, read_master_key, root_of
from keyhouse.store.opening import ask_newest, open_database

_STATUS: Final[Mapping[Code, Exit]] = {
    Code.NOT_FOUND: Exit.NOT_FOUND,
    Code.NOT_PERMITTED: Exit.DENIED,
    Code.PARAMETER_INVALID: Exit.USAGE,
}


def make_admin_key(url: str, master_key: Path, email: str, name: str, seconds: int | None) -> Json:
    """Make it for whoever signs in with this address; the key as the Admin API shows it, with its value."""
    try:
        # Asked before anything is opened for writing: so no database and no master key is made here.
        wait_for(ask_newest(url, lambda connection: _require_master_key(connection, master_key)))
        return wait_for(_make(url, master_key, email, name, seconds))
    except Refusal as refusal:
        raise Failure(refusal.text, _STATUS.get(refusal.code, Exit.ERROR)) from None


def _require_master_key(connection: Connection, path: Path) -> None:
    root_of(find_lock(connection), read_master_key(path))


async def _make(url: str, master_key: Path, email: str, name: str, seconds: int | None) -> Json:
    clock, entropy = SystemClock(), os.urandom
    database = await open_database(url, clock, entropy)
    try:
        keyring = await open_keyring(master_key, database, clock, entropy)
        await open_audit_log(database, keyring.audit, clock, entropy)
        ends_at_ms = None if seconds is None else clock.now_ms() + seconds * 1000
        made = ByCommand(database, clock, entropy, keyring.pepper)
        issued, owner = await made.create(email, name, ends_at_ms)
    finally:
        await database.close()
    return shapes.admin_key(OwnedKey(issued.key, owner, is_owner_active=True)) | {"value": issued.value}
