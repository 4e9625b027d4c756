"""The page of one key: what it is, who calls with it, its limits, secrets, calls and history. It changes nothing."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec
from litestar import Response, get
from litestar.params import FromPath

from keyhouse.console import wording
from keyhouse.console.call_view import call_line
from keyhouse.console.doorway import Visit, keys_seen, session_of
from keyhouse.console.key_view import key_line, meter_view, secret_line
from keyhouse.console.pages import pages_of
from keyhouse.console.periods import period_at
from keyhouse.console.toasts import toast_of
from keyhouse.console.usage import Asked, usage_report
from keyhouse.console.wording import Times
from keyhouse.control.authority import Task
from keyhouse.reporting.keys import KeyRow
from keyhouse.store.audit import EntrySelection
from keyhouse.store.callers import Caller
from keyhouse.store.calls import CallSelection

LAST_CALLS: Final = 10
LAST_ENTRIES: Final = 20


@get("/api-keys/{key_id:str}")
async def show_key(request: Visit, key_id: FromPath[str]) -> Response[Any]:
    """The page of one key."""
    return await key_page(request, key_id, overlay=None)


async def key_page(
    request: Visit, key_id: str, *, overlay: str | None, status: int = HTTPStatus.OK, **words: Any
) -> Response[Any]:
    """A key's page, and a sheet or a dialog on it if there is one."""
    pages, session = pages_of(request), session_of(request)
    desk, questions, organization_id = pages.desk, pages.desk.key_questions, session.organization_id
    times = pages.times(session)
    row = await questions.one(organization_id, key_id, keys_seen(request))
    key, now_ms = row.key, times.now_ms
    spans = {"Last 5 min": 5 * wording.MINUTE_MS, "Last hour": wording.HOUR_MS, "Last 24 hours": wording.DAY_MS}
    counted = {
        name: await questions.requests_by_secret(organization_id, key_id, now_ms - span) for name, span in spans.items()
    }
    asked = Asked(period="30d", key=key_id)
    usage = await usage_report(request, asked, period_at(asked, times), times)
    last = CallSelection(max(0, now_ms - 30 * wording.DAY_MS), key_ids=(key_id,))
    calls = (await desk.call_questions.list(organization_id, last, after=None, limit=LAST_CALLS)).calls
    names = await desk.names(organization_id, {version.created_by for version in key.secrets})
    return await pages.signed_in(
        request,
        "keys/key.html",
        here="/api-keys",
        status=status,
        overlay=overlay,
        key=key_line(row, times),
        models=key.models,
        addresses=key.ip_allowlist,
        grants=key.permissions.to_json(),
        expires="Never" if key.expires_at_ms is None else wording.sentence(times.moment(key.expires_at_ms)),
        limits=[meter_view(state, times) for state in row.limits],
        secrets=[secret_line(key, version, times, names, counted["Last 24 hours"]) for version in key.secrets],
        rotation=rotation_view(row, counted, times),
        callers=await _old_callers(request, row, times),
        usage=usage,
        calls=[call_line(call, {key_id: key.name}, times) for call in calls],
        entries=await _entries(request, key_id, times),
        toast=await toast_of(request),
        **words,
    )


class CallerLine(msgspec.Struct, frozen=True):
    """A caller, how often it called, and when last. One that is not seen any more has moved over, or stopped."""

    address: str
    software: str
    endpoint: str
    recent: str
    requests: str
    last_seen: str
    last_seen_exact: str
    is_gone: bool


def caller_lines(callers: Sequence[Caller], recent: Sequence[Caller], times: Times) -> list[CallerLine]:
    """Callers of a longer time, with how often each called in a shorter one."""

    def place(caller: Caller) -> tuple[int, str, str, str]:
        return caller.version, caller.address, caller.agent, caller.endpoint

    of_late = {place(caller): caller.requests for caller in recent}
    return [
        CallerLine(
            address=caller.address or "unknown",
            software=caller.agent or "unknown",
            endpoint=caller.endpoint,
            recent=wording.count(of_late.get(place(caller), 0)),
            requests=wording.count(caller.requests),
            last_seen=times.ago(caller.last_seen_at_ms),
            last_seen_exact=times.exact(caller.last_seen_at_ms),
            is_gone=place(caller) not in of_late,
        )
        for caller in callers
    ]


async def _old_callers(request: Visit, row: KeyRow, times: Times) -> list[CallerLine]:
    """Who still uses the old secret, if there is one: of the last day."""
    old = row.key.previous_secret(times.now_ms)
    if old is None:
        return []
    questions, organization_id = pages_of(request).desk.caller_questions, session_of(request).organization_id
    day = await questions.of_key(organization_id, row.key.id)
    hour = await questions.of_key(organization_id, row.key.id, since_ms=times.now_ms - wording.HOUR_MS)
    return caller_lines([one for one in day.callers if one.version == old.version], hour.callers, times)


class EntryLine(msgspec.Struct, frozen=True):
    """One thing that was done to a key: what, by whom, when."""

    what: str
    by: str
    at: str
    at_exact: str


async def _entries(request: Visit, key_id: str, times: Times) -> list[EntryLine]:
    """What the audit log says of a key, the newest first; nothing for whoever may not read it."""
    pages, session = pages_of(request), session_of(request)
    if not pages.may(session, Task.AUDIT_LOGS_READ):
        return []
    page = await pages.desk.audit_questions.list(
        session.organization_id, EntrySelection(resource_ids=(key_id,)), after=None, before=None, limit=LAST_ENTRIES
    )
    return [
        EntryLine(
            what=wording.sentence(entry.event.partition(".")[2].replace("_", " ")),
            by=entry.actor_email or entry.actor_id,
            at=times.ago(entry.at_ms),
            at_exact=times.exact(entry.at_ms),
        )
        for entry in page.entries
    ]


class RotationPart(msgspec.Struct, frozen=True):
    """How the calls of one span divide between the two secrets; the width is percent."""

    span: str
    new: int
    old: int
    new_width: str


class RotationView(msgspec.Struct, frozen=True):
    """Where a rotation stands: the finding, when the old secret ends, and the numbers behind it."""

    headline: str
    ends: str
    ends_in: str
    new_version: int
    old_version: int
    parts: tuple[RotationPart, ...]


def rotation_view(row: KeyRow, counted: dict[str, dict[int, int]], times: Times) -> RotationView | None:
    """The rotation of a key that has a living older secret, None for any other."""
    old = row.key.previous_secret(times.now_ms)
    if old is None or old.ends_at_ms is None:
        return None
    new = row.key.current
    parts = []
    for span, requests in counted.items():
        new_count, old_count = requests.get(new.version, 0), requests.get(old.version, 0)
        share = new_count / (new_count + old_count) if new_count + old_count else 0.0
        parts.append(RotationPart(span, new_count, old_count, f"{share * 100:.2f}%"))
    late = parts[1].old
    return RotationView(
        headline=(
            f"{wording.plural(late, 'request')} used the old secret in the last hour"
            if late
            else "Nobody used the old secret in the last hour"
        ),
        ends=times.moment(old.ends_at_ms),
        ends_in=times.left(old.ends_at_ms),
        new_version=new.version,
        old_version=old.version,
        parts=tuple(parts),
    )
