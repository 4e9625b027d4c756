"""Limits, and where each stands in its present period.

A limit's periods belong to the ledger; here they are only read. A limit that was deleted keeps its row,
because calls counted on it.
"""

from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Connection, RowMapping, and_, case, func, insert, or_, select, update

from keyhouse.core.authority import Sight
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.limit import Limit, LimitState, ScopeType, Span, Unit, Window, span_at
from keyhouse.store.among import among
from keyhouse.store.grants import is_seen
from keyhouse.store.ordering import by_bytes
from keyhouse.store.schema import keys, limit_periods, limits, service_accounts

Scope = tuple[ScopeType, str]
"""What a limit stands on: its type and id."""

SCOPES_PER_QUERY: Final = 500


def insert_limit(connection: Connection, limit: Limit, created_by: str) -> None:
    """Add a limit; raises sqlalchemy's IntegrityError if a live one of its kind exists (`find_like`)."""
    connection.execute(
        insert(limits).values(
            id=limit.id,
            organization_id=limit.organization_id,
            scope_type=limit.scope_type,
            scope_id=limit.scope_id,
            unit=limit.unit,
            window=limit.window,
            amount=limit.amount,
            model=limit.model,
            refuse_when_short=int(limit.refuse_when_short),
            created_at_ms=limit.created_at_ms,
            created_by=created_by,
        )
    )


def find_like(connection: Connection, limit: Limit) -> Limit | None:
    """The live limit with the same scope, unit, window and model: there is at most one."""
    row = connection.execute(
        select(limits)
        .where(
            limits.c.organization_id == limit.organization_id,
            limits.c.scope_type == limit.scope_type,
            limits.c.scope_id == limit.scope_id,
            limits.c.unit == limit.unit,
            limits.c.window == limit.window,
            func.coalesce(limits.c.model, "") == (limit.model or ""),
            limits.c.deleted_at_ms.is_(None),
        )
        .with_for_update(key_share=True)
    )
    found = row.mappings().one_or_none()
    return None if found is None else _limit(found)


def find_limit(
    connection: Connection, organization_id: str, limit_id: str, *, for_update: bool = False
) -> Limit | None:
    """The live limit with this id in this organization."""
    statement = select(limits).where(
        limits.c.id == limit_id, limits.c.organization_id == organization_id, limits.c.deleted_at_ms.is_(None)
    )
    if for_update:
        statement = statement.with_for_update(key_share=True)
    found = connection.execute(statement).mappings().one_or_none()
    return None if found is None else _limit(found)


def get_limit(connection: Connection, organization_id: str, limit_id: str, *, for_update: bool = False) -> Limit:
    """The same; raises Refusal(NOT_FOUND)."""
    limit = find_limit(connection, organization_id, limit_id, for_update=for_update)
    if limit is None:
        raise _missing(limit_id)
    return limit


def update_limit(connection: Connection, limit: Limit) -> None:
    """Write a limit's amount and whether it refuses what does not fit; the running period follows at once."""
    connection.execute(
        update(limits)
        .where(limits.c.id == limit.id)
        .values(amount=limit.amount, refuse_when_short=int(limit.refuse_when_short))
    )


def delete_limit(connection: Connection, limit_id: str, now_ms: int) -> None:
    """Take a limit out of force. Calls that hold on it still settle on its periods."""
    connection.execute(update(limits).where(limits.c.id == limit_id).values(deleted_at_ms=now_ms))


def list_states(
    connection: Connection,
    organization_id: str,
    time_zone: str,
    now_ms: int,
    *,
    scopes: Collection[Scope] | None = None,
    sight: Sight | None = None,
    mark: str | None = None,
) -> tuple[LimitState, ...]:
    """The live limits on these scopes, or all of the organization's, as they stand at this instant.

    Ordered by scope, then by when they were made; in its place also the one with the id `mark`, if it was deleted.
    `time_zone` is the organization's. With a sight only those it takes in.
    """
    seen = [] if sight is None else [is_limit_seen(sight)]
    if scopes is None:
        whole = [limits.c.organization_id == organization_id, *seen]
        return tuple(_states(connection, organization_id, time_zone, now_ms, whole, mark))
    wanted = set(scopes)
    found: list[LimitState] = []
    for ids in _batches(sorted({scope_id for _, scope_id in wanted})):
        found += _states(connection, organization_id, time_zone, now_ms, [among(limits.c.scope_id, ids), *seen], mark)
    return tuple(state for state in found if (state.limit.scope_type, state.limit.scope_id) in wanted)


def list_states_of(
    connection: Connection, organization_id: str, time_zone: str, now_ms: int, limit_ids: Collection[str]
) -> tuple[LimitState, ...]:
    """Those of these limits that are live, as they stand at this instant. Ordered as by `list_states`."""
    return tuple(_states(connection, organization_id, time_zone, now_ms, [among(limits.c.id, limit_ids)]))


def get_state(
    connection: Connection,
    organization_id: str,
    time_zone: str,
    now_ms: int,
    limit_id: str,
    *,
    sight: Sight | None = None,
) -> LimitState:
    """One live limit as it stands at this instant; raises Refusal(NOT_FOUND), also for one out of sight."""
    seen = [] if sight is None else [is_limit_seen(sight)]
    found = _states(connection, organization_id, time_zone, now_ms, [limits.c.id == limit_id, *seen])
    for state in found:
        return state
    raise _missing(limit_id)


def is_limit_seen(sight: Sight) -> ColumnElement[bool]:
    """Whether a limit is in sight, as SQL over `limits`: that of a project, key or machine, and one's own."""
    scope_type, scope_id = limits.c.scope_type, limits.c.scope_id
    seen_keys = select(keys.c.id).where(is_seen(sight))
    accounts = select(service_accounts.c.id).where(service_accounts.c.project_id.in_(sight.project_ids))
    return or_(
        and_(scope_type == ScopeType.PROJECT, scope_id.in_(sight.project_ids)),
        and_(scope_type == ScopeType.KEY, scope_id.in_(seen_keys)),
        and_(scope_type == ScopeType.SERVICE_ACCOUNT, scope_id.in_(accounts)),
        and_(scope_type == ScopeType.USER, scope_id == sight.user_id),
    )


def _missing(limit_id: str) -> Refusal:
    return Refusal(
        Code.NOT_FOUND,
        f"There is no limit {limit_id} in this organization.",
        hint="List the limits to see their ids; a deleted one does not come back.",
    )


def _states(
    connection: Connection,
    organization_id: str,
    time_zone: str,
    now_ms: int,
    conditions: Iterable[ColumnElement[bool]],
    mark: str | None = None,
) -> list[LimitState]:
    # Where ids or scopes are among the conditions the organization is not: beside it SQLite would go through all of its
    # limits to look for them.
    zone = ZoneInfo(time_zone)
    spans = {window: span_at(window, now_ms, zone) for window in Window}
    present = case(*((limits.c.window == window, span.key) for window, span in spans.items()))
    is_live = limits.c.deleted_at_ms.is_(None)
    rows = connection.execute(
        select(limits, limit_periods.c.settled, limit_periods.c.reserved)
        .outerjoin(limit_periods, and_(limit_periods.c.limit_id == limits.c.id, limit_periods.c.period == present))
        .where(is_live if mark is None else is_live | (limits.c.id == mark), *conditions)
        .order_by(by_bytes(limits.c.scope_type), by_bytes(limits.c.scope_id), limits.c.created_at_ms, limits.c.id)
    )
    return [_state(row, spans) for row in rows.mappings() if row["organization_id"] == organization_id]


def _state(row: RowMapping, spans: dict[Window, Span]) -> LimitState:
    limit = _limit(row)
    return LimitState(limit, row["settled"] or 0, row["reserved"] or 0, spans[limit.window].ends_at_ms)


def _limit(row: RowMapping) -> Limit:
    fields: dict[str, Any] = {name: row[name] for name in Limit.__struct_fields__}
    fields["scope_type"] = ScopeType(row["scope_type"])
    fields["unit"] = Unit(row["unit"])
    fields["window"] = Window(row["window"])
    fields["refuse_when_short"] = bool(row["refuse_when_short"])
    return Limit(**fields)


def _batches(ids: Iterable[str]) -> Iterator[list[str]]:
    rest = iter(ids)
    while batch := list(islice(rest, SCOPES_PER_QUERY)):
        yield batch
