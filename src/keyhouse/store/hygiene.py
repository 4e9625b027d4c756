"""Keys that deserve a second look, counted and listed by the database: only keys that could still be used."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Any, Final

import msgspec
from sqlalchemy import (
    ColumnElement,
    Connection,
    Subquery,
    and_,
    exists,
    func,
    or_,
    select,
    union_all,
)
from sqlalchemy.sql.util import ClauseAdapter

from keyhouse.core.authority import Sight
from keyhouse.core.key import ApiKey
from keyhouse.core.limit import ScopeType
from keyhouse.store.grants import is_seen
from keyhouse.store.key_pages import COUNTED_MAX, spoken_of
from keyhouse.store.keys import with_secrets
from keyhouse.store.ordering import unindexed
from keyhouse.store.people import gone_at_ms
from keyhouse.store.schema import keys, limits, memberships, service_accounts, users

DAY_MS: Final = 86_400_000
UNUSED_DAYS: Final = 30
LONG_UNUSED_DAYS: Final = 90
NAMED_MAX: Final = 1_000
"""So many owners who are gone are asked for by themselves."""

AHEAD: Final = 500
"""How many keys more than a page needs are looked at in their order, before all are."""


_UNUSED_SINCE: Final = func.coalesce(keys.c.last_used_at_ms, keys.c.created_at_ms)
_ORDER: Final = (_UNUSED_SINCE, keys.c.id)


class Habit(StrEnum):
    """What a second look is for, the most pressing first."""

    OWNER_GONE = "owner_gone"
    NO_LIMIT = "no_limit"
    NO_EXPIRY = "no_expiry"
    LONG_UNUSED = "unused_90"
    UNUSED = "unused_30"


class Found(msgspec.Struct, frozen=True):
    """How many keys there are of each habit, and how many living keys in all: `COUNTED_MAX` at most, and one more where
    there are more.
    """

    counts: dict[Habit, int]
    total: int


def count_habits(connection: Connection, organization_id: str, now_ms: int, sight: Sight | None) -> Found:
    """How many living keys in sight have each habit. What many have is soon counted: it ends when they are many."""
    habits = _habits(connection, organization_id, now_ms)
    living = _living(organization_id, now_ms, sight)

    def count(*conditions: ColumnElement[bool]) -> int:
        some = select(keys.c.id).where(*living, *conditions).limit(COUNTED_MAX + 1).subquery()
        return int(connection.execute(select(func.count()).select_from(some)).scalar_one())

    return Found({habit: count(habits[habit]) for habit in Habit}, count())


def list_by_habit(
    connection: Connection,
    organization_id: str,
    habit: Habit,
    now_ms: int,
    sight: Sight | None,
    *,
    offset: int,
    limit: int,
) -> tuple[ApiKey, ...]:
    """The living keys in sight with a habit, those that were longest unused first."""
    conditions = [*_living(organization_id, now_ms, sight), _habits(connection, organization_id, now_ms)[habit]]
    longest, known = _longest_unused(connection, organization_id, AHEAD + 2 * (offset + limit), [*conditions, *_ORDER])
    of_longest = ClauseAdapter(longest).traverse
    page = select(longest.c.id).where(*map(of_longest, [*conditions, *known])).order_by(*map(of_longest, _ORDER))
    found = connection.execute(page.offset(offset).limit(limit)).scalars().all()
    if len(found) < limit:
        page = select(keys.c.id).where(*conditions).order_by(*_ORDER)
        found = connection.execute(page.offset(offset).limit(limit)).scalars().all()
    rows = {row["id"]: row for row in connection.execute(select(keys).where(keys.c.id.in_(found))).mappings()}
    return with_secrets(connection, [rows[key_id] for key_id in found])


def _longest_unused(
    connection: Connection, organization_id: str, count: int, clauses: Iterable[ColumnElement[Any]]
) -> tuple[Subquery, list[ColumnElement[bool]]]:
    """The first of the keys that were used, and of those that never were, as an index has both; and since when a key
    must have been unused to stand before all that are not among these. They have what the clauses speak of.
    """
    parts, known = [], []
    columns = spoken_of(clauses)
    for is_used in (keys.c.last_used_at_ms.is_not(None), keys.c.last_used_at_ms.is_(None)):
        in_order = keys.c.last_used_at_ms, keys.c.created_at_ms, keys.c.id
        of_these = [keys.c.organization_id == organization_id, is_used]
        parts.append(select(select(*columns).where(*of_these).order_by(*in_order).limit(count).subquery()))
        next_one = select(_UNUSED_SINCE).where(*of_these).order_by(*in_order).offset(count).limit(1)
        if (since := connection.execute(next_one).scalar_one_or_none()) is not None:
            known.append(since > _UNUSED_SINCE)
    return union_all(*parts).subquery(), known


def _living(organization_id: str, now_ms: int, sight: Sight | None) -> list[ColumnElement[bool]]:
    return [*_of_projects(organization_id), _is_alive(now_ms), *([] if sight is None else [is_seen(sight)])]


def _of_projects(organization_id: str) -> list[ColumnElement[bool]]:
    # Keys of projects, and none but these, have one. Most are wanted: the table is read from one end to the other.
    return [unindexed(keys.c.organization_id) == organization_id, keys.c.project_id.is_not(None)]


def _is_alive(now_ms: int) -> ColumnElement[bool]:
    return and_(keys.c.revoked_at_ms.is_(None), or_(keys.c.expires_at_ms.is_(None), keys.c.expires_at_ms > now_ms))


def _has_limit() -> ColumnElement[bool]:
    return exists().where(
        limits.c.scope_id == keys.c.id, limits.c.scope_type == ScopeType.KEY, limits.c.deleted_at_ms.is_(None)
    )


def _habits(connection: Connection, organization_id: str, now_ms: int) -> dict[Habit, ColumnElement[bool]]:
    return {
        Habit.OWNER_GONE: _is_orphaned(connection, organization_id),
        Habit.NO_LIMIT: ~_has_limit(),
        Habit.NO_EXPIRY: keys.c.expires_at_ms.is_(None),
        Habit.LONG_UNUSED: now_ms - LONG_UNUSED_DAYS * DAY_MS > _UNUSED_SINCE,
        Habit.UNUSED: now_ms - UNUSED_DAYS * DAY_MS > _UNUSED_SINCE,
    }


def _is_orphaned(connection: Connection, organization_id: str) -> ColumnElement[bool]:
    """Whether a key's owner is not here. There are far fewer owners than keys, and of these few are gone: their keys
    are found by them, if they are not too many to be named.
    """
    people = (
        select(users.c.id)
        .join(memberships, memberships.c.user_id == users.c.id)
        .where(memberships.c.organization_id == organization_id, gone_at_ms().is_(None))
    )
    machines = select(service_accounts.c.id).where(
        service_accounts.c.organization_id == organization_id, service_accounts.c.deleted_at_ms.is_(None)
    )
    here = union_all(people, machines)
    owners = select(keys.c.owner_id).distinct().subquery()
    gone = select(owners.c.owner_id).where(owners.c.owner_id.not_in(here)).limit(NAMED_MAX + 1)
    found = connection.execute(gone).scalars().all()
    return keys.c.owner_id.not_in(here) if len(found) > NAMED_MAX else keys.c.owner_id.in_(found)
