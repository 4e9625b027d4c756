"""`/settings/organization`: what the organization is called, and where its days begin."""

from http import HTTPStatus
from typing import Any, Final

from litestar import Response, get, post
from litestar.response import Redirect
from litestar.status_codes import HTTP_303_SEE_OTHER

from keyhouse.console.account import time_zones
from keyhouse.console.doorway import Visit, actor_of, read_form, session_of
from keyhouse.console.pages import pages_of
from keyhouse.console.settings import settings_page
from keyhouse.control.authority import Task
from keyhouse.core.errors import Code, Refusal

HERE: Final = "/settings/organization"


@get("/settings/organization")
async def show_organization(request: Visit) -> Response[Any]:
    """The form, as the organization is."""
    session = session_of(request)
    return await _page(request, {"name": session.organization_name, "time_zone": session.time_zone}, {}, HTTPStatus.OK)


@post("/settings/organization")
async def change_organization(request: Visit) -> Response[Any]:
    """Rename it, or let its days begin elsewhere."""
    form = await read_form(request)
    typed = {name: str(form.get(name, "")).strip() for name in ("name", "time_zone")}
    try:
        await pages_of(request).desk.organizations.update(actor_of(request), typed["name"], typed["time_zone"])
    except Refusal as refusal:
        if refusal.code is not Code.PARAMETER_INVALID or refusal.param is None:
            raise
        return await _page(request, typed, {refusal.param: refusal.text}, HTTPStatus.UNPROCESSABLE_ENTITY)
    return Redirect(HERE, status_code=HTTP_303_SEE_OTHER)


async def _page(request: Visit, typed: dict[str, str], faults: dict[str, str], status: int) -> Response[Any]:
    pages, session = pages_of(request), session_of(request)
    return await settings_page(
        request,
        "settings/organization.html",
        HERE,
        status=status,
        typed=typed,
        faults=faults,
        may_edit=pages.may(session, Task.SETTINGS),
        zones=(*(() if session.time_zone in time_zones() else (session.time_zone,)), *time_zones()),
        zone_now=pages.times(session).clock(pages.desk.clock.now_ms()),
    )
