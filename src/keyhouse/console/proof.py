"""`/confirm`: who is signed in gives their password again, before what is worth it (`policy.PROVEN`)."""

from http import HTTPStatus
from typing import Any

from litestar import Response, get, post
from litestar.response import Redirect
from litestar.status_codes import HTTP_303_SEE_OTHER

from keyhouse.console.account import onward_of
from keyhouse.console.doorway import Visit, address_of, new_session_cookie, read_form, session_cookie, session_of
from keyhouse.console.pages import pages_of
from keyhouse.core.errors import Code, Refusal


@get("/confirm")
async def show_confirm(request: Visit) -> Response[Any]:
    """The form for the password."""
    return _page(request, request.query_params.get("next", ""), "", HTTPStatus.OK)


@post("/confirm")
async def confirm(request: Visit) -> Response[Any]:
    """Go on in a new session that knows when the password was given."""
    form = await read_form(request)
    onward, agent = str(form.get("next", "")), request.headers.get("user-agent", "")
    try:
        cookie = await pages_of(request).desk.sign_in.confirm(
            session_cookie(request), str(form.get("password", "")), address_of(request), agent
        )
    except Refusal as refusal:
        status = {Code.SIGN_IN_WRONG: 422, Code.SIGN_IN_THROTTLED: 429}.get(refusal.code)
        if status is None:
            raise
        return _page(request, onward, refusal.text, status)
    path = onward_of(onward)
    return Redirect(path, status_code=HTTP_303_SEE_OTHER, cookies=[new_session_cookie(request, cookie)])


def _page(request: Visit, onward: str, fault: str, status: int) -> Response[Any]:
    email = session_of(request).email
    return pages_of(request).door(
        request, "account/confirm.html", status=status, email=email, onward=onward, fault=fault
    )
