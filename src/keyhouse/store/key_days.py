"""How much keys were used, day by day: read from the days that were folded, and from the slots of the others."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

from sqlalchemy import BigInteger, ColumnElement, Connection, Select, Table, cast, func, select, text

from keyhouse.store.among import among
from keyhouse.store.folding import DAYS, list_folded
from keyhouse.store.schema import usage_day_by_key, usage_hour
from keyhouse.store.spans import Bounds

_DAY: Final = "day"


def list_key_requests(
    connection: Connection, organization_id: str, key_ids: Collection[str], days: Sequence[Bounds]
) -> dict[tuple[str, int], int]:
    """How many requests these keys made on these days, by the key and the day's beginning; days without any are left
    out. All folded days are one question, and of the others all that are equally long and follow one another.
    """
    of_key, of_slot = usage_day_by_key.c, usage_hour.c
    folded = set(list_folded(connection, organization_id, DAYS, days[0][0], days[-1][1])) & set(days)
    questions = [
        _requests(usage_hour, of_slot.starts_at_ms - (of_slot.starts_at_ms - start_ms) % day_ms).where(
            of_slot.starts_at_ms >= start_ms,
            of_slot.starts_at_ms < end_ms,
            *_theirs(usage_hour, organization_id, key_ids),
        )
        for start_ms, end_ms, day_ms in _runs(day for day in days if day not in folded)
    ]
    if folded:
        in_folded = among(of_key.starts_at_ms, [start_ms for start_ms, _ in folded])
        theirs = _theirs(usage_day_by_key, organization_id, key_ids)
        questions.append(_requests(usage_day_by_key, of_key.starts_at_ms).where(in_folded, *theirs))
    return {(row[0], row[1]): row[2] for question in questions for row in connection.execute(question)}


def _requests(table: Table, day: ColumnElement[int]) -> Select[Any]:
    """The requests of each key on each day."""
    # PostgreSQL's sum of bigint is numeric.
    requests = cast(func.sum(table.c.requests), BigInteger)
    return select(table.c.key_id, day.label(_DAY), requests).group_by(table.c.key_id, text(_DAY))


def _theirs(table: Table, organization_id: str, key_ids: Collection[str]) -> tuple[ColumnElement[bool], ...]:
    return table.c.organization_id == organization_id, among(table.c.key_id, key_ids)


def _runs(days: Iterable[Bounds]) -> list[tuple[int, int, int]]:
    """Days that follow one another and are equally long, as one: its bounds, and how long they are."""
    runs: list[tuple[int, int, int]] = []
    for start_ms, end_ms in days:
        if runs and runs[-1][1:] == (start_ms, end_ms - start_ms):
            runs[-1] = (runs[-1][0], end_ms, end_ms - start_ms)
        else:
            runs.append((start_ms, end_ms, end_ms - start_ms))
    return runs
