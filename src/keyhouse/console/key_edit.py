"""The sheet that changes what a key is called, may do, and until when."""

from http import HTTPStatus
from typing import Any

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect
from litestar.status_codes import HTTP_303_SEE_OTHER

from keyhouse.console.doorway import Visit, actor_of, keys_seen, read_form, session_of
from keyhouse.console.key_form import EXPIRES, FIELD_OF, KEEP, MAY, FaultsError, Typed, change_of, read_typed, typed_of
from keyhouse.console.key_page import key_page
from keyhouse.console.pages import pages_of
from keyhouse.console.project_switch import kept
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.permissions import Resource


@get("/api-keys/{key_id:str}/edit")
async def show_edit(request: Visit, key_id: FromPath[str]) -> Response[Any]:
    """The sheet, as the key is now."""
    pages, session = pages_of(request), session_of(request)
    row = await pages.desk.key_questions.one(session.organization_id, key_id, keys_seen(request))
    return await _sheet(request, key_id, typed_of(row.key), {}, "", HTTPStatus.OK)


@post("/api-keys/{key_id:str}/edit")
async def edit_key(request: Visit, key_id: FromPath[str]) -> Response[Any]:
    """Change the key, at once."""
    pages, session = pages_of(request), session_of(request)
    typed = read_typed(await read_form(request))
    try:
        change = change_of(typed, await _models(request, key_id), pages.times(session))
        await pages.desk.keys.update(actor_of(request), key_id, change)
    except FaultsError as wrong:
        return await _sheet(request, key_id, typed, wrong.faults, "", HTTPStatus.UNPROCESSABLE_ENTITY)
    except Refusal as refusal:
        if refusal.code is not Code.PARAMETER_INVALID:
            raise
        field = FIELD_OF.get(refusal.param or "")
        faults, note = ({field: refusal.text}, "") if field else ({}, refusal.text)
        return await _sheet(request, key_id, typed, faults, note, HTTPStatus.UNPROCESSABLE_ENTITY)
    return Redirect(kept(request, f"/api-keys/{key_id}?done=changed&on={key_id}"), status_code=HTTP_303_SEE_OTHER)


async def _models(request: Visit, key_id: str) -> list[str]:
    """The models there are, and those that the key names though they are gone."""
    pages, session = pages_of(request), session_of(request)
    row = await pages.desk.key_questions.one(session.organization_id, key_id, keys_seen(request))
    known = list(pages.desk.models())
    return [*known, *(model for model in row.key.models or () if model not in known)]


async def _sheet(
    request: Visit, key_id: str, typed: Typed, faults: dict[str, str], note: str, status: int
) -> Response[Any]:
    return await key_page(
        request,
        key_id,
        overlay="keys/edit.html",
        status=status,
        typed=typed,
        faults=faults,
        note=note,
        known_models=await _models(request, key_id),
        choices_may=MAY,
        choices_expires=((KEEP, "As it is"), *EXPIRES),
        resources=[str(resource) for resource in Resource],
    )
