"""What is derived from a database's root: one secret for each purpose, so that none can stand in for another.

The root is the master key that the database was made with. Where another one took its place, the root stands in the
database, wrapped: encrypted with the master key of the day. So a master key is changed without a new pepper, which
would be the end of every API key, as their secrets are not kept.
"""

import hashlib
import hmac
from typing import Final

import msgspec

from keyhouse.core.clock import Entropy
from keyhouse.core.sealing import CannotUnseal, Sealed, SealingKey, seal, unseal

_ROOT: Final = "installation/root"


class Keyring(msgspec.Struct, frozen=True):
    """`pepper` keys the digests of API keys' secrets, `audit` the audit log's chain, `reset` signs links for a new
    password, `sealing` encrypts credentials.
    """

    pepper: bytes
    audit: bytes
    reset: bytes
    sealing: SealingKey

    def __repr__(self) -> str:
        return "Keyring(...)"


def derive(root: bytes) -> Keyring:
    """The keys for each purpose (HMAC-SHA-256 of the purpose's name)."""
    return Keyring(
        pepper=_derived(root, b"keyhouse pepper 1"),
        audit=_derived(root, b"keyhouse audit 1"),
        reset=_derived(root, b"keyhouse reset 1"),
        sealing=SealingKey("1", _derived(root, b"keyhouse sealing 1")),
    )


def fingerprint(master_key: bytes) -> bytes:
    """What recognizes a master key and reveals nothing of it."""
    return _derived(master_key, b"keyhouse check 1")


def wrap(root: bytes, master_key: bytes, entropy: Entropy) -> bytes:
    """The root, encrypted with a master key."""
    return seal(root.hex(), _wrapping(master_key), _ROOT, entropy).content


def unwrap(wrapped: bytes, master_key: bytes) -> bytes:
    """The root again. Raises CannotUnseal."""
    text = unseal(Sealed(_wrapping(master_key).id, wrapped), _wrapping(master_key), _ROOT)
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise CannotUnseal(f"{_ROOT} holds no key") from None


def _wrapping(master_key: bytes) -> SealingKey:
    return SealingKey("master", _derived(master_key, b"keyhouse wrapping 1"))


def _derived(key: bytes, purpose: bytes) -> bytes:
    return hmac.digest(key, purpose, hashlib.sha256)
