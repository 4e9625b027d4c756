"""The audit log's chain: what binds each entry to the one before it, and the last one to the head. Pure.

An entry's code is HMAC-SHA-256 of the code before it and of everything the entry says, its number included; the head's
is of the last number and code. Without the key, which is derived from the master key and not in the database, none can
be made: an entry that was changed, added, taken away or moved no longer fits, and neither does a log that was cut off.
"""

import hashlib
import hmac
import re
from collections.abc import Sequence
from typing import Final

import msgspec

_HEAD: Final = re.compile(r"([0-9]{1,18}):([0-9a-f]{64}|)", re.ASCII)

BEGINNING: Final = b""
"""What stands before the first entry."""


class Head(msgspec.Struct, frozen=True):
    """Where an organization's chain ends: the last entry's number and code, 0 and `BEGINNING` while there is none."""

    sequence: int
    last_code: bytes

    def __str__(self) -> str:
        return f"{self.sequence}:{self.last_code.hex()}"


def parse_head(text: str) -> Head:
    """A head as it is printed: `41:` and 64 hexadecimal digits. Raises ValueError."""
    match = _HEAD.fullmatch(text.strip().lower())
    if match is None:
        raise ValueError("a head is a number, a colon and 64 hexadecimal digits")
    return Head(int(match[1]), bytes.fromhex(match[2]))


def entry_code(key: bytes, before: bytes, fields: Sequence[object]) -> bytes:
    """The code of an entry with these fields behind one with the code `before`."""
    return hmac.digest(key, b"entry\n" + before.hex().encode() + b"\n" + msgspec.json.encode(fields), hashlib.sha256)


def head_code(key: bytes, organization_id: str, head: Head) -> bytes:
    """The code of an organization's head."""
    return hmac.digest(key, b"head\n" + msgspec.json.encode([organization_id, str(head)]), hashlib.sha256)
