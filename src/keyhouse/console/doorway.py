"""Who comes in: the guard before every route.

1. A request that changes something must come from these pages: `Sec-Fetch-Site` and `Origin` say so, and a
   token from the form agrees. GET changes nothing and needs neither.
2. Where the policy asks for a session, the cookie must lead to a living one; for what is worth it, to one whose person
   proved who they are a short while ago.

Law: nothing here reads an `Authorization` header, and the path that is judged is the route's own, never one
rebuilt from `Host`.
"""

import base64
import hmac
import ipaddress
from collections.abc import Awaitable, Callable
from typing import Any, Final, cast

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.datastructures import Cookie, FormMultiDict
from litestar.handlers.base import BaseRouteHandler

from keyhouse.console.desk import Desk
from keyhouse.console.policy import POLICY, PROOF_MS_MAX, Who, takes_proof
from keyhouse.control.authority import Task, require, sight_of
from keyhouse.control.grantors import Lacking
from keyhouse.core.authority import Sight
from keyhouse.core.errors import Code, Refusal
from keyhouse.identity.sessions import Session
from keyhouse.store.engine import Actor

Visit = Request[Any, Any, Any]
"""A request to the console."""

FORM_BYTES_MAX: Final = 64 * 1024
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_SESSION_COOKIE: Final = "keyhouse"
_DOOR_COOKIE: Final = "keyhouse-door"
_SESSION_STATE: Final = "keyhouse_session"
_SESSION_SECONDS_MAX: Final = 30 * 24 * 3600


def guard(desk: Desk) -> Callable[[ASGIConnection[Any, Any, Any, Any], BaseRouteHandler], Awaitable[None]]:
    """The guard of every route; it can only raise."""

    async def admit(connection: ASGIConnection[Any, Any, Any, Any], _handler: BaseRouteHandler) -> None:
        request = cast("Visit", connection)
        method = "GET" if request.method in _SAFE else request.method
        route = request.scope["path_template"]
        who = POLICY[method, route]
        if method != "GET":
            refuse_other_sites(request, own_origin(request, desk.public_url))
        session = await _find_session(request, desk)
        if who is not Who.ANYONE and session is None:
            raise Refusal(Code.SESSION_REQUIRED, "Sign in to see this page.")
        if isinstance(who, Task):
            try:
                require(actor_of(request), who)
            except Lacking as lacking:
                raise await desk.naming_owners(lacking) from None
            if takes_proof(method, route):
                _require_proof(session_of(request), desk.clock.now_ms())
        if method != "GET":
            await _refuse_wrong_token(request, session)

    return admit


def _require_proof(session: Session, now_ms: int) -> None:
    if now_ms - session.authenticated_at_ms >= PROOF_MS_MAX:
        raise Refusal(
            Code.PROOF_REQUIRED,
            f"This takes your password again: you gave it more than {PROOF_MS_MAX // 60_000} minutes ago.",
            hint="Confirm it, and nothing has been changed until then.",
        )


async def _find_session(request: Visit, desk: Desk) -> Session | None:
    cookie = session_cookie(request)
    session = await desk.sessions.find(cookie) if cookie else None
    request.state[_SESSION_STATE] = session
    return session


def session_of(request: Visit) -> Session:
    """The session of a request to a route whose policy asks for one."""
    session: Session = request.state[_SESSION_STATE]
    return session


def actor_of(request: Visit) -> Actor:
    """The person of that session, acting from where the request comes."""
    return session_of(request).actor(address_of(request))


def keys_seen(request: Visit) -> Sight | None:
    """Which keys that person sees: those of some projects and their own, or, with None, all."""
    return sight_of(actor_of(request), Task.API_KEYS_READ)


def is_signed_in(request: Visit) -> bool:
    """Whether there is a living session, on routes that anyone may ask."""
    return request.state.get(_SESSION_STATE) is not None


def refuse_other_sites(request: Visit, own: str) -> None:
    """Raise CROSS_SITE unless the browser says that the request comes from these pages.

    Fetch Metadata is sent on https and on loopback; where it is missing, `Origin` must be there and ours
    (OWASP, cross-site request forgery prevention). Beside it `Origin` may also be `null`: that is what our own
    forms send under `Referrer-Policy: no-referrer` (Fetch, append a request Origin header).
    """
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    is_ours = origin == own if site is None else site == "same-origin" and origin in (None, "null", own)
    if not is_ours:
        raise Refusal(
            Code.CROSS_SITE,
            "This form was not sent from Keyhouse's own pages, so nothing was changed.",
            hint="Open the page again and send it from there.",
            internal=f"origin={origin!r} site={site!r} own={own!r}",
        )


async def _refuse_wrong_token(request: Visit, session: Session | None) -> None:
    known = session.csrf_token if session is not None else request.cookies.get(_name(request, _DOOR_COOKIE), "")
    given = (await read_form(request)).get("csrf", "")
    if not known or not hmac.compare_digest(known.encode(), str(given).encode()):
        raise Refusal(
            Code.CROSS_SITE,
            "This page was open for too long, so nothing was changed.",
            hint="Go back, reload it, and send it again.",
        )


async def read_form(request: Visit) -> FormMultiDict:
    """The form in a POST; raises for anything but a small URL-encoded one."""
    if request.content_type[0] != "application/x-www-form-urlencoded":
        raise Refusal(Code.PARAMETER_INVALID, "Forms are sent URL-encoded.", hint="Send it from its page.")
    return await request.form()


def door_token(request: Visit, desk: Desk) -> tuple[str, Cookie | None]:
    """The token for forms of people without a session, and the cookie that must go with it if it is new."""
    name = _name(request, _DOOR_COOKIE)
    if held := request.cookies.get(name, ""):
        return held, None
    token = base64.urlsafe_b64encode(desk.entropy(32)).rstrip(b"=").decode()
    return token, _cookie(request, name, token, max_age_s=12 * 3600)


def session_cookie(request: Visit) -> str:
    """The value of the session's cookie, empty if there is none."""
    return request.cookies.get(_name(request, _SESSION_COOKIE), "")


def new_session_cookie(request: Visit, value: str) -> Cookie:
    """The cookie that carries a session; the session itself ends earlier, in the database."""
    return _cookie(request, _name(request, _SESSION_COOKIE), value, max_age_s=_SESSION_SECONDS_MAX)


def ended_session_cookie(request: Visit) -> Cookie:
    """The same cookie, ended."""
    return _cookie(request, _name(request, _SESSION_COOKIE), "", max_age_s=0)


def _cookie(request: Visit, name: str, value: str, *, max_age_s: int) -> Cookie:
    return Cookie(
        key=name,
        value=value,
        max_age=max_age_s,
        path="/",
        secure=not is_plain_loopback(request),
        httponly=True,
        samesite="lax",
    )


def _name(request: Visit, name: str) -> str:
    # Browsers accept `__Host-` only with Secure, and Secure only over https: on plain loopback neither is there.
    return name if is_plain_loopback(request) else f"__Host-{name}"


def is_plain_loopback(request: Visit) -> bool:
    """Whether the page was asked over http on this very machine, the one place where cookies are not Secure."""
    return request.scope["scheme"] == "http" and is_loopback(request.headers.get("host", ""))


def is_loopback(host: str) -> bool:
    """Whether a `Host` names this machine."""
    name = host.rpartition(":")[0] if ":" in host and not host.endswith("]") else host
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


def own_origin(request: Visit, public_url: str | None) -> str:
    """This server's origin as browsers see it: the configured one when the request came there, else the request's."""
    host = request.headers.get("host", "")
    if public_url:
        origin = "/".join(public_url.split("/")[:3])
        if not is_plain_loopback(request) or origin.partition("://")[2] == host:
            return origin
    return f"{request.scope['scheme']}://{host}"


def base_url(request: Visit, public_url: str | None) -> str:
    """What applications use as base URL."""
    return f"{(public_url or own_origin(request, None)).rstrip('/')}/v1"


def address_of(request: Visit) -> str:
    """The client's address, as the server knows it."""
    return request.client.host if request.client else ""
