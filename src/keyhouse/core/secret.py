"""Secrets: what a client sends to prove who it is.

`sk-kh_<10 base62 id>_<32 base62 secret><6 base62 CRC32>`; service accounts' and admin keys' secrets begin
with `sk-svcacct-kh_` and `sk-admin-kh_`. The ten characters are those of the key's own id (`key_<id>`),
so that a secret found anywhere names its key. The checksum lets garbage be refused, and a leak be
recognized, without asking a database. 32 base62 digits are 190 bits, so one fast HMAC is enough to store
(OWASP ASVS 5, 6.5.2).
"""

import hashlib
import hmac
import re
import zlib
from enum import StrEnum
from functools import lru_cache
from typing import Final

import msgspec

from keyhouse.core.clock import Entropy
from keyhouse.core.identifiers import base62, random_base62


class Kind(StrEnum):
    """Whose key it is, visible in its first characters."""

    USER = "user"
    SERVICE_ACCOUNT = "service_account"
    ADMIN = "admin"


PREFIXES: Final = {Kind.USER: "sk-kh_", Kind.SERVICE_ACCOUNT: "sk-svcacct-kh_", Kind.ADMIN: "sk-admin-kh_"}
_KINDS: Final = {prefix: kind for kind, prefix in PREFIXES.items()}
_SHAPE: Final = re.compile(r"(sk-(?:svcacct-|admin-)?kh_)([0-9A-Za-z]{10})_([0-9A-Za-z]{32})([0-9A-Za-z]{6})", re.ASCII)


PATTERN: Final = r"sk-(?:svcacct-|admin-)?kh_[0-9A-Za-z]{10}_[0-9A-Za-z]{38}"
"""The shape, for tools that look for secrets (docs/leaks.md)."""

SECRET_CHARACTERS_MAX: Final = 64
"""No secret is longer."""

_ANYWHERE: Final = re.compile(rf"(?<![0-9A-Za-z_-]){PATTERN}(?![0-9A-Za-z])", re.ASCII)


class Secret(msgspec.Struct, frozen=True):
    """A credential whose shape and checksum are right. Nothing yet says that anyone issued it."""

    kind: Kind
    key_id: str
    value: str

    def __repr__(self) -> str:
        return f"Secret({redact(self.value)})"

    __str__ = __repr__


def mint(kind: Kind, key_id: str, entropy: Entropy) -> Secret:
    """A new secret for the key with this id."""
    stem = f"{PREFIXES[kind]}{key_id.removeprefix('key_')}_{random_base62(entropy(40), 32)}"
    return Secret(kind, key_id, stem + _checksum(stem))


def mint_key_id(entropy: Entropy) -> str:
    """A new key's id: `key_` and ten base62 digits."""
    return "key_" + random_base62(entropy(16), 10)


def parse(text: str) -> Secret | None:
    """The credential in `text`, or None if its shape or its checksum is wrong."""
    match = _SHAPE.fullmatch(text)
    if match is None or _checksum(text[:-6]) != match[4]:
        return None
    return Secret(_KINDS[match[1]], f"key_{match[2]}", text)


def find(text: str) -> list[tuple[int, Secret]]:
    """Every credential in a text, whose shape and checksum are right, with where it begins."""
    found = []
    for match in _ANYWHERE.finditer(text):
        secret = parse(match[0])
        if secret is not None:
            found.append((match.start(), secret))
    return found


def redact(text: str) -> str:
    """What may be shown of a credential: `sk-kh_7Qm2...x9Fa`. Anything else is cut to its first characters."""
    match = _SHAPE.fullmatch(text)
    if match is None:
        return f"{text[:6]}..." if len(text) > 6 else "..."
    return redacted(_KINDS[match[1]], f"key_{match[2]}", text[-4:])


def redacted(kind: Kind, key_id: str, last_four: str) -> str:
    """The same from what is stored: kind, key id and the last four characters."""
    return f"{PREFIXES[kind]}{key_id.removeprefix('key_')[:4]}...{last_four}"


def digest(value: str, pepper: bytes) -> bytes:
    """What is stored of a secret: HMAC-SHA-256 of the whole text under the server's pepper (32 bytes)."""
    # Not `hmac.digest`: that gives Python's lock up even for so short a text, and has to wait for it again.
    mac = _keyed(pepper).copy()
    mac.update(value.encode())
    return mac.digest()


@lru_cache(maxsize=4)
def _keyed(pepper: bytes) -> hmac.HMAC:
    """What has been fed the pepper and nothing else: making it takes as long as the rest."""
    return hmac.new(pepper, digestmod=hashlib.sha256)


def _checksum(stem: str) -> str:
    return base62(zlib.crc32(stem.encode()), 6)
