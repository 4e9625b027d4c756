"""The keys that are made up: of every status, with permissions, ends and addresses, some used day and night and
many never. Nobody has their secrets: what stands for them is drawn, too.
"""

from random import Random
from typing import Final

import msgspec

from keyhouse.core.secret import Kind, mint_key_id
from keyhouse.demo import names
from keyhouse.demo.answers import CHAT_FLAVORS, FLAVORS
from keyhouse.demo.town import DAY_MS, Owner, Place, Town

KEY_COLUMNS: Final = (
    *("id", "kind", "organization_id", "project_id", "owner_id", "name", "permissions", "models", "ip_allowlist"),
    *("created_at_ms", "created_by", "expires_at_ms", "disabled_at_ms", "disabled_by", "revoked_at_ms", "revoked_by"),
)
SECRET_COLUMNS: Final = (
    *("key_id", "version", "digest", "pepper_version", "last_four", "created_at_ms", "created_by", "ends_at_ms"),
)
CALLER_COLUMNS: Final = (
    *("organization_id", "project_id", "owner_type", "owner_id", "key_id", "secret_version", "address", "agent"),
)
"""What a call says of who made it."""

_PERMISSIONS: Final = ('"all"',) * 6 + (
    '"read_only"',
    '{"chat_completions":"write","models":"read"}',
    '{"chat_completions":"write","responses":"write","models":"read"}',
    '{"embeddings":"write"}',
)
_OVERLAP_MS: Final = 2 * DAY_MS
_LETTERS: Final = "0123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


Callers = tuple[tuple[object, ...], ...]
Turns = tuple[tuple[int, tuple[int, int]], ...]
"""With which version of the secret each of two callers calls since when, the newest first."""


class DemoKey(msgspec.Struct, frozen=True):
    """A key: who calls with it since when, the newest first, from when until when it is called, how often beside the
    others, and which answers it gets.
    """

    id: str
    owner: Owner
    callers: tuple[tuple[int, Callers], ...]
    from_ms: int
    until_ms: int
    weight: float
    flavors: tuple[int, ...]

    def callers_at(self, at_ms: int) -> Callers:
        """Who calls with it at this time."""
        return next(callers for since_ms, callers in self.callers if since_ms <= at_ms)


class Keys(msgspec.Struct, frozen=True):
    """The keys, and their rows with those of their secrets."""

    keys: list[DemoKey]
    rows: list[tuple[object, ...]]
    secrets: list[tuple[object, ...]]


def build(place: Place, town: Town, count: int, now_ms: int, draw: Random) -> Keys:
    """So many keys of the town's people and machines, a fifth of them the machines'."""
    made = Keys([], [], [])
    for at in range(count):
        owners = town.machines if at % 5 == 0 else town.people
        owner = owners[(at // 5 if at % 5 == 0 else at - at // 5) % len(owners)]
        _add(made, place, owner, at, now_ms, draw)
    return made


def _add(made: Keys, place: Place, owner: Owner, at: int, now_ms: int, draw: Random) -> None:
    key_id = mint_key_id(draw.randbytes)
    created = now_ms - round(draw.uniform(0.2, 400) * DAY_MS) if at % 4 else now_ms - draw.randrange(60, 400) * DAY_MS
    if owner.gone_at_ms is not None:
        created = min(created, owner.gone_at_ms - DAY_MS)
    fate = draw.random()
    lately = now_ms - round(draw.uniform(0.1, 20) * DAY_MS)
    expires = disabled = revoked = None
    if fate < 0.05:
        disabled = max(created, lately)
    elif fate < 0.10:
        expires = max(created + DAY_MS // 12, lately)
    elif fate < 0.17:
        revoked = max(created, lately)
    elif draw.random() < 0.5:
        expires = now_ms + draw.randrange(2, 300) * DAY_MS
    creator = place.owner_id if owner.is_machine else owner.id
    permissions = draw.choice(_PERMISSIONS)
    is_for_embeddings = "embeddings" in permissions
    first = CHAT_FLAVORS if is_for_embeddings else draw.randrange(CHAT_FLAVORS)
    second = CHAT_FLAVORS if is_for_embeddings else draw.randrange(CHAT_FLAVORS)
    models = f'["{FLAVORS[first].model}"]' if draw.random() < 0.1 else None
    kind = Kind.SERVICE_ACCOUNT if owner.is_machine else Kind.USER
    made.rows.append(
        (
            *(key_id, str(kind), place.organization_id, owner.project_id, owner.id, _name(owner, at, draw)),
            *(permissions, models, '["10.20.0.0/16"]' if draw.random() < 0.08 else "[]"),
            *(created, creator, expires, disabled, disabled and place.owner_id, revoked, revoked and place.owner_id),
        )
    )
    turns = _add_secrets(made, key_id, created, creator, now_ms, draw, is_rotating=fate > 0.96)
    ends = [one for one in (expires, disabled, revoked, owner.gone_at_ms) if one is not None]
    made.keys.append(
        DemoKey(
            key_id,
            owner,
            _callers(place, owner, key_id, turns, draw),
            created,
            min(ends, default=now_ms),
            _weight(owner, at, draw),
            (first,) if models else (first, first, first, second),
        )
    )


def _add_secrets(
    made: Keys, key_id: str, created: int, creator: str, now_ms: int, draw: Random, *, is_rotating: bool
) -> Turns:
    """Its secrets; which are in use since when. One that was rotated lately has an old one, which may still work."""
    rotated = max(created + 1, now_ms - draw.randrange(1, 60) * DAY_MS // 10) if is_rotating else None
    old_ends = rotated and rotated + _OVERLAP_MS
    made.secrets.append((key_id, 1, draw.randbytes(32), 1, _last_four(draw), created, creator, old_ends))
    if rotated is None:
        return ((0, (1, 1)),)
    made.secrets.append((key_id, 2, draw.randbytes(32), 1, _last_four(draw), rotated, creator, None))
    # Until the old one ends, one of the two callers has not heard of the new one.
    return (rotated + _OVERLAP_MS, (2, 2)), (rotated, (2, 1)), (0, (1, 1))


def _last_four(draw: Random) -> str:
    return "".join(draw.choices(_LETTERS, k=4))


def _name(owner: Owner, at: int, draw: Random) -> str:
    if owner.is_machine:
        return f"{owner.name} {('production', 'staging', 'canary')[at // 5 % 3]}"
    return f"{owner.name.partition(' ')[0]} {draw.choice(names.PURPOSES)}"


def _callers(place: Place, owner: Owner, key_id: str, turns: Turns, draw: Random) -> tuple[tuple[int, Callers], ...]:
    agents = draw.sample(names.AGENTS, 2)
    network = f"10.20.{draw.randrange(8)}" if owner.is_machine else f"203.0.113.{draw.randrange(64)}"
    addresses = [f"{network}.{draw.randrange(1, 250)}" if owner.is_machine else network for _ in range(2)]
    kind = "service_account" if owner.is_machine else "user"
    who = (place.organization_id, owner.project_id, kind, owner.id, key_id)
    return tuple(
        (since_ms, tuple((*who, *caller) for caller in zip(versions, addresses, agents, strict=True)))
        for since_ms, versions in turns
    )


def _weight(owner: Owner, at: int, draw: Random) -> float:
    """A few machines call most, and four of ten people never."""
    if owner.is_machine:
        return float((1 + at / 5) ** -1.1)
    return 0.0 if draw.random() < 0.4 else draw.lognormvariate(0, 1.2)
