"""Credentials at rest: AES-256-GCM, each with a nonce of its own, bound to the row that it stands in.

What was sealed for one row does not open in another, so that whoever can write to the database cannot make
Keyhouse send one upstream's credential to another. The key's id stands beside it, for the day it is changed.
"""

from typing import TYPE_CHECKING, Final

import msgspec

from keyhouse.core.clock import Entropy

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE_BYTES: Final = 12
"""Random ones of 96 bits may be used 2**32 times with one key (NIST SP 800-38D, 8.3)."""


class CannotUnseal(Exception):  # noqa: N818  it is an answer, not a fault
    """A sealed credential does not open: its key is another one, or it was altered or moved."""


class SealingKey(msgspec.Struct, frozen=True):
    """256 bits, and the name by which they are found again."""

    id: str
    secret: bytes

    def __repr__(self) -> str:
        return f"SealingKey({self.id!r})"


class Sealed(msgspec.Struct, frozen=True):
    """What stands in the database: the key's id; the nonce, and behind it what was encrypted with its tag."""

    key_id: str
    content: bytes


def seal(plain: str, key: SealingKey, row: str, entropy: Entropy) -> Sealed:
    """Encrypt a text for a `row`, such as `upstreams/upstream_1/credential`."""
    nonce = entropy(NONCE_BYTES)
    return Sealed(key.id, nonce + _cipher(key).encrypt(nonce, plain.encode(), _bound(key, row)))


def unseal(sealed: Sealed, key: SealingKey, row: str) -> str:
    """The text again. Raises CannotUnseal."""
    if sealed.key_id != key.id:
        raise CannotUnseal(f"{row} was sealed with the key {sealed.key_id}, and this is {key.id}")
    from cryptography.exceptions import InvalidTag

    nonce, content = sealed.content[:NONCE_BYTES], sealed.content[NONCE_BYTES:]
    try:
        return _cipher(key).decrypt(nonce, content, _bound(key, row)).decode()
    except (InvalidTag, ValueError):
        raise CannotUnseal(f"{row} was altered, or sealed for another row") from None


def _cipher(key: SealingKey) -> "AESGCM":
    # Late: it takes 8 MB, which a house that has sealed nothing can do without.
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(key.secret)


def _bound(key: SealingKey, row: str) -> bytes:
    return f"keyhouse {key.id} {row}".encode()
