"""The audit log: who did what, to what and when; and whether the log is whole. It changes nothing."""

from typing import Any, Final

from litestar import Response, get

from keyhouse.console.audit_view import audit_line, events_of, subjects
from keyhouse.console.doorway import Visit, session_of
from keyhouse.console.pages import pages_of
from keyhouse.console.periods import PERIODS, Picked, period_at, read
from keyhouse.store.audit import EntrySelection

PAGE: Final = 50


class Asked(Picked, frozen=True):
    """What the address asks for. `after` is the entry that the page before ended with."""

    period: str = "30d"
    about: str = ""
    by: str = ""
    on: str = ""
    after: str = ""


@get("/audit-log")
async def show_audit_log(request: Visit) -> Response[Any]:
    """One page of entries, newest first."""
    pages, session = pages_of(request), session_of(request)
    words: dict[str, Any] = {"here": "/audit-log", "overlay": None, "toast": None}
    asked, times = read(Asked, request.query_params, {"about": dict(subjects())}), pages.times(session)
    period = period_at(asked, times)
    organization_id, questions = session.organization_id, pages.desk.audit_questions
    found = await questions.list(
        organization_id,
        EntrySelection(
            from_ms=period.start_ms,
            until_ms=period.end_ms,
            events=events_of(asked.about) if asked.about else None,
            actor_emails=(asked.by,) if asked.by else (),
            resource_ids=(asked.on,) if asked.on else (),
        ),
        after=asked.after or None,
        before=None,
        limit=PAGE,
    )
    names = await pages.desk.names(organization_id, {entry.resource_id for entry in found.entries})
    return await pages.signed_in(
        request,
        "audit/log.html",
        asked=asked,
        entries=[audit_line(entry, names, found.project_names, times) for entry in found.entries],
        next_after=found.entries[-1].id if found.has_more else None,
        periods=PERIODS,
        subjects=subjects(),
        on_name=(await pages.desk.names(organization_id, {asked.on})).get(asked.on, asked.on) if asked.on else "",
        first_day=times.short_day(period.start_ms),
        last_day=times.day(period.end_ms - 1),
        **words,
    )


@get("/audit-log/check")
async def check_audit_log(request: Visit) -> Response[Any]:
    """Whether every entry stands as it was written, looked at now."""
    pages, session = pages_of(request), session_of(request)
    words: dict[str, Any] = {"here": "/audit-log", "overlay": None, "toast": None}
    found = await pages.desk.audit_questions.verify(session.organization_id)
    return await pages.signed_in(
        request, "audit/check.html", found=found, head=found.heads.get(session.organization_id, ""), **words
    )
