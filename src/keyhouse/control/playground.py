"""The key behind the playground: each person's own, one for each project, whose secret never leaves this process.

It is a key like any other: its owner, permissions and limits are those of the person, it is in lists and in usage,
and can be disabled or revoked. Its secret lives for an hour; after that, or after a restart, the key gets another. A
key that is as old as the organization's policy lets one be is revoked, and another follows it.
"""

from typing import Final

import msgspec

from keyhouse.control.keys import KeyChange, KeyDraft, Keys
from keyhouse.core.clock import Clock
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.permissions import CHAT_ONLY
from keyhouse.store import key_pages
from keyhouse.store.engine import Actor, Database

NAME: Final = "Playground"
LIFETIME_MS: Final = 3_600_000
_SPARE_MS: Final = 5 * 60_000
"""A secret is not begun with when it ends so soon."""


class _Minted(msgspec.Struct, frozen=True):
    value: str
    ends_at_ms: int

    def __repr__(self) -> str:
        return "_Minted(...)"


class Playground:
    """Hands out the secret of the acting person's own playground key."""

    def __init__(self, database: Database, clock: Clock, keys: Keys) -> None:
        self._database = database
        self._clock = clock
        self._keys = keys
        self._minted: dict[tuple[str, str], _Minted] = {}

    async def secret(self, actor: Actor, project_id: str) -> str:
        """A living secret, made if there is none. Raises what `Keys.create` raises, NOT_PERMITTED among it."""
        place = (actor.user_id, project_id)
        held = self._minted.get(place)
        now_ms = self._clock.now_ms()
        if held is not None and held.ends_at_ms - _SPARE_MS > now_ms:
            return held.value
        ends_at_ms = now_ms + LIFETIME_MS
        organization_id, user_id = actor.organization_id, actor.user_id
        key_id = await self._database.read(
            lambda c: key_pages.find_named_key_id(c, organization_id, project_id, user_id, NAME)
        )
        if key_id is not None and await self._lives_until(actor, key_id, ends_at_ms):
            # What other gateways of this database were given goes on to its end.
            issued = await self._keys.rotate(actor, key_id, LIFETIME_MS)
        else:
            draft = KeyDraft(NAME, project_id, CHAT_ONLY, expires_at_ms=ends_at_ms)
            issued = await self._keys.create(actor, draft)
            if key_id is not None:
                await self._keys.revoke(actor, key_id)
        self._minted[place] = _Minted(issued.value, ends_at_ms)
        return issued.value

    async def _lives_until(self, actor: Actor, key_id: str, ends_at_ms: int) -> bool:
        """Let the key live until then; whether the organization's policy allows it."""
        try:
            await self._keys.update(actor, key_id, KeyChange(expires_at_ms=ends_at_ms))
        except Refusal as refusal:
            if refusal.code is not Code.PARAMETER_INVALID:
                raise
            return False
        return True

    def forget(self, actor: Actor, project_id: str) -> None:
        """The secret was refused: somebody revoked its key, or ended it. The next one is a new one."""
        self._minted.pop((actor.user_id, project_id), None)
