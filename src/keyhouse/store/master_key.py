"""The master key's file: made once, for an empty database, and never again.

Whoever has the database without this file can neither recognize a secret nor forge one.
"""

import asyncio
import hmac
import os
from pathlib import Path
from typing import Final

from keyhouse.core.clock import Clock, Entropy
from keyhouse.core.keyring import Keyring, derive
from keyhouse.store.engine import CannotOpen, Database
from keyhouse.store.installation import find_master_key_check, insert_master_key_check

BYTES: Final = 32


async def open_keyring(path: Path, database: Database, clock: Clock, entropy: Entropy) -> Keyring:
    """The keyring of this database. Raises CannotOpen if its master key is missing, malformed or another one."""
    known = await database.read(find_master_key_check)
    keyring = derive(await asyncio.to_thread(_read_or_make, path, entropy, may_make=known is None))
    if known is None:
        await database.write(lambda connection: insert_master_key_check(connection, keyring.check, clock.now_ms()))
    elif not hmac.compare_digest(known, keyring.check):
        raise CannotOpen(f"{path} is not the master key this database was made with. Put the right file back.")
    return keyring


def _read_or_make(path: Path, entropy: Entropy, *, may_make: bool) -> bytes:
    if may_make and not path.exists():
        _make(path, entropy)
    return _read(path)


def _make(path: Path, entropy: Entropy) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(entropy(BYTES).hex() + "\n")
        file.flush()
        os.fsync(file.fileno())


def _read(path: Path) -> bytes:
    try:
        master_key = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except FileNotFoundError:
        raise CannotOpen(
            f"The master key {path} is missing. No API key can be recognized without it: restore it from a backup."
        ) from None
    except (OSError, ValueError) as error:
        raise CannotOpen(f"The master key {path} cannot be read: {error}.") from None
    if len(master_key) != BYTES:
        raise CannotOpen(f"The master key {path} holds {len(master_key)} bytes, not {BYTES}.")
    return master_key
