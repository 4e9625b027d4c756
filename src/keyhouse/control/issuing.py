"""Making keys and secrets: the one place where a secret's value exists, on its way to whoever asked for it."""

from typing import Final

import msgspec

from keyhouse.core.clock import Entropy
from keyhouse.core.key import ApiKey, SecretVersion
from keyhouse.core.permissions import ALL, Permissions
from keyhouse.core.secret import Kind, digest, mint, mint_key_id
from keyhouse.store import keys
from keyhouse.store.engine import Connection

PEPPER_VERSION: Final = 1
"""Written beside each digest, so that another pepper can follow this one."""


class IssuedKey(msgspec.Struct, frozen=True):
    """A key with its new secret's value, which is shown once and kept nowhere.

    `previous_secret_ends_at_ms` is the first millisecond at which the secret before it is refused.
    """

    key: ApiKey
    value: str
    previous_secret_ends_at_ms: int | None = None

    def __repr__(self) -> str:
        return f"IssuedKey({self.key.id}, version {self.key.current.version})"

    __str__ = __repr__


class NewKey(msgspec.Struct, frozen=True):
    """What a key is made of, in the form it is stored in."""

    kind: Kind
    organization_id: str
    project_id: str | None
    owner_id: str
    name: str
    permissions: Permissions = ALL
    models: tuple[str, ...] | None = None
    endpoints: tuple[str, ...] | None = None
    ip_allowlist: tuple[str, ...] = ()
    expires_at_ms: int | None = None
    parent_id: str | None = None


def issue_key(
    connection: Connection,
    new: NewKey,
    now_ms: int,
    entropy: Entropy,
    pepper: bytes,
    *,
    created_by: str | None = None,
    secret_entropy: Entropy | None = None,
) -> IssuedKey:
    """Make a key and its first secret, both created by this user, by the key's owner if none is named.

    `secret_entropy` is the secret's own, where it is not that of the key's id.
    """
    creator = created_by or new.owner_id
    key = ApiKey(
        id=mint_key_id(entropy),
        **msgspec.structs.asdict(new),
        created_at_ms=now_ms,
        created_by=creator,
        disabled_at_ms=None,
        disabled_by=None,
        revoked_at_ms=None,
        revoked_by=None,
        last_used_at_ms=None,
        secrets=(),
    )
    keys.insert_key(connection, key)
    return issue_secret(connection, key, creator, now_ms, secret_entropy or entropy, pepper)


def issue_secret(
    connection: Connection, key: ApiKey, created_by: str, now_ms: int, entropy: Entropy, pepper: bytes
) -> IssuedKey:
    """Give a key its next secret. What becomes of those before it is the caller's to write."""
    secret = mint(key.kind, key.id, entropy)
    version = SecretVersion(
        version=key.current.version + 1 if key.secrets else 1,
        last_four=secret.value[-4:],
        created_at_ms=now_ms,
        created_by=created_by,
        ends_at_ms=None,
    )
    keys.insert_secret(connection, key.id, version, digest(secret.value, pepper), PEPPER_VERSION)
    return IssuedKey(msgspec.structs.replace(key, secrets=(version, *key.secrets)), secret.value)
