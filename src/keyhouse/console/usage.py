"""The usage page and its CSV: one period, one grouping, one measure, all in the address."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

from litestar import Response, get

from keyhouse.console.doorway import Visit, session_of
from keyhouse.console.narrowing import narrowed
from keyhouse.console.numbers import gather, named, queries_of
from keyhouse.console.pages import pages_of
from keyhouse.console.periods import PERIODS, Period, Picked, period_at, read
from keyhouse.console.sheets import Rows, as_csv
from keyhouse.console.usage_view import (
    GROUPS,
    MEASURED,
    MEASURES,
    Report,
    Sums,
    report,
)
from keyhouse.console.wording import Times
from keyhouse.control.authority import Task
from keyhouse.core.money import format_usd
from keyhouse.reporting.usage import UsageQuery, UsageRow


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
    pages, asked = pages_of(request), asked_of(request)
    period = period_at(asked, pages.times(session_of(request)))
    present, _ = _queries(request, asked, period)

    async def lines() -> AsyncIterator[Rows]:
        found = await pages.desk.usage_questions.whole(present, MEASURED[asked.measure])
        async for rows, names in named(request, asked.by, found):
            yield [_line(row, names) for row in rows]

    heads = ["requests", "input_tokens", "cached_input_tokens", "output_tokens", "reasoning_tokens", "cost_usd"]
    return as_csv(f"keyhouse-usage-{asked.period}.csv", [asked.by, *heads], lines())


def _line(row: UsageRow, names: Mapping[str, str]) -> tuple[object, ...]:
    sums = Sums()
    sums.add(row)
    group = row.group[0] or ""
    counts = (sums.requests, sums.input, sums.cached, sums.output, sums.reasoning)
    return names.get(group, group), *counts, format_usd(sums.cost)


def _queries(request: Visit, asked: Asked, period: Period) -> tuple[UsageQuery, UsageQuery]:
    return queries_of(request, period, asked.by, asked.project, key=asked.key)


async def usage_report(request: Visit, asked: Asked, period: Period, times: Times) -> Report:
    """What the page and a key's own page show."""
    gathered, names = await gather(request, _queries(request, asked, period), MEASURED[asked.measure])
    return report(gathered, period, asked.by, asked.measure, names, times)
