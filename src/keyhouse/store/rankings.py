"""Who used most, looked up beforehand: where an organization has very many keys, no page adds up every key's days.

A ranking says how much the foremost keys, or owners, of an organization or of one of its projects used from one instant
to another, and that nobody else used more than the last of these. It is made when nothing that began before its end
still runs: a late settle can only give back, so what it says is for ever the most that it can be. Nobody is shown a
number of it: it only tells who needs not be added up (`store/leaders.py`). And it says of how many the last use in that
time was when, of which it follows how many used anything since.
"""

from collections.abc import Iterable
from typing import Any, Final

import msgspec
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Select,
    Table,
    Text,
    and_,
    cast,
    delete,
    func,
    insert,
    literal,
    literal_column,
    or_,
    select,
    union_all,
)

from keyhouse.core.rollup import QUARTER_MS
from keyhouse.store.folding import DAYS, list_folded
from keyhouse.store.schema import calls, keys, rankings, usage_day_by_key, usage_hour
from keyhouse.store.spans import Bounds, gaps
from keyhouse.store.turns import Turn, try_turn

NAMES: Final = ("key_id", "owner_id")
"""Who is ranked: there can be very many."""

MEASURES: Final = (
    "requests",
    "input_tokens",
    "cached_input_tokens",
    "output_tokens",
    "reasoning_tokens",
    "cost_nano_usd",
)
RANKED: Final = 200
"""How many of them a ranking knows."""

MANY: Final = 1_000
"""An organization, or a project, with fewer keys is added up quickly enough."""

PROJECTS_MAX: Final = 30
"""Of so many projects there are rankings, those with the most keys."""

_EVERYWHERE: Final = ""


class Ranking(msgspec.Struct, frozen=True):
    """The foremost with what each used at most, most first, from `starts_at_ms` up to `ends_at_ms`; and how many used
    something last in a slot or a day, by its bounds.
    """

    starts_at_ms: int
    ends_at_ms: int
    leaders: tuple[tuple[str, int], ...]
    seen: tuple[tuple[int, int, int], ...]

    @property
    def rest(self) -> int:
        """The most that anybody used who is not among the foremost."""
        return self.leaders[-1][1] if len(self.leaders) == RANKED else 0

    def count_since(self, start_ms: int) -> int | None:
        """How many used anything from this instant on; None if that is within a day that was added up whole."""
        if any(first_ms < start_ms < end_ms for first_ms, end_ms, _ in self.seen):
            return None
        return sum(count for first_ms, _, count in self.seen if first_ms >= start_ms)


class Place(msgspec.Struct, frozen=True):
    """What a ranking is of: who, of which project (of all if empty), and by what."""

    name: str
    project_id: str
    measure: str


def find_ranking(
    connection: Connection, organization_id: str, place: Place, start_ms: int, end_ms: int
) -> Ranking | None:
    """The ranking that begins latest of those that take in all from `start_ms` on, and none after `end_ms`."""
    at = rankings.c
    row = connection.execute(
        select(at.starts_at_ms, at.ends_at_ms, at.leaders, at.seen)
        .where(
            at.organization_id == organization_id,
            at.name == place.name,
            at.project_id == place.project_id,
            at.measure == place.measure,
            at.starts_at_ms <= start_ms,
            at.ends_at_ms > start_ms,
            at.ends_at_ms <= end_ms,
        )
        .order_by(at.starts_at_ms.desc())
        .limit(1)
    ).one_or_none()
    if row is None:
        return None
    leaders = msgspec.json.decode(row[2], type=tuple[tuple[str, int], ...])
    return Ranking(row[0], row[1], leaders, msgspec.json.decode(row[3], type=tuple[tuple[int, int, int], ...]))


def list_ranked_projects(connection: Connection, organization_id: str) -> list[str]:
    """Of which projects rankings are made, everything together first; none in an organization of few keys."""
    count = func.count()
    statement = (
        select(keys.c.project_id, count)
        .where(keys.c.organization_id == organization_id, keys.c.project_id.is_not(None))
        .group_by(keys.c.project_id)
        .order_by(count.desc(), keys.c.project_id)
    )
    rows = connection.execute(statement).all()
    if sum(row[1] for row in rows) < MANY:
        return []
    return [_EVERYWHERE, *(row[0] for row in rows if row[1] >= MANY)][: PROJECTS_MAX + 1]


def find_made_at(connection: Connection, organization_id: str, starts_at_ms: int) -> int | None:
    """When the rankings from this instant on were made."""
    at = rankings.c
    of_it = at.organization_id == organization_id, at.starts_at_ms == starts_at_ms
    return connection.execute(select(func.max(at.made_at_ms)).where(*of_it)).scalar_one_or_none()


def find_end(connection: Connection, organization_id: str, until_ms: int) -> int:
    """The instant up to then before which no call began that still runs."""
    running = calls.c.state == literal_column("'held'"), calls.c.organization_id == organization_id
    first_ms = connection.execute(select(func.min(calls.c.rollup_at_ms)).where(*running)).scalar_one()
    return until_ms if first_ms is None else min(until_ms, first_ms)


def read_rankings(
    connection: Connection, organization_id: str, projects: Iterable[str], start_ms: int, until_ms: int
) -> dict[Place, Ranking]:
    """The rankings from one instant up to another, or as far as nothing changes any more, from the rollups."""
    end_ms = find_end(connection, organization_id, until_ms)
    if end_ms <= start_ms:
        return {}
    leaders: dict[Place, list[tuple[str, int]]] = {}
    seen: dict[tuple[str, str], list[tuple[int, int, int]]] = {}
    days = dict(list_folded(connection, organization_id, DAYS, start_ms, end_ms))
    for row in connection.execute(_ranked(organization_id, list(days.items()), (start_ms, end_ms), projects)):
        name, project_id, measure, value, number = row
        if measure is not None:
            leaders.setdefault(Place(name, project_id, measure), []).append((value, number))
            continue
        first_ms = int(value)
        seen.setdefault((name, project_id), []).append((first_ms, days.get(first_ms, first_ms + QUARTER_MS), number))
    return {
        place: Ranking(
            start_ms,
            end_ms,
            tuple(sorted(found, key=lambda one: -one[1])),
            tuple(sorted(seen[place.name, place.project_id])),
        )
        for place, found in leaders.items()
    }


def _ranked(organization_id: str, days: list[Bounds], bounds: Bounds, projects: Iterable[str]) -> Select[Any]:
    """Who is foremost, by name, project and measure; and without a measure how many were seen last when."""
    sums = _summed(organization_id, days, bounds)
    parts: list[Any] = []
    for name in NAMES:
        for project_id in projects:
            of = (
                select(
                    sums.c[name].label("value"),
                    func.max(sums.c.last).label("last"),
                    *(cast(func.sum(sums.c[measure]), BigInteger).label(measure) for measure in MEASURES),
                )
                .where(*([sums.c.project_id == project_id] if project_id else []))
                .group_by(sums.c[name])
                .cte(f"{name}_{len(parts)}")
            )
            place = literal(name, Text).label("name"), literal(project_id, Text).label("project_id")
            for measure in MEASURES:
                much = of.c[measure].label("number")
                first = select(*place, literal(measure, Text).label("measure"), of.c.value, much)
                most = first.where(much > 0).order_by(much.desc()).limit(RANKED).subquery()
                parts.append(select(most))
            last, nothing = cast(of.c.last, Text).label("value"), cast(literal(None), Text).label("measure")
            parts.append(select(*place, nothing, last, func.count().label("number")).group_by(of.c.last))
    return select(union_all(*parts).subquery())


def _summed(organization_id: str, days: list[Bounds], bounds: Bounds) -> Any:
    sources: list[tuple[Table, ColumnElement[bool]]] = []
    if days:
        of_days = usage_day_by_key.c.starts_at_ms.in_([start_ms for start_ms, _ in days])
        sources.append((usage_day_by_key, of_days))
    at = usage_hour.c.starts_at_ms
    if between := gaps(days, bounds):
        sources.append((usage_hour, or_(*(and_(at >= start_ms, at < end_ms) for start_ms, end_ms in between))))
    rows = union_all(
        *(
            select(
                *(table.c[name] for name in ("project_id", "owner_id", "key_id", "starts_at_ms")),
                *(table.c[measure] for measure in MEASURES),
            ).where(condition, table.c.organization_id == organization_id)
            for table, condition in sources
        )
    ).subquery()
    return (
        select(
            *(rows.c[name] for name in ("project_id", "owner_id", "key_id")),
            func.max(rows.c.starts_at_ms).label("last"),
            *(func.sum(rows.c[measure]).label(measure) for measure in MEASURES),
        )
        .group_by(rows.c.project_id, rows.c.owner_id, rows.c.key_id)
        .cte("sums")
    )


def replace_rankings(
    connection: Connection, organization_id: str, starts_at_ms: int, made: dict[Place, Ranking], now_ms: int
) -> None:
    """Keep these instead of those from the same instant on."""
    if not try_turn(connection, Turn.HOUSEKEEPING):
        return
    at = rankings.c
    connection.execute(delete(rankings).where(at.organization_id == organization_id, at.starts_at_ms == starts_at_ms))
    rows = [
        {
            "organization_id": organization_id,
            "starts_at_ms": starts_at_ms,
            "name": place.name,
            "project_id": place.project_id,
            "measure": place.measure,
            "ends_at_ms": ranking.ends_at_ms,
            "made_at_ms": now_ms,
            "leaders": msgspec.json.encode(ranking.leaders).decode(),
            "seen": msgspec.json.encode(ranking.seen).decode(),
        }
        for place, ranking in made.items()
    ]
    if rows:
        connection.execute(insert(rankings), rows)


def delete_rankings(connection: Connection, organization_id: str, kept: Iterable[int]) -> None:
    """Delete those that begin at no instant of these."""
    at = rankings.c
    these = at.organization_id == organization_id, at.starts_at_ms.not_in(list(kept))
    connection.execute(delete(rankings).where(*these))
