"""What became of a key: for whoever holds a secret, or its last characters, and asks which key that is.

A pasted secret is compared by its digest, as a call's would be, and kept nowhere. A key of another organization reads
as missing, also to those who hold its secret: whoever is a member there asks there.
"""

from enum import StrEnum
from typing import Final

import msgspec

from keyhouse.core.authority import Sight
from keyhouse.core.clock import Clock
from keyhouse.core.key import ApiKey, SecretVersion
from keyhouse.core.secret import Kind, digest, parse, redact
from keyhouse.store import calls, key_pages, keys, people, projects, service_accounts
from keyhouse.store.calls import CallSelection
from keyhouse.store.engine import Connection, Database

LAST_LENGTH: Final = key_pages.LAST_LENGTH
"""How many of a secret's last characters find its key."""

KEYS_MAX: Final = 5
"""The most keys that are shown for the same last characters."""

TEXT_LENGTH_MAX: Final = 400
_OURS: Final = ("sk-kh_", "sk-svcacct-kh_", "sk-admin-kh_")


class Finding(StrEnum):
    """What a pasted text is. Alphabetical."""

    ADMIN_KEY = "an admin key of this organization"
    DAMAGED = "like a secret of Keyhouse's, with a character lost or changed"
    HIDDEN = "of a key of this organization that is out of sight"
    KEYS = "of these keys"
    NOTHING = "nothing that a key is found by"
    OTHERS = "a credential, and not one of Keyhouse's"
    UNKNOWN = "nothing that belongs to a key of this organization"


class What(StrEnum):
    """What happened to a key, in the order of a story's telling where two happened at once."""

    CREATED = "created"
    ROTATED = "rotated"
    LAST_CALL = "last call"
    DISABLED = "disabled"
    OLD_ENDED = "old secret ended"
    EXPIRED = "expired"
    REVOKED = "revoked"
    IN_USE = "in use"


class Moment(msgspec.Struct, frozen=True):
    """One thing that happened. `by` is who did it, `version` the secret it is about, `address` a caller's."""

    what: What
    at_ms: int
    by: str = ""
    version: int = 0
    address: str = ""
    agent: str = ""


class Inspected(msgspec.Struct, frozen=True):
    """A key that was found, and its story so far, oldest first. `secret` is the version that was asked about."""

    key: ApiKey
    secret: SecretVersion
    owner_name: str
    project_name: str
    story: tuple[Moment, ...]


class Inspection(msgspec.Struct, frozen=True):
    """What was found. `shown` is what may be shown of the text that was pasted."""

    finding: Finding
    shown: str
    keys: tuple[Inspected, ...] = ()


class Inspections:
    """Looks up whose a secret is."""

    def __init__(self, database: Database, clock: Clock, pepper: bytes) -> None:
        self._database = database
        self._clock = clock
        self._pepper = pepper

    async def look(self, organization_id: str, text: str, sight: Sight | None = None) -> Inspection:
        """What `text` is: a whole secret, or the last characters of one, as they are shown or alone.

        Of a key out of sight whoever holds a whole secret learns that it is there, and nothing else.
        """
        text = text.strip()[:TEXT_LENGTH_MAX]
        secret = parse(text)
        if secret is None and len(text) > LAST_LENGTH and not _is_shortened(text):
            return Inspection(_not_ours(text), redact(text))
        value = None if secret is None else digest(secret.value, self._pepper)
        now_ms = self._clock.now_ms()

        def ask(connection: Connection) -> Inspection:
            if value is not None:
                return _by_digest(connection, organization_id, value, sight, now_ms, redact(text))
            return _by_last(connection, organization_id, text[-LAST_LENGTH:], sight, now_ms)

        return await self._database.read(ask)


def _is_shortened(text: str) -> bool:
    """Whether this is a secret as pages show it: its beginning, dots, and its last characters."""
    return text.startswith(_OURS) and ("…" in text or "..." in text)


def _not_ours(text: str) -> Finding:
    if text.startswith(_OURS):
        return Finding.DAMAGED
    return Finding.OTHERS if text.startswith("sk-") else Finding.NOTHING


def _by_digest(
    connection: Connection, organization_id: str, value: bytes, sight: Sight | None, now_ms: int, shown: str
) -> Inspection:
    credential = keys.find_credential(connection, value)
    if credential is None or credential.organization_id != organization_id:
        return Inspection(Finding.UNKNOWN, shown)
    if credential.kind is Kind.ADMIN:
        return Inspection(Finding.ADMIN_KEY, shown)
    key = keys.find_key(connection, organization_id, credential.key_id, sight=sight)
    if key is None:
        return Inspection(Finding.HIDDEN, shown)
    found = next(secret for secret in key.secrets if secret.version == credential.secret_version)
    return Inspection(Finding.KEYS, shown, (_inspected(connection, key, found, now_ms),))


def _by_last(connection: Connection, organization_id: str, last: str, sight: Sight | None, now_ms: int) -> Inspection:
    shown = f"…{last}"
    if len(last) < LAST_LENGTH or not (last.isascii() and last.isalnum()):
        return Inspection(Finding.NOTHING, shown)
    found = key_pages.list_by_last_four(connection, organization_id, last, KEYS_MAX, sight)
    if not found:
        return Inspection(Finding.UNKNOWN, shown)
    pairs = [(key, secret) for key in found for secret in key.secrets if secret.last_four == last]
    return Inspection(Finding.KEYS, shown, tuple(_inspected(connection, *pair, now_ms) for pair in pairs[:KEYS_MAX]))


def _inspected(connection: Connection, key: ApiKey, secret: SecretVersion, now_ms: int) -> Inspected:
    organization_id = key.organization_id
    by = {secret.created_by for secret in key.secrets} | {key.created_by, key.owner_id}
    by |= {actor for actor in (key.disabled_by, key.revoked_by) if actor is not None}
    names = people.list_names(connection, organization_id, by)
    names |= service_accounts.list_names(connection, organization_id, {key.owner_id})
    project = projects.list_names(connection, organization_id, {key.project_id or ""})
    return Inspected(
        key=key,
        secret=secret,
        owner_name=names.get(key.owner_id, ""),
        project_name=project.get(key.project_id or "", ""),
        story=_story(connection, key, secret, names, now_ms),
    )


def _story(
    connection: Connection, key: ApiKey, secret: SecretVersion, names: dict[str, str], now_ms: int
) -> tuple[Moment, ...]:
    moments = [Moment(What.CREATED, key.created_at_ms, names.get(key.created_by, ""), 1)]
    moments += [
        Moment(What.ROTATED, made.created_at_ms, names.get(made.created_by, ""), made.version)
        for made in key.secrets
        if made.version > 1
    ]
    if key.disabled_at_ms is not None:
        moments.append(Moment(What.DISABLED, key.disabled_at_ms, names.get(key.disabled_by or "", "")))
    if key.expires_at_ms is not None and key.expires_at_ms <= now_ms:
        moments.append(Moment(What.EXPIRED, key.expires_at_ms))
    if key.revoked_at_ms is not None:
        moments.append(Moment(What.REVOKED, key.revoked_at_ms, names.get(key.revoked_by or "", "")))
    if secret.ends_at_ms is not None and secret.ends_at_ms <= now_ms:
        moments.append(Moment(What.OLD_ENDED, secret.ends_at_ms, version=secret.version))
    moments += _last_calls(connection, key, secret)
    order = list(What)
    return tuple(sorted(moments, key=lambda moment: (moment.at_ms, order.index(moment.what))))


def _last_calls(connection: Connection, key: ApiKey, secret: SecretVersion) -> list[Moment]:
    """The last call with the secret asked about, and with the newest one if that is another."""
    moments = []
    for what, version in ((What.LAST_CALL, secret), (What.IN_USE, key.current)):
        if what is What.IN_USE and version is secret:
            continue
        selection = CallSelection(
            start_ms=version.created_at_ms,
            end_ms=version.ends_at_ms,
            key_ids=(key.id,),
            secret_versions=(version.version,),
        )
        moments += [
            Moment(what, call.created_at_ms, "", version.version, call.address, call.agent)
            for call in calls.list_calls(connection, key.organization_id, selection, None, 1).calls
        ]
    return moments
