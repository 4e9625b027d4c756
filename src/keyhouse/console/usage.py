"""The usage page and its CSV: one period, one grouping, one measure, all in the address."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final

from litestar import Response, get

from keyhouse.console import wording
from keyhouse.console.desk import Desk
from keyhouse.console.doorway import Visit, session_of
from keyhouse.console.narrowing import narrowed, usage_seen
from keyhouse.console.pages import pages_of
from keyhouse.console.periods import PERIODS, Period, Picked, period_at, read
from keyhouse.console.sheets import Rows, as_csv, in_pieces
from keyhouse.console.usage_view import (
    GROUPS,
    MEASURED,
    MEASURES,
    Gathered,
    Report,
    Sums,
    report,
)
from keyhouse.console.wording import Times
from keyhouse.control.authority import Task
from keyhouse.core.money import format_usd
from keyhouse.reporting.usage import OTHERS, Bucket, UsageQuery, UsageRow, buckets
from keyhouse.store.timings import GroupTimings

_NAMED: Final = ("api_key_id", "user_id", "project_id")
NAMED_AT_ONCE: Final = 2_000
"""So many rows of a file are given their names, and sent, at once."""


class Asked(Picked, frozen=True):
    """What the address asks for."""

    by: str = "model"
    measure: str = "requests"
    key: str = ""
    project: str = ""


def asked_of(request: Visit) -> Asked:
    """What the address asks for; what it asks wrongly is as if it were not there."""
    choices = {"by": {name for name, _, _ in GROUPS}, "measure": {name for name, _ in MEASURES}}
    return read(Asked, request.query_params, choices)


@get("/usage")
async def show_usage(request: Visit) -> Response[Any]:
    """Totals, chart and table."""
    pages, session = pages_of(request), session_of(request)
    asked, times = asked_of(request), pages.times(session)
    period = period_at(asked, times)
    # An id of another organization has no name here, and reads as missing.
    only = await pages.desk.names(session.organization_id, [asked.key] if asked.key else [])
    found = await usage_report(request, asked, period, times)
    return await pages.signed_in(
        request,
        "usage/usage.html",
        here="/usage",
        overlay=None,
        toast=None,
        asked=asked,
        report=found,
        periods=PERIODS,
        groups=GROUPS,
        measures=MEASURES,
        is_hourly=period.bucket == "hour",
        group_title=next(title for name, title, _ in GROUPS if name == asked.by),
        measure_title=dict(MEASURES)[asked.measure],
        first_day=times.short_day(period.start_ms),
        last_day=times.day(period.end_ms - 1),
        only_key=only.get(asked.key, asked.key),
        narrowed=await narrowed(request, Task.USAGE_READ),
    )


@get("/usage.csv")
async def download_usage(request: Visit) -> Response[Any]:
    """The table that the page shows, exactly, with every group by itself, as CSV."""
    pages, session = pages_of(request), session_of(request)
    asked, times = asked_of(request), pages.times(session)
    period = period_at(asked, times)
    query = _query(request, asked, period.bucket, period.start_ms, period.end_ms)

    async def lines() -> AsyncIterator[Rows]:
        found = await pages.desk.usage_questions.whole(query, MEASURED[asked.measure])
        for rows in in_pieces(found, NAMED_AT_ONCE):
            names = await names_of(pages.desk, session.organization_id, asked.by, rows)
            yield [_line(row, names) for row in rows]

    heads = ["requests", "input_tokens", "cached_input_tokens", "output_tokens", "reasoning_tokens", "cost_usd"]
    return as_csv(f"keyhouse-usage-{asked.period}.csv", [asked.by, *heads], lines())


def _line(row: UsageRow, names: Mapping[str, str]) -> tuple[object, ...]:
    sums = Sums()
    sums.add(row)
    group = row.group[0] or ""
    counts = (sums.requests, sums.input, sums.cached, sums.output, sums.reasoning)
    return names.get(group, group), *counts, format_usd(sums.cost)


async def names_of(
    desk: Desk, organization_id: str, by: str, rows: Sequence[UsageRow | GroupTimings]
) -> dict[str, str]:
    """The names of the groups of these rows, where they are ids: a model or an endpoint is its own."""
    ids = {row.group[0] for row in rows if row.group[0]}
    return await desk.names(organization_id, ids) if by in _NAMED else {}


def _query(request: Visit, asked: Asked, bucket: Bucket, start_ms: int, end_ms: int) -> UsageQuery:
    session = session_of(request)
    project_ids: tuple[str, ...] = (asked.project,) if asked.project else ()
    if sight := usage_seen(request):
        project_ids = sight.narrow(project_ids)
    return UsageQuery(
        organization_id=session.organization_id,
        start_ms=start_ms,
        end_ms=end_ms,
        bucket=bucket,
        zone=session.time_zone,
        group_by=(asked.by,),
        api_key_ids=(asked.key,) if asked.key else (),
        project_ids=project_ids,
    )


async def usage_report(request: Visit, asked: Asked, period: Period, times: Times) -> Report:
    """What the page and a key's own page show."""
    pages, session = pages_of(request), session_of(request)
    zone = session.time_zone
    questions = pages.desk.usage_questions
    present = _query(request, asked, period.bucket, period.start_ms, period.end_ms)
    before = _query(request, asked, period.bucket, period.before_start_ms, period.before_end_ms)
    leaders = await questions.leaders(present, MEASURED[asked.measure])
    gathered = Gathered(
        rows=await questions.rows_of(present, leaders),
        rows_before=await questions.rows_of(before, leaders),
        buckets=buckets(period.start_ms, period.end_ms, period.bucket, zone),
        buckets_before=buckets(period.before_start_ms, period.before_end_ms, period.bucket, zone),
        others=0 if leaders is None else leaders.others,
    )
    rows = (*gathered.rows, *gathered.rows_before)
    names = await names_of(pages.desk, session.organization_id, asked.by, rows)
    names |= {OTHERS: wording.plural(gathered.others, "other")}
    return report(gathered, period, asked.by, asked.measure, names, times)
