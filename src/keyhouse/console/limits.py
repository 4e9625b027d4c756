"""The limits page, and what a limit would have refused. They change nothing."""

from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from litestar import Response, get

from keyhouse.console.doorway import Visit, session_of
from keyhouse.console.key_form import FaultsError
from keyhouse.console.limit_form import (
    FIELD_OF,
    KEY,
    UNITS,
    WINDOWS,
    Typed,
    draft_of,
    limit_of,
    read_typed,
    scope_of,
)
from keyhouse.console.limit_view import choices_of, groups_of, replay_view
from keyhouse.console.narrowing import limits_seen, narrowed
from keyhouse.console.pages import pages_of
from keyhouse.console.project_switch import chosen
from keyhouse.control.authority import Task
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.limit import ScopeType
from keyhouse.reporting import replay
from keyhouse.reporting.keys import KeyQuery
from keyhouse.reporting.limit_pages import LimitQuery

PAGE: Final = 50
_SEARCH_MAX: Final = 100


class Asked(msgspec.Struct, frozen=True):
    """What the page's address asks for."""

    search: str = ""
    unit: str = ""
    window: str = ""
    project: str = ""
    page: int = 1

    def address(self, **changes: str | int) -> str:
        """The page's address with some of it changed; what is usual is left out."""
        wanted, usual = msgspec.structs.replace(self, **changes), Asked()
        names = {"search": "q", "unit": "unit", "window": "window", "project": "project", "page": "page"}
        query = {names[f]: getattr(wanted, f) for f in names if getattr(wanted, f) != getattr(usual, f)}
        return f"/limits?{urlencode(query)}" if query else "/limits"


def asked_of(request: Visit) -> Asked:
    """What the address asks for; what it asks wrongly is as if it were not there."""
    query = request.query_params
    unit, window, page = query.get("unit", ""), query.get("window", ""), query.get("page", "1")
    return Asked(
        search=query.get("q", "")[:_SEARCH_MAX].strip(),
        unit=unit if unit in dict(UNITS) else "",
        window=window if window in dict(WINDOWS) else "",
        project=chosen(request),
        page=int(page) if page.isascii() and page.isdigit() and 0 < int(page[:6]) < 10_000 else 1,
    )


@get("/limits")
async def show_limits(request: Visit) -> Response[Any]:
    """Every limit."""
    return await limits_page(request, overlay=None)


async def limits_page(
    request: Visit, *, overlay: str | None, status: int = HTTPStatus.OK, **words: Any
) -> Response[Any]:
    """The list, and a sheet or a dialog on it if there is one."""
    pages, session = pages_of(request), session_of(request)
    asked = asked_of(request)
    query = LimitQuery(
        search=asked.search,
        unit=asked.unit,
        window=asked.window,
        project_id=asked.project or None,
        offset=(asked.page - 1) * PAGE,
        limit=PAGE,
        sight=limits_seen(request),
    )
    found = await pages.desk.limit_pages.page(session.organization_id, query)
    return await pages.signed_in(
        request,
        "limits/limits.html",
        here="/limits",
        status=status,
        overlay=overlay,
        toast=None,
        asked=asked,
        groups=groups_of(found.rows, pages.times(session)),
        shown=len(found.rows),
        total=found.total,
        has_more=asked.page * PAGE < found.total,
        is_empty=found.total == 0 and asked == Asked(project=asked.project),
        units=UNITS,
        windows=WINDOWS,
        may_set=pages.may(session, Task.LIMITS),
        narrowed=await narrowed(request, Task.LIMITS_READ),
        **words,
    )


@get("/limits/replay")
async def show_replay(request: Visit) -> Response[Any]:
    """What a limit would have refused in the last days."""
    pages, session = pages_of(request), session_of(request)
    typed = read_typed(request.query_params)
    faults: dict[str, str] = {}
    found = None
    if typed.amount:
        try:
            scope_type, scope_id = scope_of(await resolve(request, typed))
            await _require_seen(request, scope_type, scope_id)
            limit = limit_of(draft_of(typed), session.organization_id, scope_type, scope_id)
            found = replay_view(limit, await pages.desk.replays.run(limit), pages.times(session))
        except FaultsError as wrong:
            faults = wrong.faults
        except Refusal as refusal:
            if refusal.code is not Code.PARAMETER_INVALID:
                raise
            faults = {FIELD_OF.get(refusal.param or "", "amount"): refusal.text}
    return await pages.signed_in(
        request,
        "limits/replay.html",
        here="/limits",
        status=HTTPStatus.UNPROCESSABLE_ENTITY if faults else HTTPStatus.OK,
        overlay=None,
        toast=None,
        typed=typed,
        faults=faults,
        found=found,
        days=replay.DAYS,
        units=[one for one in UNITS if one[0] in replay.UNITS],
        windows=WINDOWS,
        **await fields(request),
    )


async def _require_seen(request: Visit, scope_type: ScopeType, scope_id: str) -> None:
    """Raise FaultsError unless this person may see the limits of this scope."""
    sight = limits_seen(request)
    if sight is None or (scope_type is ScopeType.USER and scope_id == sight.user_id):
        return
    seen = scope_type is ScopeType.PROJECT and scope_id in sight.project_ids
    if scope_type is ScopeType.KEY:
        pages, session = pages_of(request), session_of(request)
        query = KeyQuery(search=scope_id, status="all", limit=1, sight=sight)
        seen = bool((await pages.desk.key_questions.page(session.organization_id, query)).rows)
    if not seen:
        raise FaultsError({"on": "Choose a project or a key of yours: you see no others."})


async def fields(request: Visit) -> dict[str, Any]:
    """What the form of a limit offers."""
    pages, session = pages_of(request), session_of(request)
    sight = limits_seen(request)
    if sight is None:
        scopes = await pages.desk.limit_pages.scopes(session.organization_id)
        whole = {session.organization_id: session.organization_name}
        choices = choices_of(whole, scopes.projects, scopes.members, scopes.accounts)
    else:
        projects = await pages.desk.project_questions.list(session.organization_id, sight=sight)
        me = {sight.user_id: session.user_name or session.email}
        choices = choices_of({}, {one.id: one.name for one in projects}, me, {})
    return {
        "scopes": choices,
        "models": pages.desk.models(),
    }


async def resolve(request: Visit, typed: Typed) -> str:
    """The id that the form means; raises FaultsError where a key is named that cannot be told."""
    if typed.on != KEY:
        return typed.on
    if not typed.key:
        raise FaultsError({"key": "Name the key, or paste its id."})
    pages, session = pages_of(request), session_of(request)
    query = KeyQuery(search=typed.key, status="live", limit=PAGE, sight=limits_seen(request))
    found = await pages.desk.key_questions.page(session.organization_id, query)
    same = [row.key.id for row in found.rows if typed.key in (row.key.id, row.key.name)]
    if len(same) == 1:
        return same[0]
    if len(found.rows) == 1:
        return found.rows[0].key.id
    how_many = "Several keys are" if found.rows else "No key is"
    raise FaultsError({"key": f"{how_many} called so. Paste the key’s id, from its page."})  # noqa: RUF001
