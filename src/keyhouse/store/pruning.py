"""What is no longer needed is deleted, a little at a time: each function here is one short transaction.

Every function returns how many rows went, None if another gateway is at it right now.
"""

from collections.abc import Sequence
from typing import Final

import msgspec
from sqlalchemy import Connection, bindparam, delete, func, insert, literal_column, or_, select, update

from keyhouse.core.call import State
from keyhouse.core.identifiers import call_id
from keyhouse.core.limit import Window
from keyhouse.store.schema import (
    adjustments,
    calls,
    limit_periods,
    limits,
    pruned_calls,
    repeats,
    sessions,
    sign_in_attempts,
    usage_minute,
)
from keyhouse.store.turns import Turn, try_turn
from keyhouse.store.watch import FIRST, Stretch, list_counted

_THE_ROW: Final = 1


def list_old_minutes(connection: Connection, before_ms: int, at_most: int) -> Sequence[int]:
    """Periods of limits per minute that ended before this instant and that no running call counts on.

    Never the newest of all periods: SQLite would give its number to the next one, and calls still name it.
    """
    counted_on = _counted_on(connection)
    statement = (
        select(limit_periods.c.id)
        .join(limits, limits.c.id == limit_periods.c.limit_id)
        .where(
            limits.c.window == Window.MINUTE,
            limit_periods.c.ends_at_ms < before_ms,
            limit_periods.c.reserved == 0,
            limit_periods.c.id < select(func.max(limit_periods.c.id)).scalar_subquery(),
        )
        .limit(at_most + len(counted_on))
    )
    return [found for found in connection.execute(statement).scalars() if found not in counted_on][:at_most]


def delete_old_minutes(connection: Connection, period_ids: Sequence[int]) -> int | None:
    """Delete these periods, but none that a call counts on by now."""
    if not try_turn(connection, Turn.HOUSEKEEPING):
        return None
    free = set(period_ids) - _counted_on(connection)
    statement = delete(limit_periods).where(limit_periods.c.id.in_(free), limit_periods.c.reserved == 0)
    return connection.execute(statement).rowcount


def _counted_on(connection: Connection) -> set[int]:
    """The periods that running calls name. What a call reserves on one of them can be nothing: images, of a chat."""
    running = select(calls.c.period_ids).where(calls.c.state == literal_column("'held'")).distinct()
    return {period_id for text in connection.execute(running).scalars() for period_id in msgspec.json.decode(text)}


def delete_usage_minutes(connection: Connection, before_ms: int, at_most: int) -> int | None:
    """Delete the oldest rollups by minute that begin before this instant, about so many."""
    if not try_turn(connection, Turn.HOUSEKEEPING):
        return None
    starts = usage_minute.c.starts_at_ms
    oldest = select(starts).where(starts < before_ms).order_by(starts).offset(at_most - 1).limit(1)
    cut_ms = connection.execute(oldest).scalar()
    statement = delete(usage_minute).where(starts < before_ms if cut_ms is None else starts <= cut_ms)
    return connection.execute(statement).rowcount


def delete_spent_sessions(connection: Connection, before_ms: int) -> int | None:
    """Delete sessions that ended or expired before this instant."""
    if not try_turn(connection, Turn.HOUSEKEEPING):
        return None
    spent = or_(sessions.c.expires_at_ms < before_ms, sessions.c.ended_at_ms < before_ms)
    return connection.execute(delete(sessions).where(spent)).rowcount


def delete_spent_attempts(connection: Connection, before_ms: int) -> int | None:
    """Delete attempts to sign in from before this instant."""
    if not try_turn(connection, Turn.HOUSEKEEPING):
        return None
    return connection.execute(delete(sign_in_attempts).where(sign_in_attempts.c.at_ms < before_ms)).rowcount


def delete_spent_repeats(connection: Connection, seeds_ms: int, before_ms: int) -> int | None:
    """Forget the seeds of repeatable requests from before `seeds_ms`, and delete those from before `before_ms`."""
    if not try_turn(connection, Turn.HOUSEKEEPING):
        return None
    old = repeats.c.created_at_ms < seeds_ms
    connection.execute(update(repeats).where(old, repeats.c.seed.is_not(None)).values(seed=None))
    return connection.execute(delete(repeats).where(repeats.c.created_at_ms < before_ms)).rowcount


def list_old_calls(connection: Connection, before_ms: int, at_most: int) -> Sequence[str]:
    """The oldest calls that closed before this instant, in the order of their ids."""
    statement = (
        select(calls.c.id)
        .where(
            # A call began before it closed: this is what ends the search.
            calls.c.id < call_id(before_ms, bytes(10)),
            calls.c.state != State.HELD,
            calls.c.closed_at_ms < before_ms,
        )
        .order_by(calls.c.id)
        .limit(at_most)
    )
    return connection.execute(statement).scalars().all()


def delete_calls(connection: Connection, call_ids: Sequence[str]) -> int | None:
    """Delete these closed calls with their adjustments; what they counted stays in the books as pruned.

    Rows are locked in the ledger's own order, calls and then periods by their ids, and the periods last of all:
    batches wait for them.
    """
    if not try_turn(connection, Turn.HOUSEKEEPING):
        return None
    these = calls.c.id.in_(call_ids)
    locked = select(calls.c.id, calls.c.rollup_at_ms).where(these).order_by(calls.c.id).with_for_update()
    rows = connection.execute(locked).all()
    if not rows:
        return 0
    ids = [row[0] for row in rows]
    counted = {found.period_id: found.settled for found in list_counted(connection, Stretch(FIRST, FIRST, tuple(ids)))}
    connection.execute(delete(adjustments).where(adjustments.c.call_id.in_(ids)))
    deleted = connection.execute(delete(calls).where(these)).rowcount
    _note(connection, ids[-1], max(row[1] for row in rows))
    _add_pruned(connection, {period_id: settled for period_id, settled in counted.items() if settled})
    return deleted


def _note(connection: Connection, last_id: str, last_slot_ms: int) -> None:
    """Remember how far calls were pruned."""
    row = connection.execute(select(pruned_calls.c.last_id, pruned_calls.c.last_slot_ms)).one_or_none()
    if row is None:
        connection.execute(insert(pruned_calls).values(id=_THE_ROW, last_id=last_id, last_slot_ms=last_slot_ms))
        return
    connection.execute(
        update(pruned_calls).values(last_id=max(row[0], last_id), last_slot_ms=max(row[1], last_slot_ms))
    )


def _add_pruned(connection: Connection, counted: dict[int, int]) -> None:
    if not counted:
        return
    chosen = limit_periods.c.id.in_(counted)
    connection.execute(
        select(limit_periods.c.id).where(chosen).order_by(limit_periods.c.id).with_for_update(key_share=True)
    ).all()
    connection.execute(
        update(limit_periods)
        .where(limit_periods.c.id == bindparam("its_id"))
        .values(pruned=limit_periods.c.pruned + bindparam("its_sum")),
        [{"its_id": period_id, "its_sum": settled} for period_id, settled in sorted(counted.items())],
    )
