"""The quickstart: snippets for this very host, and a line that turns green when a call arrives."""

from typing import Any

from litestar import Response, get

from keyhouse.console.call_view import call_line
from keyhouse.console.doorway import Visit, actor_of, base_url, session_of
from keyhouse.console.pages import pages_of
from keyhouse.console.wording import HOUR_MS
from keyhouse.control.authority import Task, sight_of
from keyhouse.store.calls import CallSelection


@get("/quickstart")
async def show_quickstart(request: Visit) -> Response[Any]:
    """Snippets, and the newest call of the last hour: whoever has called already need not wait to see it."""
    pages, session = pages_of(request), session_of(request)
    times = pages.times(session)
    sight = sight_of(actor_of(request), Task.USAGE_READ)
    seen = () if sight is None else sight.narrow(())
    selection = CallSelection(times.now_ms - HOUR_MS, project_ids=seen)
    found = await pages.desk.call_questions.list(session.organization_id, selection, after=None, limit=1)
    names = await pages.desk.names(session.organization_id, {call.key_id for call in found.calls})
    models = pages.desk.models()
    return await pages.signed_in(
        request,
        "quickstart/quickstart.html",
        here="/quickstart",
        overlay=None,
        toast=None,
        call=next((call_line(call, names, times) for call in found.calls), None),
        address=base_url(request, pages.desk.public_url),
        model=next(iter(models), "keyhouse-demo"),
        models=models,
    )
