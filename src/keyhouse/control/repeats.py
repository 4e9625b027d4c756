"""Requests repeated with the same `Idempotency-Key` make one key or one secret, and are answered alike.

A program whose connection broke does not know whether its key was made. It asks again with the same
`Idempotency-Key`: within ten minutes it is shown the same secret, within a day it is told that this was shown, and
the same key on another request is a mistake. The secret is not stored meanwhile: it was derived, by HMAC under the
server's pepper, from a random seed, and the seed is what is kept for those ten minutes.
"""

import hashlib
import hmac
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

import msgspec

from keyhouse.control.issuing import IssuedKey
from keyhouse.core.clock import Clock, Entropy
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.secret import mint
from keyhouse.store import keys
from keyhouse.store import repeats as rows
from keyhouse.store.engine import Change, Connection, Database
from keyhouse.store.repeats import Repeat

SHOWN_AGAIN_MS: Final = 10 * 60_000
REMEMBERED_MS: Final = 24 * 3_600_000
KEY_LENGTH_MAX: Final = 255

_PURPOSE: Final = b"keyhouse repeated secret 1"
_SEED_BYTES: Final = 32


class Once(msgspec.Struct, frozen=True):
    """A request that may be repeated: whose, under which key, and what it asks for."""

    organization_id: str
    actor_id: str
    idempotency_key: str
    fingerprint: bytes


class Minting(msgspec.Struct, frozen=True):
    """Where a new secret's randomness comes from, and how its change notes what was made."""

    entropy: Entropy
    note: Callable[[Change, IssuedKey], None] = lambda _change, _issued: None


class _Repeated(Exception):  # noqa: N818  another request with the same key was first
    """Nothing was made, because it has been made already."""


def read_once(organization_id: str, actor_id: str, idempotency_key: str, request: str, body: bytes) -> Once:
    """The request as one that may be repeated; `request` is its method and path.

    Raises Refusal(PARAMETER_INVALID) for a key that is none.
    """
    key = idempotency_key.strip()
    if not 1 <= len(key) <= KEY_LENGTH_MAX or not (key.isascii() and key.isprintable()):
        raise Refusal(
            Code.PARAMETER_INVALID,
            "The Idempotency-Key cannot be used.",
            hint=f"It has 1 to {KEY_LENGTH_MAX} printable ASCII characters; a UUID will do.",
            param="Idempotency-Key",
        )
    return Once(organization_id, actor_id, key, hashlib.sha256(request.encode() + b"\n" + body).digest())


async def issue_once(
    database: Database,
    clock: Clock,
    entropy: Entropy,
    pepper: bytes,
    once: Once | None,
    issue: Callable[[Minting], Awaitable[IssuedKey]],
    require_allowed: Callable[[Connection, int], None],
) -> IssuedKey:
    """What `issue` makes; what it made, if the same request was made before.

    Raises Refusal(CONFLICT) if the key was used for another request, or its secret is not shown any more, and whatever
    `require_allowed` raises at this moment: who may no longer make it is not shown again what they made.
    """
    if once is None:
        return await issue(Minting(entropy))

    def find(connection: Connection) -> IssuedKey | None:
        now_ms = clock.now_ms()
        repeat = rows.find_repeat(connection, once.actor_id, once.idempotency_key, now_ms - REMEMBERED_MS)
        if repeat is None:
            return None
        require_allowed(connection, now_ms)
        return _again(connection, once, repeat, pepper, now_ms)

    seed = entropy(_SEED_BYTES)

    def note(change: Change, issued: IssuedKey) -> None:
        made, now_ms = issued.key.current.version, change.now_ms
        repeat = Repeat(once.actor_id, once.idempotency_key, once.fingerprint, issued.key.id, made, seed, now_ms)
        if not rows.insert_repeat(change.connection, repeat, now_ms - REMEMBERED_MS):
            raise _Repeated

    while True:
        found = await database.read(find)
        if found is not None:
            return found
        with suppress(_Repeated):
            return await issue(Minting(_derived(pepper, seed), note))


def _again(connection: Connection, once: Once, repeat: Repeat, pepper: bytes, now_ms: int) -> IssuedKey:
    """What the earlier request was answered with."""
    if not hmac.compare_digest(repeat.fingerprint, once.fingerprint):
        raise Refusal(
            Code.CONFLICT,
            f"This Idempotency-Key was used for another request, which made a secret of {repeat.key_id}.",
            hint="Use a new Idempotency-Key for each request that is not a repetition.",
            param="Idempotency-Key",
        )
    if repeat.seed is None or repeat.created_at_ms + SHOWN_AGAIN_MS <= now_ms:
        raise Refusal(
            Code.CONFLICT,
            f"This request has been made already: it made version {repeat.version} of {repeat.key_id}, whose secret is "
            "not shown again.",
            hint="Rotate that key for a new secret.",
            param="Idempotency-Key",
        )
    key = keys.get_key(connection, once.organization_id, repeat.key_id)
    before = next((secret for secret in key.secrets if secret.version == repeat.version - 1), None)
    secret = mint(key.kind, key.id, _derived(pepper, repeat.seed))
    return IssuedKey(key, secret.value, None if before is None else before.ends_at_ms)


def _derived(pepper: bytes, seed: bytes) -> Entropy:
    """A secret's randomness from a seed: up to 64 bytes that nobody can make without the pepper."""
    random = hmac.digest(hmac.digest(pepper, _PURPOSE, hashlib.sha256), seed, hashlib.sha512)
    return lambda count: random[:count]
