"""What the pages of numbers share: what they ask for, of whom, who is shown by name, and the pieces of their files."""

from collections.abc import AsyncIterator, Sequence
from typing import Final, TypeVar

from keyhouse.console import wording
from keyhouse.console.doorway import Visit, session_of
from keyhouse.console.narrowing import usage_seen
from keyhouse.console.pages import pages_of
from keyhouse.console.periods import Period
from keyhouse.console.sheets import in_pieces
from keyhouse.console.usage_view import Gathered
from keyhouse.reporting.usage import OTHERS, UsageQuery, UsageRow, buckets
from keyhouse.store.timings import GroupTimings

_NAMED: Final = ("api_key_id", "user_id", "project_id")
NAMED_AT_ONCE: Final = 2_000
"""So many rows of a file are given their names, and sent, at once."""

Row = TypeVar("Row", UsageRow, GroupTimings)


def projects_seen(request: Visit, project_id: str) -> tuple[str, ...]:
    """Of which projects a page is: the one asked for, or all that this person sees; none named means everything."""
    asked = (project_id,) if project_id else ()
    sight = usage_seen(request)
    return asked if sight is None else sight.narrow(asked)


def queries_of(
    request: Visit, period: Period, by: str, project: str, *, key: str = "", model: str = ""
) -> tuple[UsageQuery, UsageQuery]:
    """What a page asks for of its period, and of the one before it."""
    session = session_of(request)
    present, before = (
        UsageQuery(
            organization_id=session.organization_id,
            start_ms=start_ms,
            end_ms=end_ms,
            bucket=period.bucket,
            zone=session.time_zone,
            group_by=(by,),
            api_key_ids=(key,) if key else (),
            models=(model,) if model else (),
            project_ids=projects_seen(request, project),
        )
        for start_ms, end_ms in (
            (period.start_ms, period.end_ms),
            (period.before_start_ms, period.before_end_ms),
        )
    )
    return present, before


async def gather(
    request: Visit, queries: tuple[UsageQuery, UsageQuery], measure: str
) -> tuple[Gathered, dict[str, str]]:
    """The rows of both periods, of those with the most of a measure and of all others, and the groups' names."""
    present, before = queries
    questions = pages_of(request).desk.usage_questions
    leaders = await questions.leaders(present, measure)
    groups_before, buckets_before = await questions.summed(before, leaders)
    gathered = Gathered(
        rows=await questions.rows_of(present, leaders),
        rows_before=groups_before,
        whole_before=buckets_before,
        buckets=buckets(present.start_ms, present.end_ms, present.bucket, present.zone),
        buckets_before=buckets(before.start_ms, before.end_ms, before.bucket, before.zone),
        others=0 if leaders is None else leaders.others,
    )
    names = await names_of(request, present.group_by[0], (*gathered.rows, *gathered.rows_before))
    return gathered, names | {OTHERS: wording.plural(gathered.others, "other")}


async def names_of(request: Visit, by: str, rows: Sequence[UsageRow | GroupTimings]) -> dict[str, str]:
    """The names of the groups of these rows, where they are ids: a model or an endpoint is its own."""
    ids = {row.group[0] for row in rows if row.group[0]}
    return await pages_of(request).desk.names(session_of(request).organization_id, ids) if by in _NAMED else {}


async def named(
    request: Visit, by: str, rows: Sequence[Row], known: dict[str, str] | None = None
) -> AsyncIterator[tuple[list[Row], dict[str, str]]]:
    """The rows of a file, some at a time, with the names of their groups; those that are `known` are not asked for, and
    all others become known.
    """
    for piece in in_pieces(rows, NAMED_AT_ONCE):
        names = {} if known is None else known
        names |= await names_of(request, by, [row for row in piece if row.group[0] not in names])
        yield piece, names
