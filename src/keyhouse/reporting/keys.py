"""Keys as pages show them: with names, limits where they stand, and how much they were used of late."""

from collections.abc import Sequence
from typing import Final

import msgspec

from keyhouse.core.authority import Sight
from keyhouse.core.clock import Clock
from keyhouse.core.key import ApiKey
from keyhouse.core.limit import LimitState, ScopeType
from keyhouse.reporting.usage import DAY_MS, buckets
from keyhouse.store import key_days, key_pages, keys, limits, people, projects, rollups, service_accounts
from keyhouse.store.engine import Connection, Database
from keyhouse.store.key_pages import KeySelection

LISTED_MAX: Final = key_pages.LISTED_MAX
"""So many keys pages lead to."""

KeyQuery = KeySelection
"""Which keys a page shows: searched, filtered, sorted, and which of the pages."""

DAYS: Final = 30
"""How many days of use a key is shown with."""


class KeyRow(msgspec.Struct, frozen=True):
    """A key with what stands around it.

    `daily_requests` are the calls of the last `DAYS` days in the organization's time zone, oldest first, the
    last one today's. Names are empty for what is unknown.
    """

    key: ApiKey
    owner_name: str
    creator_name: str
    project_name: str
    limits: tuple[LimitState, ...]
    daily_requests: tuple[int, ...]


class KeyPage(msgspec.Struct, frozen=True):
    """One page, and how many keys there are on all of them: with `is_more` at least so many, and more."""

    rows: tuple[KeyRow, ...]
    total: int
    is_more: bool = False


class Owners(msgspec.Struct, frozen=True):
    """Who could own keys, by id: the names of people, and of service accounts."""

    people: dict[str, str]
    accounts: dict[str, str]


class KeyQuestions:
    """Asks for keys that call models; admin keys are not among them."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def page(self, organization_id: str, query: KeyQuery) -> KeyPage:
        """One page of keys. Raises Refusal(PARAMETER_INVALID) for an unknown status or sort."""
        now_ms = self._clock.now_ms()

        def ask(connection: Connection) -> KeyPage:
            page = key_pages.list_page(connection, organization_id, query, now_ms)
            return KeyPage(rows_of(connection, organization_id, page.keys, now_ms), page.total, page.is_more)

        return await self._database.read(ask)

    async def owners(self, organization_id: str, sight: Sight | None, most: int) -> Owners:
        """Who could own the keys in sight, where they are few enough to be offered: at most so many of each."""

        def ask(connection: Connection) -> Owners:
            # Whoever sees only some projects is not told who is in the organization.
            members = () if sight is not None else people.list_some_members(connection, organization_id, most + 1)
            seen = None if sight is None else sight.project_ids
            machines = service_accounts.list_in_projects(connection, organization_id, seen, most + 1)
            return Owners(
                {one.user_id: one.name or one.email for one in members} if len(members) <= most else {},
                {one.id: one.name for one in machines} if len(machines) <= most else {},
            )

        return await self._database.read(ask)

    async def owned(self, user_id: str) -> dict[str, int]:
        """How many keys this user has that were not revoked, by the ids of organizations, those without left out."""
        return await self._database.read(lambda c: key_pages.count_owned(c, user_id))

    async def one(self, organization_id: str, key_id: str, sight: Sight | None = None) -> KeyRow:
        """One key, also a revoked one; raises Refusal(NOT_FOUND), also for one out of sight."""
        now_ms = self._clock.now_ms()

        def ask(connection: Connection) -> KeyRow:
            key = keys.get_key(connection, organization_id, key_id, sight=sight)
            (row,) = rows_of(connection, organization_id, (key,), now_ms)
            return row

        return await self._database.read(ask)

    async def requests_by_secret(self, organization_id: str, key_id: str, since_ms: int) -> dict[int, int]:
        """How many calls each version of the key's secret has begun since then; versions without any are left out."""
        return await self._database.read(
            lambda c: rollups.list_requests_by_secret(c, organization_id, key_id, since_ms)
        )


def rows_of(connection: Connection, organization_id: str, found: Sequence[ApiKey], now_ms: int) -> tuple[KeyRow, ...]:
    """These keys of an organization with what stands around them, in the same order."""
    if not found:
        return ()
    zone = people.get_organization(connection, organization_id).time_zone
    key_ids = tuple(key.id for key in found)
    names = people.list_names(
        connection, organization_id, {key.owner_id for key in found} | {key.created_by for key in found}
    )
    names |= service_accounts.list_names(connection, organization_id, {key.owner_id for key in found})
    project_names = projects.list_names(connection, organization_id, {key.project_id or "" for key in found})
    scopes = [(ScopeType.KEY, key_id) for key_id in key_ids]
    standing: dict[str, list[LimitState]] = {key_id: [] for key_id in key_ids}
    for state in limits.list_states(connection, organization_id, zone, now_ms, scopes=scopes):
        standing[state.limit.scope_id].append(state)
    days = last_days(now_ms, zone)
    requests = key_days.list_key_requests(connection, organization_id, key_ids, days)
    return tuple(
        KeyRow(
            key=key,
            owner_name=names.get(key.owner_id, ""),
            creator_name=names.get(key.created_by, ""),
            project_name=project_names.get(key.project_id or "", ""),
            limits=tuple(standing[key.id]),
            daily_requests=tuple(requests.get((key.id, start_ms), 0) for start_ms, _ in days),
        )
        for key in found
    )


def last_days(now_ms: int, zone: str) -> list[tuple[int, int]]:
    """The bounds of the last `DAYS` days of a zone, the last of them today."""
    # One day more than is needed: the days between may be shorter or longer than 24 hours.
    return buckets(max(0, now_ms - (DAYS + 1) * DAY_MS), now_ms + 1, "day", zone)[-DAYS:]
