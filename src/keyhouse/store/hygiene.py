"""Keys that deserve a second look, counted and listed by the database: only keys that could still be used."""

from enum import StrEnum
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, and_, case, exists, func, or_, select

from keyhouse.core.authority import Sight
from keyhouse.core.key import ApiKey
from keyhouse.core.limit import ScopeType
from keyhouse.core.secret import Kind
from keyhouse.store.grants import is_seen
from keyhouse.store.keys import PROJECT_KINDS, with_secrets
from keyhouse.store.people import gone_at_ms
from keyhouse.store.schema import keys, limits, memberships, service_accounts, users

DAY_MS: Final = 86_400_000
UNUSED_DAYS: Final = 30
LONG_UNUSED_DAYS: Final = 90


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
    habits = _habits(now_ms)
    counted = [func.count(case((condition, 1))).label(habit) for habit, condition in habits.items()]
    row = (
        connection.execute(_living(organization_id, now_ms, sight, func.count().label("total"), *counted))
        .mappings()
        .one()
    )
    return Found({habit: row[habit] for habit in habits}, row["total"])


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
    used = func.coalesce(keys.c.last_used_at_ms, keys.c.created_at_ms)
    statement = _living(organization_id, now_ms, sight, keys).where(_habits(now_ms)[habit])
    rows = connection.execute(statement.order_by(used, keys.c.id).offset(offset).limit(limit))
    return with_secrets(connection, rows.mappings().all())


def _living(organization_id: str, now_ms: int, sight: Sight | None, *columns: Any) -> Select[Any]:
    is_member = and_(memberships.c.user_id == users.c.id, memberships.c.organization_id == keys.c.organization_id)
    return (
        select(*columns)
        .select_from(keys)
        .outerjoin(users, users.c.id == keys.c.owner_id)
        .outerjoin(memberships, is_member)
        .outerjoin(service_accounts, service_accounts.c.id == keys.c.owner_id)
        .where(
            keys.c.organization_id == organization_id,
            keys.c.kind.in_(PROJECT_KINDS),
            keys.c.revoked_at_ms.is_(None),
            or_(keys.c.expires_at_ms.is_(None), keys.c.expires_at_ms > now_ms),
            *([] if sight is None else [is_seen(sight)]),
        )
    )


def _habits(now_ms: int) -> dict[Habit, ColumnElement[bool]]:
    used = func.coalesce(keys.c.last_used_at_ms, keys.c.created_at_ms)
    is_machine = keys.c.kind == Kind.SERVICE_ACCOUNT
    machine_gone = or_(service_accounts.c.id.is_(None), service_accounts.c.deleted_at_ms.is_not(None))
    person_gone = or_(memberships.c.user_id.is_(None), gone_at_ms().is_not(None))
    has_limit = exists().where(
        limits.c.scope_id == keys.c.id, limits.c.scope_type == ScopeType.KEY, limits.c.deleted_at_ms.is_(None)
    )
    return {
        Habit.OWNER_GONE: case((is_machine, machine_gone), else_=person_gone),
        Habit.NO_LIMIT: ~has_limit,
        Habit.NO_EXPIRY: keys.c.expires_at_ms.is_(None),
        Habit.LONG_UNUSED: used < now_ms - LONG_UNUSED_DAYS * DAY_MS,
        Habit.UNUSED: used < now_ms - UNUSED_DAYS * DAY_MS,
    }
