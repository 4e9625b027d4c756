"""What is derived from the master key: one secret for each purpose, so that none can stand in for another."""

import hashlib
import hmac

import msgspec

from keyhouse.core.sealing import SealingKey


class Keyring(msgspec.Struct, frozen=True):
    """`pepper` keys the digests of API keys' secrets, `audit` the audit log's chain, `reset` signs links for a new
    password, `sealing` encrypts credentials; `check` recognizes the master key and reveals nothing of it.
    """

    pepper: bytes
    audit: bytes
    reset: bytes
    check: bytes
    sealing: SealingKey

    def __repr__(self) -> str:
        return "Keyring(...)"


def derive(master_key: bytes) -> Keyring:
    """The keys for each purpose (HMAC-SHA-256 of the purpose's name)."""
    return Keyring(
        pepper=_derived(master_key, b"keyhouse pepper 1"),
        audit=_derived(master_key, b"keyhouse audit 1"),
        reset=_derived(master_key, b"keyhouse reset 1"),
        check=_derived(master_key, b"keyhouse check 1"),
        sealing=SealingKey("1", _derived(master_key, b"keyhouse sealing 1")),
    )


def _derived(master_key: bytes, purpose: bytes) -> bytes:
    return hmac.digest(master_key, purpose, hashlib.sha256)
