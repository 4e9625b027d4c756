"""`/invite/{token}`: coming in by an invite's link, with a new account or the one a person has already."""

from http import HTTPStatus
from typing import Any
from zoneinfo import ZoneInfo

from litestar import Response, get, post
from litestar.params import FromPath

from keyhouse.console.account import begin
from keyhouse.console.doorway import Visit, address_of, read_form
from keyhouse.console.pages import pages_of
from keyhouse.console.policy import HOME
from keyhouse.console.wording import Times
from keyhouse.core.errors import Code, Refusal


@get("/invite/{token:str}")
async def show_invite(request: Visit, token: FromPath[str]) -> Response[Any]:
    """The form to join, or why there is none."""
    return await _page(request, token, "", {}, HTTPStatus.OK)


@post("/invite/{token:str}")
async def accept_invite(request: Visit, token: FromPath[str]) -> Response[Any]:
    """Join, and be signed in. What is wrong comes back with what was typed, but for the password."""
    form = await read_form(request)
    name, password = str(form.get("name", "")).strip(), str(form.get("password", ""))
    invites = pages_of(request).desk.invites
    try:
        email = await invites.accept(token, password=password, name=name, address=address_of(request))
    except Refusal as refusal:
        if refusal.code is Code.INVITE_INVALID:
            return _nothing(request, refusal)
        wrong = {Code.SIGN_IN_WRONG: "password", Code.SIGN_IN_THROTTLED: "password"}.get(refusal.code, refusal.param)
        if wrong is None:
            raise
        return await _page(request, token, name, {wrong: refusal.text}, HTTPStatus.UNPROCESSABLE_ENTITY)
    return await begin(request, email, password, HOME)


async def _page(request: Visit, token: str, name: str, faults: dict[str, str], status: int) -> Response[Any]:
    pages = pages_of(request)
    try:
        offer = await pages.desk.invites.offer(token)
    except Refusal as refusal:
        if refusal.code is not Code.INVITE_INVALID:
            raise
        return _nothing(request, refusal)
    left = Times(ZoneInfo("UTC"), pages.desk.clock.now_ms()).left(offer.invite.expires_at_ms)
    return pages.door(
        request,
        "account/invite.html",
        status=status,
        action=f"/invite/{token}",
        offer=offer,
        name=name,
        faults=faults,
        left=left,
    )


def _nothing(request: Visit, refusal: Refusal) -> Response[Any]:
    return pages_of(request).door(request, "account/no_invite.html", status=HTTPStatus.GONE, why=refusal.text)
