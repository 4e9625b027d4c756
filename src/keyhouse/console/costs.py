"""The costs page, its CSV, and the statement of a month: one source of numbers for all of them."""

from collections.abc import AsyncIterator
from datetime import date, datetime, time
from typing import Any

import msgspec
from litestar import Response, get

from keyhouse.console.costs_view import Report, month_view, name_of, report, statement_of, statement_sum
from keyhouse.console.doorway import Visit, session_of
from keyhouse.console.narrowing import narrowed
from keyhouse.console.numbers import gather, named, projects_seen, queries_of
from keyhouse.console.pages import pages_of
from keyhouse.console.periods import PERIODS, Period, Picked, bucket_title, period_at, read
from keyhouse.console.project_switch import chosen
from keyhouse.console.sheets import Rows, as_csv
from keyhouse.console.usage_view import GROUPS
from keyhouse.console.wording import Times
from keyhouse.control.authority import Task
from keyhouse.core.limit import instant_ms
from keyhouse.core.money import format_usd
from keyhouse.reporting.costs import month_at
from keyhouse.reporting.usage import buckets
from keyhouse.store.rollups import EXPORT_ROWS_MAX


class Asked(Picked, frozen=True):
    """What the address asks for."""

    period: str = "month"
    by: str = "model"
    project: str = ""


def asked_of(request: Visit) -> Asked:
    """What the address asks for; what it asks wrongly is as if it were not there."""
    return read(Asked, request.query_params, {"by": {name for name, _, _ in GROUPS}})


@get("/costs")
async def show_costs(request: Visit) -> Response[Any]:
    """Bars, the month against its budget, and tables of both."""
    pages, session = pages_of(request), session_of(request)
    asked, times = asked_of(request), pages.times(session)
    period = period_at(asked, times)
    month = await pages.desk.cost_questions.month(
        session.organization_id, session.time_zone, projects_seen(request, asked.project)
    )
    return await pages.signed_in(
        request,
        "costs/costs.html",
        here="/costs",
        overlay=None,
        toast=None,
        asked=asked,
        report=await _report(request, asked, period, times),
        month=month_view(month, times),
        periods=PERIODS,
        groups=GROUPS,
        group_title=next(title for name, title, _ in GROUPS if name == asked.by),
        bucket=period.bucket,
        first_day=times.short_day(period.start_ms),
        last_day=times.day(period.end_ms - 1),
        this_month=f"{times.local(times.now_ms):%Y-%m}",
        narrowed=await narrowed(request, Task.USAGE_READ),
    )


@get("/costs.csv")
async def download_costs(request: Visit) -> Response[Any]:
    """What the chart shows, day by day and group by group, to the last digit."""
    pages, session = pages_of(request), session_of(request)
    asked, times = asked_of(request), pages.times(session)
    period = period_at(asked, times)
    present, _ = queries_of(request, period, asked.by, asked.project)
    known: dict[str, str] = {}

    async def lines() -> AsyncIterator[Rows]:
        # Bucket by bucket: together they may be more than a hundred thousand keys' months.
        for start_ms, end_ms in buckets(period.start_ms, period.end_ms, period.bucket, session.time_zone):
            query = msgspec.structs.replace(present, start_ms=start_ms, end_ms=end_ms)
            found = await pages.desk.usage_questions.rows(query, EXPORT_ROWS_MAX)
            title = bucket_title(period.bucket, start_ms, times)
            async for rows, names in named(request, asked.by, found, known):
                yield [(title, name_of(row, names), format_usd(row.cost_nano_usd)) for row in rows]

    return as_csv(f"keyhouse-costs-{asked.period}.csv", [period.bucket, asked.by, "cost_usd"], lines())


@get("/costs/statement")
async def show_statement(request: Visit) -> Response[Any]:
    """What each project spent with each model in a month, to be read, printed, or paid."""
    pages, session = pages_of(request), session_of(request)
    times = pages.times(session)
    start_ms, end_ms = _month(request, times, session.time_zone)
    rows = await pages.desk.cost_questions.statement(
        session.organization_id, session.time_zone, start_ms, end_ms, projects_seen(request, chosen(request))
    )
    names = await pages.desk.names(session.organization_id, {row.group[0] or "" for row in rows})
    return await pages.signed_in(
        request,
        "costs/statement.html",
        here="/costs",
        overlay=None,
        toast=None,
        lines=statement_of(rows, names),
        whole=statement_sum(rows),
        month=f"{times.local(start_ms):%B %Y}",
        this=f"{times.local(start_ms):%Y-%m}",
        before=f"{times.local(start_ms - 1):%Y-%m}",
        after=f"{times.local(end_ms):%Y-%m}" if end_ms <= times.now_ms else "",
        is_running=end_ms > times.now_ms,
        narrowed=await narrowed(request, Task.USAGE_READ),
    )


@get("/costs/statement.csv")
async def download_statement(request: Visit) -> Response[Any]:
    """The statement's lines, without the sums between them."""
    pages, session = pages_of(request), session_of(request)
    times = pages.times(session)
    start_ms, end_ms = _month(request, times, session.time_zone)
    rows = await pages.desk.cost_questions.statement(
        session.organization_id, session.time_zone, start_ms, end_ms, projects_seen(request, chosen(request))
    )
    names = await pages.desk.names(session.organization_id, {row.group[0] or "" for row in rows})
    heads = ["project", "model", "requests", "input_tokens", "cached_input_tokens", "output_tokens", "cost_usd"]
    return as_csv(
        f"keyhouse-statement-{times.local(start_ms):%Y-%m}.csv",
        heads,
        [
            (one.project, one.model, one.requests, one.input, one.cached, one.output, format_usd(one.cost_nano_usd))
            for one in statement_of(rows, names)
            if one.model
        ],
    )


def _month(request: Visit, times: Times, zone: str) -> tuple[int, int]:
    """The month that the address names, else the present one: its first millisecond, and the first after it."""
    asked = str(request.query_params.get("month", ""))
    try:
        day = date.fromisoformat(f"{asked}-01")
    except ValueError:
        day = times.local(times.now_ms).date()
    if not date(2000, 1, 1) <= day <= date(2099, 1, 1):
        day = times.local(times.now_ms).date()
    noon_ms = instant_ms(datetime.combine(day, time(12), tzinfo=times.zone))
    return month_at(noon_ms, zone)


async def _report(request: Visit, asked: Asked, period: Period, times: Times) -> Report:
    queries = queries_of(request, period, asked.by, asked.project)
    gathered, names = await gather(request, queries, "cost_nano_usd")
    return report(gathered, period, asked.by, names, times)
