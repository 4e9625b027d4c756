"""The performance page and its CSV: how fast answers come, and how many do not."""

from typing import Any

from litestar import Response, get

from keyhouse.console import wording
from keyhouse.console.doorway import Visit, session_of
from keyhouse.console.narrowing import narrowed, usage_seen
from keyhouse.console.pages import pages_of
from keyhouse.console.performance_view import GROUPS, HEADS, Gathered, Report, report
from keyhouse.console.periods import PERIODS, Period, Picked, period_at, read
from keyhouse.console.sheets import as_csv
from keyhouse.console.wording import Times
from keyhouse.control.authority import Task
from keyhouse.reporting.usage import OTHERS, UsageQuery, buckets


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
    """The table that the page shows, exactly, as CSV."""
    pages, session = pages_of(request), session_of(request)
    asked, times = asked_of(request), pages.times(session)
    found = await _report(request, asked, period_at(asked, times), times, is_whole=True)
    return as_csv(f"keyhouse-performance-{asked.period}.csv", [asked.by, *HEADS], [*found.lines, found.whole])


async def _report(request: Visit, asked: Asked, period: Period, times: Times, *, is_whole: bool = False) -> Report:
    pages, session = pages_of(request), session_of(request)
    project_ids: tuple[str, ...] = (asked.project,) if asked.project else ()
    if sight := usage_seen(request):
        project_ids = sight.narrow(project_ids)

    def query(start_ms: int, end_ms: int, *group_by: str) -> UsageQuery:
        return UsageQuery(
            organization_id=session.organization_id,
            start_ms=start_ms,
            end_ms=end_ms,
            bucket=period.bucket,
            zone=session.time_zone,
            group_by=group_by,
            api_key_ids=(asked.key,) if asked.key else (),
            models=(asked.model,) if asked.model else (),
            project_ids=project_ids,
        )

    questions = pages.desk.performance_questions
    present = query(period.start_ms, period.end_ms, asked.by)
    leaders = None if is_whole else await questions.leaders(present)
    gathered = Gathered(
        rows=await questions.rows_of(present, leaders),
        rows_before=await questions.rows(query(period.before_start_ms, period.before_end_ms)),
        buckets=buckets(period.start_ms, period.end_ms, period.bucket, session.time_zone),
    )
    ids = {row.group[0] for row in gathered.rows} if asked.by == "api_key_id" else set()
    names = await pages.desk.names(session.organization_id, ids)
    names |= {OTHERS: wording.plural(0 if leaders is None else leaders.others, "other")}
    return report(gathered, period, asked.by, names, times)
