"""The master key's file: made once, for an empty database, and never again over an existing one.

Whoever has the database without this file can neither recognize a secret nor forge one.
"""

import asyncio
import hmac
import os
from pathlib import Path
from typing import Final

from keyhouse.core.clock import Clock, Entropy
from keyhouse.core.keyring import Keyring, derive, fingerprint, unwrap
from keyhouse.core.sealing import CannotUnseal
from keyhouse.store.engine import CannotOpen, Connection, Database
from keyhouse.store.installation import Lock, find_lock, insert_lock

BYTES: Final = 32

_SAME: Final = (
    "Restore it from a backup, or copy it from another gateway of this database: all of them need the same file."
)


async def open_keyring(path: Path, database: Database, clock: Clock, entropy: Entropy) -> Keyring:
    """The keyring of this database. Raises CannotOpen if its master key is missing, malformed or another one."""
    known = await database.read(find_lock)
    is_made = known is None and await asyncio.to_thread(make_master_key, path, entropy)
    master_key = await asyncio.to_thread(read_master_key, path)
    if known is None:
        now_ms, lock = clock.now_ms(), Lock(fingerprint(master_key))
        known = await database.write(lambda connection: insert_lock(connection, lock, now_ms))
    try:
        return derive(root_of(known, master_key))
    except CannotOpen as error:
        if is_made:
            # Another gateway was first: what was made here a moment ago is no database's key.
            await asyncio.to_thread(path.unlink)
        raise CannotOpen(f"{path}: {error} {_SAME}") from None


def find_keyring(connection: Connection, path: Path) -> Keyring:
    """The keyring of this database, by the master key in this file; nothing is made. Raises CannotOpen."""
    return derive(root_of(find_lock(connection), read_master_key(path)))


def root_of(lock: Lock | None, master_key: bytes) -> bytes:
    """What this master key opens. Raises CannotOpen if it is not the one that this database answers to."""
    if lock is None or not hmac.compare_digest(lock.fingerprint, fingerprint(master_key)):
        raise CannotOpen("The key given is not the master key of this database.")
    if lock.wrapped_root is None:
        return master_key
    try:
        return unwrap(lock.wrapped_root, master_key)
    except CannotUnseal as error:
        raise CannotOpen(f"What the master key opens was altered in the database: {error}.") from None


def make_master_key(path: Path, entropy: Entropy) -> bool:
    """Make the file, unless there is one; it appears whole or not at all. Whether it was made."""
    if path.exists():
        return False
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{entropy(8).hex()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(entropy(BYTES).hex() + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    _sync_folder(path.parent)
    return True


def read_master_key(path: Path) -> bytes:
    """The master key in this file. Raises CannotOpen if it is missing or malformed."""
    try:
        master_key = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except FileNotFoundError:
        raise CannotOpen(
            f"The master key {path} is missing, and this database has one already. No API key can be recognized "
            f"without it. {_SAME}"
        ) from None
    except (OSError, ValueError) as error:
        raise CannotOpen(f"The master key {path} cannot be read: {error}.") from None
    if len(master_key) != BYTES:
        raise CannotOpen(f"The master key {path} holds {len(master_key)} bytes, not {BYTES}.")
    return master_key


def _sync_folder(folder: Path) -> None:
    """A database must not be bound to a file that a power cut takes away."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
