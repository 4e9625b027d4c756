"""The performance page and its CSV: how fast answers come, and how many do not."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
from litestar import Response, get

from keyhouse.console import wording
from keyhouse.console.doorway import Visit, session_of
from keyhouse.console.narrowing import narrowed
from keyhouse.console.numbers import named, names_of, queries_of
from keyhouse.console.pages import pages_of
from keyhouse.console.performance_view import GROUPS, HEADS, Gathered, Report, cells, report, whole_line
from keyhouse.console.periods import PERIODS, Period, Picked, period_at, read
from keyhouse.console.sheets import Rows, as_csv
from keyhouse.console.wording import Times
from keyhouse.control.authority import Task
from keyhouse.reporting.performance import speed_of
from keyhouse.reporting.usage import OTHERS, UsageQuery, buckets
from keyhouse.store.timings import NOTHING


class Asked(Picked, frozen=True):
    """What the address asks for."""

    by: str = "model"
    model: str = ""
    key: str = ""
    project: str = ""


def asked_of(request: Visit) -> Asked:
    """What the address asks for; what it asks wrongly is as if it were not there."""
    return read(Asked, request.query_params, {"by": {name for name, _, _ in GROUPS}})


@get("/performance")
async def show_performance(request: Visit) -> Response[Any]:
    """Totals, four charts, and the table."""
    pages, session = pages_of(request), session_of(request)
    asked, times = asked_of(request), pages.times(session)
    period = period_at(asked, times)
    only = await pages.desk.names(session.organization_id, [asked.key] if asked.key else [])
    return await pages.signed_in(
        request,
        "performance/performance.html",
        here="/performance",
        overlay=None,
        toast=None,
        asked=asked,
        report=await _report(request, asked, period, times),
        periods=PERIODS,
        groups=GROUPS,
        heads=HEADS,
        group_title=next(title for name, title, _ in GROUPS if name == asked.by),
        period_name=period.name,
        bucket=period.bucket,
        first_day=times.short_day(period.start_ms),
        last_day=times.day(period.end_ms - 1),
        only_key=only.get(asked.key, asked.key),
        narrowed=await narrowed(request, Task.USAGE_READ),
    )


@get("/performance.csv")
async def download_performance(request: Visit) -> Response[Any]:
    """The table that the page shows, exactly, with every group by itself, as CSV."""
    pages, asked = pages_of(request), asked_of(request)
    period = period_at(asked, pages.times(session_of(request)))

    async def lines() -> AsyncIterator[Rows]:
        present, _ = _queries(request, asked, period)
        whole = NOTHING
        async for rows, names in named(request, asked.by, await pages.desk.performance_questions.whole(present)):
            whole = sum((row.timings for row in rows), whole)
            yield [(names.get(row.group[0], row.group[0]), *cells(speed_of(row.timings))) for row in rows]
        yield [whole_line(asked.by, speed_of(whole))]

    return as_csv(f"keyhouse-performance-{asked.period}.csv", [asked.by, *HEADS], lines())


def _queries(request: Visit, asked: Asked, period: Period) -> tuple[UsageQuery, UsageQuery]:
    return queries_of(request, period, asked.by, asked.project, key=asked.key, model=asked.model)


async def _report(request: Visit, asked: Asked, period: Period, times: Times) -> Report:
    questions = pages_of(request).desk.performance_questions
    present, before = _queries(request, asked, period)
    leaders = await questions.leaders(present)
    gathered = Gathered(
        rows=await questions.rows_of(present, leaders),
        rows_before=await questions.rows(msgspec.structs.replace(before, group_by=())),
        buckets=buckets(period.start_ms, period.end_ms, period.bucket, present.zone),
    )
    names = await names_of(request, asked.by, gathered.rows)
    names |= {OTHERS: wording.plural(0 if leaders is None else leaders.others, "other")}
    return report(gathered, period, asked.by, names, times)
