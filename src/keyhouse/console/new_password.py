"""Coming in again: what to do with a forgotten password, and the page that a link for a new one leads to.

The first page is the same for everybody: nothing here tells who has an account.
"""

from http import HTTPStatus
from typing import Any

from litestar import Response, get, post
from litestar.params import FromPath

from keyhouse.console.account import begin
from keyhouse.console.doorway import Visit, actor_of, address_of, own_origin, read_form, session_of
from keyhouse.console.member_page import person_page
from keyhouse.console.pages import pages_of
from keyhouse.console.policy import HOME
from keyhouse.core.errors import Code, Refusal


@get("/forgotten-password")
async def show_forgotten(request: Visit) -> Response[Any]:
    """What to do: Keyhouse sends no mail, so an owner makes a link."""
    return pages_of(request).door(request, "account/forgotten.html")


@get("/new-password/{token:str}")
async def show_new_password(request: Visit, token: FromPath[str]) -> Response[Any]:
    """The form for a new password, or why there is none."""
    return await _page(request, token, {}, HTTPStatus.OK)


@post("/new-password/{token:str}")
async def choose_password(request: Visit, token: FromPath[str]) -> Response[Any]:
    """Take the new password, end every session, and sign in with it."""
    password = str((await read_form(request)).get("password", ""))
    try:
        email = await pages_of(request).desk.accounts.reset_password(token, password, address_of(request))
    except Refusal as refusal:
        if refusal.code is Code.PARAMETER_INVALID:
            return await _page(request, token, {"password": refusal.text}, HTTPStatus.UNPROCESSABLE_ENTITY)
        if refusal.code in (Code.RESET_LINK_INVALID, Code.CONFLICT):
            return _nothing(request, refusal)
        raise
    return await begin(request, email, password, HOME)


async def _page(request: Visit, token: str, faults: dict[str, str], status: int) -> Response[Any]:
    pages = pages_of(request)
    try:
        member = await pages.desk.accounts.offer(token)
    except Refusal as refusal:
        if refusal.code is not Code.RESET_LINK_INVALID:
            raise
        return _nothing(request, refusal)
    return pages.door(
        request,
        "account/new_password.html",
        status=status,
        action=f"/new-password/{token}",
        email=member.email,
        faults=faults,
    )


def _nothing(request: Visit, refusal: Refusal) -> Response[Any]:
    return pages_of(request).door(request, "account/no_new_password.html", status=HTTPStatus.GONE, why=refusal.message)


@post("/members/{user_id:str}/reset-link")
async def make_reset_link(request: Visit, user_id: FromPath[str]) -> Response[Any]:
    """Make a link by which someone chooses a new password, and show it, once."""
    pages = pages_of(request)
    made = await pages.desk.accounts.make_reset_link(actor_of(request), user_id)
    base = (pages.desk.public_url or own_origin(request, None)).rstrip("/")
    times = pages.times(session_of(request))
    return await person_page(
        request,
        user_id,
        overlay="members/link.html",
        status=HTTPStatus.CREATED,
        link=f"{base}/new-password/{made.token}",
        title=f"A new password for {made.email}",
        text=f"By this link they choose one, once, until {times.clock(made.until_ms)}. It is shown this once.",
        advice="Give it to them alone, by a way that you trust: whoever opens it takes over the account. Their "
        "sessions end when they have chosen.",
        leads_to=f"/members/{user_id}",
    )
