"""Calls: a list with filters, and a page for each with its charge explained. They change nothing."""

from typing import Any, Final

from litestar import Response, get
from litestar.params import FromPath

from keyhouse.console.call_view import call_line, call_view, ids_in
from keyhouse.console.doorway import Visit, session_of
from keyhouse.console.narrowing import narrowed, usage_seen
from keyhouse.console.pages import pages_of
from keyhouse.console.periods import PERIODS, Picked, period_at, read
from keyhouse.control.authority import Task
from keyhouse.core.call import State
from keyhouse.store.calls import CallSelection

PAGE: Final = 50
OUTCOMES: Final = (
    ("all", "All"),
    ("errors", "Errors"),
    ("settled", "Answered"),
    ("released", "Not charged"),
    ("held", "Running"),
    ("orphaned", "Cut off"),
)


class Asked(Picked, frozen=True):
    """What the address asks for. `after` is the call that the page before ended with."""

    period: str = "24h"
    outcome: str = "all"
    key: str = ""
    model: str = ""
    project: str = ""
    after: str = ""


def asked_of(request: Visit) -> Asked:
    """What the address asks for; what it asks wrongly is as if it were not there."""
    return read(Asked, request.query_params, {"outcome": dict(OUTCOMES)})


@get("/calls")
async def show_calls(request: Visit) -> Response[Any]:
    """One page of calls, newest first."""
    pages, session = pages_of(request), session_of(request)
    asked, times = asked_of(request), pages.times(session)
    period = period_at(asked, times)
    project_ids: tuple[str, ...] = (asked.project,) if asked.project else ()
    sight = usage_seen(request)
    if sight is not None:
        project_ids = sight.narrow(project_ids)
    selection = CallSelection(
        start_ms=period.start_ms,
        end_ms=period.end_ms,
        project_ids=project_ids,
        key_ids=(asked.key,) if asked.key else (),
        models=(asked.model,) if asked.model else (),
        states=() if asked.outcome in ("all", "errors") else (State(asked.outcome),),
        errors_only=asked.outcome == "errors",
    )
    organization_id = session.organization_id
    found = await pages.desk.call_questions.list(organization_id, selection, after=asked.after or None, limit=PAGE)
    wanted = ids_in(found.calls) | ({asked.key} if asked.key else set())
    names = await pages.desk.names(organization_id, wanted)
    return await pages.signed_in(
        request,
        "calls/list.html",
        here="/calls",
        overlay=None,
        toast=None,
        asked=asked,
        calls=[call_line(call, names, times) for call in found.calls],
        next_after=found.go_on_after,
        periods=PERIODS,
        outcomes=OUTCOMES,
        models=pages.desk.models(),
        projects=await pages.desk.project_questions.list(organization_id, sight=sight),
        narrowed=await narrowed(request, Task.USAGE_READ),
        key_name=names.get(asked.key, asked.key),
        first_day=times.short_day(period.start_ms),
        last_day=times.day(period.end_ms - 1),
    )


@get("/calls/{call_id:str}")
async def show_call(request: Visit, call_id: FromPath[str]) -> Response[Any]:
    """One call: counts times price is its charge, what it held, the limits it counted on, and when all that was."""
    pages, session = pages_of(request), session_of(request)
    found = await pages.desk.call_questions.one(session.organization_id, call_id, sight=usage_seen(request))
    scopes = {counted.period.limit.scope_id for counted in found.limits}
    names = await pages.desk.names(session.organization_id, ids_in([found.call]) | scopes)
    return await pages.signed_in(
        request,
        "calls/call.html",
        here="/calls",
        overlay=None,
        toast=None,
        call=call_view(found, names, pages.times(session)),
    )
