"""`/settings/account`: one's name, one's password, and where one is signed in."""

from http import HTTPStatus
from typing import Any, Final

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect
from litestar.status_codes import HTTP_303_SEE_OTHER

from keyhouse.console.account import begin
from keyhouse.console.doorway import (
    Visit,
    address_of,
    ended_session_cookie,
    read_form,
    session_cookie,
    session_of,
)
from keyhouse.console.pages import pages_of
from keyhouse.console.settings import HERE, settings_page
from keyhouse.console.wording import Times
from keyhouse.core.errors import Code, Refusal
from keyhouse.identity.sessions import hash_of
from keyhouse.store.sessions import NewSession

_BROWSERS: Final = (
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_MACHINES: Final = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)


class SessionLine(msgspec.Struct, frozen=True):
    """A session as a line of the list."""

    id: str
    agent: str
    agent_whole: str
    address: str
    began: str
    began_exact: str
    seen: str
    seen_exact: str
    is_this: bool


def session_line(session: NewSession, this: bytes, times: Times) -> SessionLine:
    """A session in words. `this` is the hash of the one that asks."""
    return SessionLine(
        id=session.id_hash.hex(),
        agent=agent_name(session.agent),
        agent_whole=session.agent,
        address=session.address or "unknown",
        began=times.moment(session.created_at_ms),
        began_exact=times.exact(session.created_at_ms),
        seen=times.ago(session.last_seen_at_ms),
        seen_exact=times.exact(session.last_seen_at_ms),
        is_this=session.id_hash == this,
    )


def agent_name(agent: str) -> str:
    """What a browser calls itself, in two words: `Firefox on Linux`. What it says is believed, it is a hint only."""
    browser = next((name for mark, name in _BROWSERS if mark in agent), "")
    machine = next((name for mark, name in _MACHINES if mark in agent), "")
    return " on ".join(part for part in (browser, machine) if part) or agent.partition(" ")[0][:40] or "Unknown"


@get("/settings/account")
async def show_account(request: Visit) -> Response[Any]:
    """Name, password and sessions."""
    return await account_page(request)


async def account_page(
    request: Visit, *, status: int = HTTPStatus.OK, faults: dict[str, str] | None = None, typed_name: str | None = None
) -> Response[Any]:
    """The page, with what is wrong with its forms."""
    pages, session = pages_of(request), session_of(request)
    running = await pages.desk.sessions.running(session.user_id)
    this, times = hash_of(session_cookie(request)), pages.times(session)
    return await settings_page(
        request,
        "settings/account.html",
        HERE,
        status=status,
        faults=faults or {},
        name=session.user_name if typed_name is None else typed_name,
        sessions=[session_line(one, this, times) for one in running],
    )


@post("/settings/account/name")
async def change_name(request: Visit) -> Response[Any]:
    """Be called something else everywhere."""
    name = str((await read_form(request)).get("name", ""))
    try:
        await pages_of(request).desk.accounts.rename(session_of(request), name, address_of(request))
    except Refusal as refusal:
        if refusal.code is not Code.PARAMETER_INVALID:
            raise
        faults = {"name": refusal.text}
        return await account_page(request, status=HTTPStatus.UNPROCESSABLE_ENTITY, faults=faults, typed_name=name)
    return Redirect(HERE, status_code=HTTP_303_SEE_OTHER)


@post("/settings/account/password")
async def change_password(request: Visit) -> Response[Any]:
    """Choose another password: every session ends, and a new one begins here."""
    desk, session = pages_of(request).desk, session_of(request)
    form = await read_form(request)
    present, new = str(form.get("present", "")), str(form.get("password", ""))
    try:
        await desk.accounts.change_password(session, present, new, address_of(request))
    except Refusal as refusal:
        wrong = {Code.SIGN_IN_WRONG: "present", Code.SIGN_IN_THROTTLED: "present", Code.CONFLICT: "present"}
        field = wrong.get(refusal.code, refusal.param)
        if field is None:
            raise
        return await account_page(request, status=HTTPStatus.UNPROCESSABLE_ENTITY, faults={field: refusal.text})
    return await begin(request, session.email, new, HERE)


@post("/settings/account/sessions/end-others")
async def end_other_sessions(request: Visit) -> Response[Any]:
    """Sign out everywhere but here."""
    kept = hash_of(session_cookie(request))
    await pages_of(request).desk.accounts.end_sessions(session_of(request), address_of(request), kept=kept)
    return Redirect(HERE, status_code=HTTP_303_SEE_OTHER)


@post("/settings/account/sessions/end-all")
async def end_all_sessions(request: Visit) -> Response[Any]:
    """Sign out everywhere, here too."""
    await pages_of(request).desk.accounts.end_sessions(session_of(request), address_of(request))
    return Redirect("/sign-in", status_code=HTTP_303_SEE_OTHER, cookies=[ended_session_cookie(request)])


@post("/settings/account/sessions/{session_id:str}/end")
async def end_session(request: Visit, session_id: FromPath[str]) -> Response[Any]:
    """Sign out there."""
    await pages_of(request).desk.accounts.end_session(session_of(request), session_id, address_of(request))
    return Redirect(HERE, status_code=HTTP_303_SEE_OTHER)
