"""Who used most of something in a time: exact, and where there are rankings, from few rows.

Who used most is found by adding up everybody. A ranking (`store/rankings.py`) says what each can have used at most, so
only those are added up who may be among the most: first those with the most by their bounds, then more, until nobody
who is left can have more than the last of those found (the threshold algorithm of Fagin, Lotem and Naor, 2001).
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Select, Table, and_, func, or_, select, union_all

from keyhouse.store.ordering import by_bytes
from keyhouse.store.rankings import Place, Ranking, find_ranking
from keyhouse.store.rollups import Selection, belonging, filters, pieced
from keyhouse.store.schema import keys, usage_hour
from keyhouse.store.spans import Bounds, joined

ADDED_UP_MAX: Final = 800
"""Where more would have to be added up one by one, everybody is."""


def list_leaders(
    connection: Connection, selection: Selection, spans: Iterable[Bounds], measure: str, count: int
) -> tuple[tuple[str, ...], int]:
    """The values of the one group that have the most of a measure in all of these spans, at most `count`, most first;
    and how many values there are. The spans follow each other.
    """
    wanted = list(spans)
    if not wanted:
        return (), 0
    bounds = wanted[0][0], wanted[-1][1]
    if (found := _by_ranking(connection, selection, bounds, measure, count)) is not None:
        return found
    sums = _sums(connection, selection, bounds, measure)
    leaders = select(sums.c.value, func.count().over()).order_by(sums.c.much.desc(), by_bytes(sums.c.value))
    rows = connection.execute(leaders.limit(count)).all()
    return tuple(row[0] for row in rows), rows[0][1] if rows else 0


def _by_ranking(
    connection: Connection, selection: Selection, bounds: Bounds, measure: str, count: int
) -> tuple[tuple[str, ...], int] | None:
    """The same by a ranking, None where there is none for it or it does not tell them apart."""
    projects = selection.project_ids
    if filters(selection).keys() - {"project_id"} or len(projects) > 1:
        return None
    (name,) = selection.group_by
    place = Place(name, projects[0] if projects else "", measure)
    ranking = find_ranking(connection, selection.organization_id, place, *bounds)
    seen = None if ranking is None else ranking.count_since(bounds[0])
    if ranking is None or seen is None:
        return None
    lately = _values(usage_hour, selection, measure, [(ranking.ends_at_ms, bounds[1])])
    after = lately.subquery()
    much = select(after.c.value, func.sum(after.c.much)).group_by(after.c.value)
    rest: dict[str, int] = {row[0]: int(row[1]) for row in connection.execute(much)}
    leaders = _leading(connection, selection, bounds, measure, count, _bounds(ranking, rest), ranking.rest)
    if leaders is None:
        return None
    return leaders, seen + _count_new(connection, selection, (bounds[0], ranking.ends_at_ms), bounds[1])


def _bounds(ranking: Ranking, rest: dict[str, int]) -> list[tuple[int, str]]:
    """What each used at most, most first; who is missing used no more than the ranking's rest."""
    most = dict(ranking.leaders)
    known = {value: bound + rest.get(value, 0) for value, bound in most.items()}
    known |= {value: ranking.rest + much for value, much in rest.items() if value not in most}
    return sorted(((bound, value) for value, bound in known.items()), reverse=True)


def _leading(
    connection: Connection,
    selection: Selection,
    bounds: Bounds,
    measure: str,
    count: int,
    known: Sequence[tuple[int, str]],
    others: int,
) -> tuple[str, ...] | None:
    """Those with the most, once nobody else can have as much as the last of them."""
    exact: list[tuple[int, str]] = []
    place, step = 0, count + count // 4
    while place < min(len(known), ADDED_UP_MAX):
        some = tuple(value for _, value in known[place : place + step])
        exact += _added_up(connection, selection, bounds, measure, some)
        exact.sort(key=lambda one: (-one[0], one[1]))
        place, step = place + step, 2 * step
        bound = max(others, known[place][0] if place < len(known) else 0)
        if len(exact) >= count and exact[count - 1][0] > bound:
            return tuple(value for _, value in exact[:count])
    return None


def _added_up(
    connection: Connection, selection: Selection, bounds: Bounds, measure: str, values: tuple[str, ...]
) -> list[tuple[int, str]]:
    sums = _sums(connection, selection, bounds, measure, values)
    return [(int(row[1]), row[0]) for row in connection.execute(select(sums.c.value, sums.c.much))]


def _sums(
    connection: Connection, selection: Selection, bounds: Bounds, measure: str, values: tuple[str, ...] = ()
) -> Any:
    """What everybody, or each of these, used: from what was folded, and slots between that."""
    of_table: dict[Table, list[Bounds]] = {}
    for _, pieces in pieced(connection, selection, [bounds]):
        for table, piece in pieces:
            of_table.setdefault(table, []).append(piece)
    rows = union_all(*(_values(table, selection, measure, spans, values) for table, spans in of_table.items()))
    parts = rows.subquery()
    return select(parts.c.value, func.sum(parts.c.much).label("much")).group_by(parts.c.value).subquery()


def _values(
    table: Table, selection: Selection, measure: str, spans: Iterable[Bounds], values: tuple[str, ...] = ()
) -> Select[Any]:
    """Who used how much, row by row, in what begins within these spans."""
    (name,) = selection.group_by
    at = table.c.starts_at_ms
    when = or_(*(and_(at >= start_ms, at < end_ms) for start_ms, end_ms in joined(spans)))
    these = [table.c[name].in_(values)] if values else []
    return select(table.c[name].label("value"), table.c[measure].label("much")).where(
        when, *these, *belonging(table, selection)
    )


def _count_new(connection: Connection, selection: Selection, before: Bounds, end_ms: int) -> int:
    """How many used something from the end of that time on, and nothing in it."""
    (name,) = selection.group_by
    lately = _values(usage_hour, selection, "requests", [(before[1], end_ms)]).subquery()
    found = select(lately.c.value).distinct().subquery()
    earlier = usage_hour.alias()
    used = [earlier.c.starts_at_ms >= before[0], earlier.c.starts_at_ms < before[1], *belonging(earlier, selection)]
    of_them = earlier.c.key_id == found.c.value
    if name == "owner_id":
        # A key's owner never changes, and no key is ever deleted: hours are found by their keys.
        of_them = and_(
            keys.c.owner_id == found.c.value, earlier.c.key_id == keys.c.id, earlier.c.owner_id == found.c.value
        )
    # Looked up for one after the other, and no further than to the first: PostgreSQL would join all hours otherwise.
    first = select(earlier.c.starts_at_ms).where(of_them, *used).limit(1).scalar_subquery()
    return int(connection.execute(select(func.count()).select_from(found).where(first.is_(None))).scalar_one())
