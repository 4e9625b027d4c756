"""Keys that deserve a second look, counted and listed by the database: only keys that could still be used."""

from enum import StrEnum
from typing import Final

import msgspec
from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    case,
    exists,
    func,
    not_,
    or_,
    select,
    union_all,
)
from sqlalchemy.sql.util import ClauseAdapter

from keyhouse.core.authority import Sight
from keyhouse.core.key import ApiKey
from keyhouse.core.limit import ScopeType
from keyhouse.store.grants import is_seen
from keyhouse.store.keys import PROJECT_KINDS, with_secrets
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


class Habit(StrEnum):
    """What a second look is for, the most pressing first."""

    OWNER_GONE = "owner_gone"
    NO_LIMIT = "no_limit"
    NO_EXPIRY = "no_expiry"
    LONG_UNUSED = "unused_90"
    UNUSED = "unused_30"


class Found(msgspec.Struct, frozen=True):
    """How many keys there are of each habit, and how many living keys in all."""

    counts: dict[Habit, int]
    total: int


def count_habits(connection: Connection, organization_id: str, now_ms: int, sight: Sight | None) -> Found:
    """How many living keys in sight have each habit."""
    habits = _habits(connection, organization_id, now_ms)
    at_once: list[Habit] = [habit for habit in Habit if habit not in (Habit.NO_LIMIT, Habit.OWNER_GONE)]
    counted = [func.count(case((habits[habit], 1))).label(habit) for habit in at_once]
    living = [*_of_projects(organization_id), _is_alive(now_ms), *([] if sight is None else [is_seen(sight)])]
    row = connection.execute(select(func.count().label("total"), *counted).where(*living)).mappings().one()
    counts: dict[Habit, int] = {habit: row[habit] for habit in at_once}
    of_gone = select(func.count()).select_from(keys).where(*living, habits[Habit.OWNER_GONE])
    counts[Habit.OWNER_GONE] = connection.execute(of_gone).scalar_one()
    if sight is None:
        counts[Habit.NO_LIMIT] = row["total"] - _count_limited(connection, organization_id, now_ms, row["total"])
    else:
        of_seen = select(func.count()).select_from(keys).where(*living, habits[Habit.NO_LIMIT])
        counts[Habit.NO_LIMIT] = connection.execute(of_seen).scalar_one()
    return Found({habit: counts[habit] for habit in Habit}, row["total"])


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
    order = (func.coalesce(keys.c.last_used_at_ms, keys.c.created_at_ms), keys.c.id)
    living = [*_of_projects(organization_id), _is_alive(now_ms), *([] if sight is None else [is_seen(sight)])]
    condition = _habits(connection, organization_id, now_ms)[habit]
    if habit is Habit.NO_LIMIT:
        # Many have none: there are enough among the first, and only the limits of these are looked up.
        first = select(keys).where(*living).order_by(*order).limit(AHEAD + 2 * (offset + limit)).subquery()
        of_first = ClauseAdapter(first).traverse
        page = select(first).where(of_first(condition)).order_by(*map(of_first, order)).offset(offset).limit(limit)
        rows = connection.execute(page).mappings().all()
        if len(rows) == limit:
            return with_secrets(connection, rows)
    page = select(keys).where(*living, condition).order_by(*order).offset(offset).limit(limit)
    return with_secrets(connection, connection.execute(page).mappings().all())


def _count_limited(connection: Connection, organization_id: str, now_ms: int, living: int) -> int:
    """How many of so many living keys have a limit: told by the others, where these are fewer to look at."""
    has_limit, alive = _has_limit(), _is_alive(now_ms)

    def count(*conditions: ColumnElement[bool]) -> int:
        return int(connection.execute(select(func.count()).select_from(keys).where(*conditions)).scalar_one())

    every = count(keys.c.organization_id == organization_id, keys.c.kind.in_(PROJECT_KINDS))
    if every > 2 * living:
        return count(*_of_projects(organization_id), alive, has_limit)
    limited = (
        select(limits.c.scope_id)
        .where(
            limits.c.organization_id == organization_id,
            limits.c.scope_type == ScopeType.KEY,
            unindexed(limits.c.deleted_at_ms).is_(None),
        )
        .group_by(limits.c.scope_id)
        .subquery()
    )
    of_every = int(connection.execute(select(func.count()).select_from(limited)).scalar_one())
    return of_every - count(*_of_projects(organization_id), not_(alive), has_limit)


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
    used = func.coalesce(keys.c.last_used_at_ms, keys.c.created_at_ms)
    return {
        Habit.OWNER_GONE: _is_orphaned(connection, organization_id),
        Habit.NO_LIMIT: ~_has_limit(),
        Habit.NO_EXPIRY: keys.c.expires_at_ms.is_(None),
        Habit.LONG_UNUSED: used < now_ms - LONG_UNUSED_DAYS * DAY_MS,
        Habit.UNUSED: used < now_ms - UNUSED_DAYS * DAY_MS,
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
