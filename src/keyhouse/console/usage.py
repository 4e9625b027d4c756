"""The usage page and its CSV: one period, one grouping, one measure, all in the address."""

from typing import Any

from litestar import Response, get

from keyhouse.console import wording
from keyhouse.console.doorway import Visit, session_of
from keyhouse.console.narrowing import narrowed, usage_seen
from keyhouse.console.pages import pages_of
from keyhouse.console.periods import PERIODS, Period, Picked, period_at, read
from keyhouse.console.sheets import as_csv
from keyhouse.console.usage_view import (
    GROUPS,
    MEASURED,
    MEASURES,
    Gathered,
    Report,
    report,
)
from keyhouse.console.wording import Times
from keyhouse.control.authority import Task
from keyhouse.core.money import format_usd
from keyhouse.reporting.usage import OTHERS, UsageQuery, buckets


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
    """The table that the page shows, exactly, as CSV."""
    pages, session = pages_of(request), session_of(request)
    asked, times = asked_of(request), pages.times(session)
    found = await usage_report(request, asked, period_at(asked, times), times, is_whole=True)
    heads = ["requests", "input_tokens", "cached_input_tokens", "output_tokens", "reasoning_tokens", "cost_usd"]
    rows = [
        (line.name, one.requests, one.input, one.cached, one.output, one.reasoning, format_usd(one.cost))
        for line in found.lines
        for one in (line.sums,)
    ]
    return as_csv(f"keyhouse-usage-{asked.period}.csv", [asked.by, *heads], rows)


async def usage_report(request: Visit, asked: Asked, period: Period, times: Times, *, is_whole: bool = False) -> Report:
    """What the page and a key's own page show; every group by itself, however many there are, if `is_whole`: CSV."""
    pages, session = pages_of(request), session_of(request)
    zone = session.time_zone
    project_ids: tuple[str, ...] = (asked.project,) if asked.project else ()
    if sight := usage_seen(request):
        project_ids = sight.narrow(project_ids)

    def query(start_ms: int, end_ms: int) -> UsageQuery:
        return UsageQuery(
            organization_id=session.organization_id,
            start_ms=start_ms,
            end_ms=end_ms,
            bucket=period.bucket,
            zone=zone,
            group_by=(asked.by,),
            api_key_ids=(asked.key,) if asked.key else (),
            project_ids=project_ids,
        )

    questions = pages.desk.usage_questions
    present = query(period.start_ms, period.end_ms)
    leaders = None if is_whole else await questions.leaders(present, MEASURED[asked.measure])
    gathered = Gathered(
        rows=await questions.rows_of(present, leaders),
        rows_before=await questions.rows_of(query(period.before_start_ms, period.before_end_ms), leaders),
        buckets=buckets(period.start_ms, period.end_ms, period.bucket, zone),
        buckets_before=buckets(period.before_start_ms, period.before_end_ms, period.bucket, zone),
        others=0 if leaders is None else leaders.others,
    )
    ids = {row.group[0] for row in (*gathered.rows, *gathered.rows_before) if row.group[0]}
    names = {} if asked.by == "model" else await pages.desk.names(session.organization_id, ids)
    names |= {OTHERS: wording.plural(gathered.others, "other")}
    return report(gathered, period, asked.by, asked.measure, names, times)
