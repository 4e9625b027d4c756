"""Coming in and leaving: set-up from the one-time link, sign-in, sign-out."""

from functools import cache
from http import HTTPStatus
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect
from litestar.status_codes import HTTP_303_SEE_OTHER

from keyhouse.console.doorway import (
    Visit,
    address_of,
    ended_session_cookie,
    is_loopback,
    is_plain_loopback,
    is_signed_in,
    new_session_cookie,
    own_origin,
    read_form,
    session_cookie,
)
from keyhouse.console.pages import pages_of
from keyhouse.console.policy import HOME
from keyhouse.console.wording import Times
from keyhouse.core.errors import Code, Refusal

_EMAIL_MAX = 254


def set_up_path(token: str) -> str:
    """The path of the one-time link."""
    return f"/set-up/{token}"


@get("/")
async def front_door(request: Visit) -> Response[Any]:
    """Lead to where one can go on: keys, sign-in, or set-up."""
    if is_signed_in(request):
        return _to(HOME)
    return _to("/sign-in" if await pages_of(request).desk.setup.is_done() else "/set-up")


@get("/set-up")
async def show_waiting(request: Visit) -> Response[Any]:
    """Say where the one-time link is to be found."""
    pages = pages_of(request)
    if await pages.desk.setup.is_done():
        return _to("/sign-in")
    printed = "printed" in request.query_params
    return pages.door(request, "account/waiting.html", printed=printed, is_expired=False)


@post("/set-up/new-link")
async def print_new_link(request: Visit) -> Response[Any]:
    """Print a fresh link where the server runs; it is never sent to who asks."""
    desk = pages_of(request).desk
    if await desk.setup.is_done():
        return _to("/sign-in")
    _refuse_from_elsewhere(request)
    desk.print_setup_link()
    return _to("/set-up?printed")


@get("/set-up/{token:str}")
async def show_set_up(request: Visit, token: FromPath[str]) -> Response[Any]:
    """The form that makes the first organization and its owner."""
    pages = pages_of(request)
    if await pages.desk.setup.is_done():
        return _to("/sign-in")
    _refuse_from_elsewhere(request)
    try:
        return _set_up_page(request, token, {"time_zone": ""}, {}, HTTPStatus.OK)
    except Refusal as refusal:
        if refusal.code is not Code.SETUP_LINK_INVALID:
            raise
        return pages.door(request, "account/waiting.html", status=HTTPStatus.GONE, printed=False, is_expired=True)


@post("/set-up/{token:str}")
async def set_up(request: Visit, token: FromPath[str]) -> Response[Any]:
    """Make them, and sign the owner in. What is wrong comes back with what was typed, but for the password."""
    _refuse_from_elsewhere(request)
    desk = pages_of(request).desk
    form = await read_form(request)
    typed = {name: str(form.get(name, "")).strip() for name in ("organization", "email", "name", "time_zone")}
    password = str(form.get("password", ""))
    faults = _set_up_faults(typed)
    if not faults:
        try:
            await desk.setup.complete(
                token,
                organization=typed["organization"],
                email=typed["email"],
                password=password,
                time_zone=typed["time_zone"],
                name=typed["name"],
            )
        except Refusal as refusal:
            if refusal.code is not Code.PARAMETER_INVALID or refusal.param is None:
                raise
            faults = {refusal.param: refusal.text}
    if faults:
        return _set_up_page(request, token, typed, faults, HTTPStatus.UNPROCESSABLE_ENTITY)
    return await begin(request, typed["email"], password, HOME)


def _refuse_from_elsewhere(request: Visit) -> None:
    """Raise Refusal unless the request comes from this machine: until there is an owner, nobody else has a say."""
    if not is_loopback(address_of(request)):
        raise Refusal(
            Code.NOT_PERMITTED,
            "Keyhouse is set up from the machine it runs on.",
            hint="Open the link there, through a tunnel to it, or run `keyhouse init` there.",
        )


def _set_up_faults(typed: dict[str, str]) -> dict[str, str]:
    faults = {}
    if not typed["organization"]:
        faults["organization"] = "Name your organization."
    if typed["email"].count("@") != 1 or not all(typed["email"].split("@")) or len(typed["email"]) > _EMAIL_MAX:
        faults["email"] = "Write it as name@example.com."
    if typed["time_zone"] not in time_zones():
        faults["time_zone"] = "Choose a time zone of the list."
    return faults


def _set_up_page(
    request: Visit, token: str, typed: dict[str, str], faults: dict[str, str], status: int
) -> Response[Any]:
    pages = pages_of(request)
    expires_at_ms = pages.desk.setup.link_expires_at_ms(token)
    left = Times(ZoneInfo("UTC"), pages.desk.clock.now_ms()).left(expires_at_ms)
    return pages.door(
        request,
        "account/set_up.html",
        status=status,
        action=set_up_path(token),
        typed={"organization": "", "email": "", "name": ""} | typed,
        faults=faults,
        left=left,
        zones=time_zones(),
        upstream_note=pages.desk.catalog.note,
    )


@get("/sign-in")
async def show_sign_in(request: Visit) -> Response[Any]:
    """The form for e-mail and password."""
    pages = pages_of(request)
    if is_signed_in(request):
        return _to(onward_of(request.query_params.get("next", "")))
    if not await pages.desk.setup.is_done():
        return _to("/set-up")
    return _sign_in_page(request, "", "", request.query_params.get("next", ""), HTTPStatus.OK)


@post("/sign-in")
async def sign_in(request: Visit) -> Response[Any]:
    """Begin a session. Whoever fails learns the same, whether the person exists or not."""
    form = await read_form(request)
    email, onward = str(form.get("email", "")).strip(), str(form.get("next", ""))
    try:
        return await begin(request, email, str(form.get("password", "")), onward_of(onward))
    except Refusal as refusal:
        if refusal.code is Code.SIGN_IN_WRONG:
            fault = "E-mail or password is wrong."
            return _sign_in_page(request, email, fault, onward, HTTPStatus.UNPROCESSABLE_ENTITY)
        if refusal.code is Code.SIGN_IN_THROTTLED:
            return _sign_in_page(request, email, refusal.text, onward, HTTPStatus.TOO_MANY_REQUESTS)
        raise


@post("/sign-out")
async def sign_out(request: Visit) -> Response[Any]:
    """End this session."""
    await pages_of(request).desk.sign_in.sign_out(session_cookie(request), address_of(request))
    return Redirect("/sign-in", status_code=HTTP_303_SEE_OTHER, cookies=[ended_session_cookie(request)])


@post("/organization")
async def switch_organization(request: Visit) -> Response[Any]:
    """Take this session to another organization of its person. Raises Refusal(NOT_FOUND) for one they are not in."""
    organization_id = str((await read_form(request)).get("organization", ""))
    if not await pages_of(request).desk.sessions.switch(session_cookie(request), organization_id):
        raise Refusal(
            Code.NOT_FOUND,
            "You are not a member of this organization, so you are where you were.",
            hint="An owner of it can invite you.",
        )
    return Redirect(HOME, status_code=HTTP_303_SEE_OTHER)


async def begin(request: Visit, email: str, password: str, onward: str) -> Response[Any]:
    """Sign someone in and lead them on; raises what `SignIn.sign_in` raises."""
    desk = pages_of(request).desk
    agent = request.headers.get("user-agent", "")[:200]
    cookie = await desk.sign_in.sign_in(email, password, address_of(request), agent)
    return Redirect(onward, status_code=HTTP_303_SEE_OTHER, cookies=[new_session_cookie(request, cookie)])


def _sign_in_page(request: Visit, email: str, fault: str, onward: str, status: int) -> Response[Any]:
    pages = pages_of(request)
    # A Secure cookie sent over plain http is dropped by the browser: better said before than wondered about after.
    origin = own_origin(request, pages.desk.public_url)
    cookie_is_lost = origin.startswith("http:") and not is_plain_loopback(request)
    return pages.door(
        request,
        "account/sign_in.html",
        status=status,
        email=email,
        fault=fault,
        onward=onward,
        cookie_is_lost=cookie_is_lost,
    )


def onward_of(path: str) -> str:
    """Where to after sign-in: a path of these pages, never another host (two slashes, or one and a backslash)."""
    is_own = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if is_own else HOME


def _to(path: str) -> Response[Any]:
    return Redirect(path, status_code=HTTP_303_SEE_OTHER)


@cache
def time_zones() -> tuple[str, ...]:
    """The zones a person would choose from, alphabetical."""
    areas = ("Africa/", "America/", "Antarctica/", "Asia/", "Atlantic/", "Australia/", "Europe/", "Indian/", "Pacific/")
    return ("UTC", *sorted(zone for zone in available_timezones() if zone.startswith(areas)))
