"""`/settings/admin-keys`: the keys of the Admin API and the command, made and revoked.

A new secret stands in the one answer to the POST that made it, and nowhere else: that answer is a page of its own and
not a redirect.
"""

from http import HTTPStatus
from typing import Any, Final

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect
from litestar.status_codes import HTTP_303_SEE_OTHER

from keyhouse.console import wording
from keyhouse.console.doorway import Visit, actor_of, own_origin, read_form, session_of
from keyhouse.console.key_form import EXPIRES
from keyhouse.console.key_view import StatusView
from keyhouse.console.pages import pages_of
from keyhouse.console.settings import settings_page
from keyhouse.console.wording import Times
from keyhouse.control.authority import Task
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.key import ApiKey, Status
from keyhouse.reporting.listings import OwnedKey

HERE: Final = "/settings/admin-keys"
SHOWN_MAX: Final = 100
"""How many are listed, the newest first; more are reached by API and command."""

_USUAL_DAYS: Final = "90"


class AdminKeyLine(msgspec.Struct, frozen=True):
    """An admin key as a line of the list."""

    id: str
    name: str
    secret: str
    owner: str
    status: StatusView
    created: str
    created_exact: str
    used: str
    used_exact: str


@get("/settings/admin-keys")
async def show_admin_keys(request: Visit) -> Response[Any]:
    """Every admin key that was not revoked."""
    return await _page(request, overlay=None)


@get("/settings/admin-keys/new")
async def show_new_admin_key(request: Visit) -> Response[Any]:
    """The dialog of a new admin key."""
    return await _dialog(request, "", _USUAL_DAYS, {}, HTTPStatus.OK)


@post("/settings/admin-keys")
async def create_admin_key(request: Visit) -> Response[Any]:
    """Make an admin key that can do what its maker can, and show its secret, once."""
    pages, form = pages_of(request), await read_form(request)
    name, expires = str(form.get("name", "")).strip(), str(form.get("expires", ""))
    if expires not in dict(EXPIRES):
        faults = {"expires": "Choose one of the list."}
        return await _dialog(request, name, _USUAL_DAYS, faults, HTTPStatus.UNPROCESSABLE_ENTITY)
    ends_at_ms = pages.desk.clock.now_ms() + int(expires) * wording.DAY_MS if expires.isdigit() else None
    try:
        issued = await pages.desk.keys.create_admin(actor_of(request), name, ends_at_ms)
    except Refusal as refusal:
        if refusal.code is not Code.PARAMETER_INVALID:
            raise
        return await _dialog(request, name, expires, {"name": refusal.text}, HTTPStatus.UNPROCESSABLE_ENTITY)
    return await _page(
        request,
        overlay="settings/admin_key_secret.html",
        status=HTTPStatus.CREATED,
        issued=issued,
        address=own_origin(request, pages.desk.public_url),
    )


@get("/settings/admin-keys/{admin_key_id:str}/revoke")
async def show_revoke_admin_key(request: Visit, admin_key_id: FromPath[str]) -> Response[Any]:
    """The question whether to revoke an admin key."""
    found = await pages_of(request).desk.listings.one_admin(session_of(request).organization_id, admin_key_id)
    return await _page(request, overlay="settings/revoke_admin_key.html", found=found.key)


@post("/settings/admin-keys/{admin_key_id:str}/revoke")
async def revoke_admin_key(request: Visit, admin_key_id: FromPath[str]) -> Response[Any]:
    """Revoke an admin key, for good."""
    await pages_of(request).desk.keys.revoke_admin(actor_of(request), admin_key_id)
    return Redirect(HERE, status_code=HTTP_303_SEE_OTHER)


async def _page(request: Visit, *, overlay: str | None, status: int = HTTPStatus.OK, **words: Any) -> Response[Any]:
    """The list, and a dialog on it if there is one."""
    pages, session = pages_of(request), session_of(request)
    times = pages.times(session)
    found = await pages.desk.listings.of_organization(
        session.organization_id, after=None, limit=SHOWN_MAX, newest_first=True
    )
    return await settings_page(
        request,
        "settings/admin_keys.html",
        HERE,
        overlay=overlay,
        status=status,
        keys=[_line(owned, times) for owned in found.rows],
        has_more=found.has_more,
        may_edit=pages.may(session, Task.ADMIN_KEYS),
        **words,
    )


async def _dialog(request: Visit, name: str, expires: str, faults: dict[str, str], status: int) -> Response[Any]:
    return await _page(
        request,
        overlay="settings/new_admin_key.html",
        status=status,
        typed_name=name,
        typed_expires=expires,
        faults=faults,
        choices_expires=EXPIRES,
    )


def _line(owned: OwnedKey, times: Times) -> AdminKeyLine:
    key, owner = owned.key, owned.owner
    used_ms = key.last_used_at_ms
    return AdminKeyLine(
        id=key.id,
        name=key.name,
        secret=wording.secret(key),
        owner=key.owner_id if owner is None else owner.name or owner.email,
        status=_status(key, times),
        created=times.short_day(key.created_at_ms),
        created_exact=times.exact(key.created_at_ms),
        used="Never used" if used_ms is None else times.ago(used_ms),
        used_exact="" if used_ms is None else times.exact(used_ms),
    )


def _status(key: ApiKey, times: Times) -> StatusView:
    ends_ms = key.expires_at_ms
    if ends_ms is None:
        return StatusView("active", "Active", "without an end")
    if key.status(times.now_ms) is Status.EXPIRED:
        return StatusView("ended", "Expired", times.short_day(ends_ms), times.exact(ends_ms))
    return StatusView("active", "Active", f"until {times.short_day(ends_ms)}", times.exact(ends_ms))
