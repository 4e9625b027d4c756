"""What the audit log tells of the made-up past: who came and went, which keys were made, rotated, disabled and revoked,
which limits were set, and who signed in. Every entry stands for a row that is there.
"""

from collections.abc import Iterable, Iterator, Sequence
from random import Random
from typing import Any, Final

import msgspec

from keyhouse.core.clock import Clock
from keyhouse.core.identifiers import identifier
from keyhouse.core.limit import ScopeType, Unit, format_amount
from keyhouse.demo.keys import KEY_COLUMNS, SECRET_COLUMNS, Keys
from keyhouse.demo.till import LIMIT_COLUMNS, Till
from keyhouse.demo.town import DAY_MS, Place, Town
from keyhouse.store.audit import Entry, Event

ENTRIES_MAX: Final = 2_000
"""The log tells of the newest so many things: writing it takes longer than writing what it is about."""

_SIGN_IN_DAYS: Final = 4.0
"""How long ago people signed in last, in the mean."""


class Rewound:
    """A clock that can be put back, while something is made that shall be old."""

    def __init__(self, clock: Clock) -> None:
        self.back_ms = 0
        self._clock = clock

    def now_ms(self) -> int:
        """Milliseconds since 1970, UTC, so much earlier."""
        return self._clock.now_ms() - self.back_ms

    def monotonic_ms(self) -> float:
        """Milliseconds that never run backwards."""
        return self._clock.monotonic_ms()


class Deed(msgspec.Struct, frozen=True):
    """What somebody did to something, and when."""

    at_ms: int
    event: Event
    by: str
    resource_id: str
    project_id: str | None = None
    details: object = None


class History(msgspec.Struct, frozen=True):
    """The log's entries in the order of their time, and when each person signed in last, by their id."""

    entries: list[Entry]
    signed_in_ms: dict[str, int]


def build(place: Place, owner_email: str, there: Town, made: Keys, limits: Till, now_ms: int, draw: Random) -> History:
    """The past of an organization that was just made up."""
    deeds = [*_people(place, there), *_keys(made), *_limits(place, there, made, limits)]
    signed_in_ms = _sign_ins(there, deeds, now_ms, draw)
    deeds += [Deed(at_ms, Event.LOGIN_SUCCEEDED, user_id, user_id) for user_id, at_ms in signed_in_ms.items()]
    deeds.sort(key=lambda deed: deed.at_ms)
    people = {one["id"]: one["email"] for one in _dicts(*there.rows["users"])} | {place.owner_id: owner_email}
    addresses = {user_id: f"203.0.113.{draw.randrange(1, 250)}" for user_id in people}

    def entry(deed: Deed) -> Entry:
        return Entry(
            id=identifier("audit_", draw.randbytes(20)),
            organization_id=place.organization_id,
            at_ms=deed.at_ms,
            event=deed.event,
            actor_type="session",
            actor_id=deed.by,
            actor_user_id=deed.by,
            actor_email=people[deed.by],
            address=addresses[deed.by],
            project_id=deed.project_id,
            resource_id=deed.resource_id,
            details=msgspec.json.encode(deed.details).decode(),
        )

    return History([entry(deed) for deed in deeds[-ENTRIES_MAX:]], signed_in_ms)


def _people(place: Place, there: Town) -> Iterator[Deed]:
    """Projects, people, machines and groups."""
    by = place.owner_id
    for row in _dicts(*there.rows["projects"]):
        details = {"name": row["name"], "is_default": False}
        yield Deed(row["created_at_ms"], Event.PROJECT_CREATED, by, row["id"], row["id"], details)
    for row in _dicts(*there.rows["memberships"]):
        role, user_id = row["role"], row["user_id"]
        yield Deed(row["added_at_ms"], Event.USER_ADDED, user_id, user_id, details={"role": role})
        if row["removed_at_ms"] is not None:
            yield Deed(row["removed_at_ms"], Event.USER_DELETED, by, user_id, details={"role": role})
    for row in _dicts(*there.rows["service_accounts"]):
        details = {"name": row["name"], "role": row["role"]}
        yield Deed(row["created_at_ms"], Event.SERVICE_ACCOUNT_CREATED, by, row["id"], row["project_id"], details)
    for row in _dicts(*there.rows["groups"]):
        yield Deed(row["created_at_ms"], Event.GROUP_CREATED, by, row["id"], details={"group_name": row["name"]})


def _keys(made: Keys) -> Iterator[Deed]:
    """Every key from its making to its end."""
    named = {row["id"]: row for row in _dicts(KEY_COLUMNS, made.rows)}
    for row in named.values():
        about: tuple[str, str] = row["id"], row["project_id"]
        name = {"name": row["name"]}
        details = name | {
            "permissions": msgspec.json.decode(row["permissions"]),
            "models": row["models"] and msgspec.json.decode(row["models"]),
            "ip_allowlist": msgspec.json.decode(row["ip_allowlist"]),
            "expires_at_ms": row["expires_at_ms"],
        }
        yield Deed(row["created_at_ms"], Event.API_KEY_CREATED, row["created_by"], *about, details)
        if row["disabled_at_ms"] is not None:
            yield Deed(row["disabled_at_ms"], Event.API_KEY_DISABLED, row["disabled_by"], *about, name)
        if row["revoked_at_ms"] is not None:
            yield Deed(row["revoked_at_ms"], Event.API_KEY_DELETED, row["revoked_by"], *about, name)
    secrets = list(_dicts(SECRET_COLUMNS, made.secrets))
    ends = {(row["key_id"], row["version"]): row["ends_at_ms"] for row in secrets}
    for row in secrets:
        version = row["version"]
        if version > 1:
            key_id, until = row["key_id"], ends[row["key_id"], version - 1]
            details = {"version": version, "previous_secret_ends_at_ms": until}
            project_id = named[key_id]["project_id"]
            yield Deed(row["created_at_ms"], Event.API_KEY_ROTATED, row["created_by"], key_id, project_id, details)


def _limits(place: Place, there: Town, made: Keys, limits: Till) -> Iterator[Deed]:
    """Every limit, when it was set."""
    projects = {project_id: project_id for project_id in there.project_ids}
    projects |= {key.id: key.owner.project_id for key in made.keys}
    for row in _dicts(LIMIT_COLUMNS, limits.rows):
        details = {
            "scope": {"type": ScopeType(row["scope_type"]), "id": row["scope_id"]},
            "unit": row["unit"],
            "window": row["window"],
            "amount": format_amount(Unit(row["unit"]), row["amount"]),
        }
        project_id = projects.get(row["scope_id"])
        yield Deed(row["created_at_ms"], Event.LIMIT_SET, place.owner_id, row["id"], project_id, details)


def _sign_ins(there: Town, deeds: list[Deed], now_ms: int, draw: Random) -> dict[str, int]:
    """When each person signed in last: some days ago, not before what they did last, and not after they left."""
    did_last: dict[str, int] = {}
    for deed in deeds:
        did_last[deed.by] = max(deed.at_ms, did_last.get(deed.by, 0))
    found = {}
    for one in there.people:
        ago_ms = round(draw.expovariate(1 / _SIGN_IN_DAYS) * DAY_MS)
        latest = (one.gone_at_ms or now_ms) - ago_ms
        found[one.id] = max(latest, min(did_last[one.id], one.gone_at_ms or now_ms))
    return found


def _dicts(columns: Sequence[str], rows: Iterable[tuple[object, ...]]) -> Iterator[dict[str, Any]]:
    """Rows by the names of their columns."""
    return (dict(zip(columns, row, strict=True)) for row in rows)
