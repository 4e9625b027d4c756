"""Pages that set, change and delete limits. Each change answers with a redirect to the list that shows it."""

from http import HTTPStatus
from typing import Any

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect
from litestar.status_codes import HTTP_303_SEE_OTHER

from keyhouse.console.doorway import Visit, address_of, read_form, session_of
from keyhouse.console.key_form import FaultsError
from keyhouse.console.key_view import meter_view
from keyhouse.console.limit_form import FIELD_OF, UNITS, WINDOWS, Typed, draft_of, read_typed, scope_of
from keyhouse.console.limit_view import size_of
from keyhouse.console.limits import fields, limits_page, resolve
from keyhouse.console.pages import pages_of
from keyhouse.console.project_switch import kept
from keyhouse.control.limits import LimitDraft
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.limit import Limit, format_amount
from keyhouse.store.engine import Actor


def _actor(request: Visit) -> Actor:
    return session_of(request).actor(address_of(request))


@get("/limits/new")
async def show_set(request: Visit) -> Response[Any]:
    """The sheet of a new limit; the address may say what it is for."""
    return await _sheet(request, read_typed(request.query_params), {}, "", HTTPStatus.OK)


@post("/limits")
async def set_limit(request: Visit) -> Response[Any]:
    """Set a limit, at once. One of the same kind on the same scope gets the new amount."""
    typed = read_typed(await read_form(request))
    try:
        scope_type, scope_id = scope_of(await resolve(request, typed))
        await pages_of(request).desk.limits.set(_actor(request), scope_type, scope_id, draft_of(typed))
    except FaultsError as wrong:
        return await _sheet(request, typed, wrong.faults, "", HTTPStatus.UNPROCESSABLE_ENTITY)
    except Refusal as refusal:
        if refusal.code not in (Code.PARAMETER_INVALID, Code.CONFLICT, Code.NOT_FOUND):
            raise
        field = FIELD_OF.get(refusal.param or "")
        faults, note = ({field: refusal.text}, "") if field else ({}, refusal.text)
        return await _sheet(request, typed, faults, note, HTTPStatus.UNPROCESSABLE_ENTITY)
    return _done(request)


async def _sheet(request: Visit, typed: Typed, faults: dict[str, str], note: str, status: int) -> Response[Any]:
    return await limits_page(
        request,
        overlay="limits/set.html",
        status=status,
        typed=typed,
        faults=faults,
        note=note,
        choices_unit=UNITS,
        choices_window=WINDOWS,
        **await fields(request),
    )


@get("/limits/{limit_id:str}/edit")
async def show_change(request: Visit, limit_id: FromPath[str]) -> Response[Any]:
    """The sheet with a limit's amount."""
    session = session_of(request)
    state = await pages_of(request).desk.limit_questions.one(session.organization_id, limit_id)
    limit = state.limit
    typed = Typed(
        amount=format_amount(limit.unit, limit.amount), strict="on" if limit.refuse_when_short else "", unit=limit.unit
    )
    return await _change_sheet(request, limit_id, typed, {}, HTTPStatus.OK)


@post("/limits/{limit_id:str}/edit")
async def change_limit(request: Visit, limit_id: FromPath[str]) -> Response[Any]:
    """Give a limit another amount, at once; what was used of it stays."""
    pages, session = pages_of(request), session_of(request)
    limit = (await pages.desk.limit_questions.one(session.organization_id, limit_id)).limit
    given = read_typed(await read_form(request))
    typed = Typed(
        unit=limit.unit, window=limit.window, amount=given.amount, model=limit.model or "", strict=given.strict
    )
    try:
        draft: LimitDraft = draft_of(typed)
        await pages.desk.limits.set(_actor(request), limit.scope_type, limit.scope_id, draft)
    except FaultsError as wrong:
        return await _change_sheet(request, limit_id, typed, wrong.faults, HTTPStatus.UNPROCESSABLE_ENTITY)
    except Refusal as refusal:
        if refusal.code is not Code.PARAMETER_INVALID:
            raise
        return await _change_sheet(request, limit_id, typed, {"amount": refusal.text}, HTTPStatus.UNPROCESSABLE_ENTITY)
    return _done(request)


async def _change_sheet(
    request: Visit, limit_id: str, typed: Typed, faults: dict[str, str], status: int
) -> Response[Any]:
    return await limits_page(
        request,
        overlay="limits/change.html",
        status=status,
        typed=typed,
        faults=faults,
        **await _named(request, limit_id),
    )


@get("/limits/{limit_id:str}/delete")
async def show_delete(request: Visit, limit_id: FromPath[str]) -> Response[Any]:
    """The question whether to delete a limit."""
    return await limits_page(request, overlay="limits/delete.html", **await _named(request, limit_id))


@post("/limits/{limit_id:str}/delete")
async def delete_limit(request: Visit, limit_id: FromPath[str]) -> Response[Any]:
    """Take a limit out of force, at once."""
    await pages_of(request).desk.limits.delete(_actor(request), limit_id)
    return _done(request)


async def _named(request: Visit, limit_id: str) -> dict[str, Any]:
    """A limit and the name of what it stands on."""
    pages, session = pages_of(request), session_of(request)
    state = await pages.desk.limit_questions.one(session.organization_id, limit_id)
    limit: Limit = state.limit
    names = await pages.desk.names(session.organization_id, [limit.scope_id])
    return {
        "limit": limit,
        "size": size_of(limit),
        "meter": meter_view(state, pages.times(session)),
        "scope_name": names.get(limit.scope_id, session.organization_name),
    }


def _done(request: Visit) -> Response[Any]:
    return Redirect(kept(request, "/limits"), status_code=HTTP_303_SEE_OTHER)
