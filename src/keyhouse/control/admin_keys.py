"""Recognizing admin keys: who calls the Admin API. Failure can only raise; nobody is anonymous."""

from collections.abc import Sequence
from typing import Final

from keyhouse.core.authority import Grant
from keyhouse.core.clock import Clock
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.key import Credential, dead_key, died_at_ms, why_dead
from keyhouse.core.secret import Kind, Secret, digest, parse, redact
from keyhouse.store import grants, keys, people
from keyhouse.store.engine import Actor, Connection, Database

USES_SECONDS: Final = 5.0
"""How often the last uses of admin keys are written."""

SECRET_LENGTH_MAX: Final = 200
"""Longer than any secret; what is longer is not even looked at."""


class AdminKeys:
    """Turns the `Authorization` header of an Admin API request into an actor, and remembers when a key was used."""

    def __init__(self, database: Database, clock: Clock, pepper: bytes) -> None:
        self._database = database
        self._clock = clock
        self._pepper = pepper
        self._used_at_ms: dict[str, int] = {}

    async def authenticate(self, authorization: Sequence[str], address: str) -> Actor:
        """Who calls, by the values of all `Authorization` headers; `address` is the caller's.

        Raises Refusal(CREDENTIAL_MISSING, CREDENTIAL_TWICE, KEY_MALFORMED, KEY_WRONG_KIND, KEY_UNKNOWN), or the
        code of what killed the key. No database is asked about what is not shaped like an admin key.
        """
        secret = _read(authorization)
        stored = digest(secret.value, self._pepper)

        def find(connection: Connection) -> tuple[Credential | None, people.Member | None, tuple[Grant, ...]]:
            credential = keys.find_credential(connection, stored)
            if credential is None:
                return None, None, ()
            organization_id, user_id = credential.organization_id, credential.owner_id
            member = people.find_member(connection, organization_id, user_id)
            return credential, member, grants.list_grants(connection, organization_id, user_id)

        credential, member, held = await self._database.read(find)
        if credential is None:
            raise dead_key(Code.KEY_UNKNOWN, redact(secret.value))
        if credential.kind is not Kind.ADMIN:
            raise _wrong_kind(credential.redacted)
        dead = why_dead(credential.standing, self._clock.now_ms())
        if dead is not None:
            raise dead_key(dead, credential.redacted, died_at_ms(credential.standing, dead))
        if member is None:
            raise dead_key(Code.KEY_OWNER_GONE, credential.redacted)
        self._used_at_ms[credential.key_id] = self._clock.now_ms()
        return Actor(
            "api_key",
            credential.organization_id,
            credential.owner_id,
            member.email,
            member.role,
            key_id=credential.key_id,
            address=address,
            grants=held,
        )

    async def write_uses(self) -> None:
        """Write when keys were last used since this was last done: authentication itself writes nothing.

        What cannot be written now is kept for the next time. Raises Unavailable.
        """
        used, self._used_at_ms = self._used_at_ms, {}
        if not used:
            return
        try:
            await self._database.write(lambda connection: keys.update_last_uses(connection, used))
        except BaseException:
            self._used_at_ms = used | self._used_at_ms
            raise


def _read(authorization: Sequence[str]) -> Secret:
    if not authorization:
        raise _missing()
    if len(authorization) > 1:
        raise Refusal(
            Code.CREDENTIAL_TWICE,
            "The request has more than one Authorization header.",
            hint="Send exactly one.",
        )
    scheme, _, value = authorization[0].strip().partition(" ")
    if scheme.lower() != "bearer" or not value.strip():
        raise _missing()
    text = value.strip()
    secret = parse(text) if len(text) <= SECRET_LENGTH_MAX else None
    if secret is None:
        raise Refusal(
            Code.KEY_MALFORMED,
            f"{redact(text)} is not a Keyhouse key: its shape or its checksum is wrong.",
            hint="Check that the whole key was copied; an admin key begins with sk-admin-kh_.",
        )
    if secret.kind is not Kind.ADMIN:
        raise _wrong_kind(redact(text))
    return secret


def _missing() -> Refusal:
    return Refusal(
        Code.CREDENTIAL_MISSING,
        "The request has no admin key.",
        hint="Send an admin key (sk-admin-kh_...) as Authorization: Bearer.",
    )


def _wrong_kind(shown: str) -> Refusal:
    return Refusal(
        Code.KEY_WRONG_KIND,
        f"The API key {shown} calls models; the Admin API takes admin keys only.",
        hint="Use an admin key (sk-admin-kh_...); an owner makes one in the console, under Settings.",
    )
