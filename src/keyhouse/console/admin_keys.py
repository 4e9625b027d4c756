"""`/settings/admin-keys`: the keys that open the Admin API, made and revoked.

A new secret stands in the one answer to the POST that made it, and nowhere else.
"""

from http import HTTPStatus
from typing import Any, Final

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect
from litestar.status_codes import HTTP_303_SEE_OTHER

from keyhouse.console import wording
from keyhouse.console.doorway import Visit, actor_of, base_url, read_form, session_of
from keyhouse.console.key_form import EXPIRES, FIELD_OF, Typed, read_expires, read_typed
from keyhouse.console.key_view import StatusView, standing
from keyhouse.console.pages import pages_of
from keyhouse.console.settings import settings_page
from keyhouse.console.wording import Times
from keyhouse.control.authority import Task
from keyhouse.core.errors import Code, Refusal
from keyhouse.reporting.listings import OwnedKey

HERE: Final = "/settings/admin-keys"
ROWS: Final = 50
"""How many stand on one page."""


class AdminKeyLine(msgspec.Struct, frozen=True):
    """An admin key as a line of the list. `email` is the owner's where a name stands before it."""

    id: str
    name: str
    secret: str
    status: StatusView
    owner: str
    email: str
    is_yours: bool
    created: str
    created_exact: str
    last_used: str
    last_used_exact: str


@get("/settings/admin-keys")
async def show_admin_keys(request: Visit) -> Response[Any]:
    """The admin keys that were not revoked, newest first."""
    return await admin_keys_page(request, overlay=None, after=request.query_params.get("after"))


async def admin_keys_page(
    request: Visit, *, overlay: str | None, status: int = HTTPStatus.OK, after: str | None = None, **words: Any
) -> Response[Any]:
    """The list, behind the key `after` if one is named, and a dialog on it if there is one."""
    pages, session = pages_of(request), session_of(request)
    address = base_url(request, pages.desk.public_url)
    found = await pages.desk.listings.of_organization(
        session.organization_id, after=after, limit=ROWS, newest_first=True
    )
    return await settings_page(
        request,
        "settings/admin_keys.html",
        HERE,
        overlay=overlay,
        status=status,
        admin_keys=[line_of(one, session.user_id, pages.times(session)) for one in found.rows],
        older=f"{HERE}?after={found.rows[-1].key.id}" if found.has_more else "",
        is_first=after is None,
        address=address,
        home=address.removesuffix("/v1"),
        may_edit=pages.may(session, Task.ADMIN_KEYS),
        **words,
    )


def line_of(owned: OwnedKey, you: str, times: Times) -> AdminKeyLine:
    """One admin key, as this person sees it."""
    key, owner = owned.key, owned.owner
    used_at_ms = key.last_used_at_ms
    return AdminKeyLine(
        id=key.id,
        name=key.name,
        secret=wording.secret(key),
        status=_status(owned, times),
        owner="Nobody here" if owner is None else owner.name or owner.email,
        email=owner.email if owner is not None and owner.name else "",
        is_yours=key.owner_id == you,
        created=times.short_day(key.created_at_ms),
        created_exact=times.exact(key.created_at_ms),
        last_used="Never used" if used_at_ms is None else times.ago(used_at_ms),
        last_used_exact="" if used_at_ms is None else times.exact(used_at_ms),
    )


def _status(owned: OwnedKey, times: Times) -> StatusView:
    """Where it stands, and when it ends."""
    if not owned.is_owner_active:
        return StatusView("ended", "Owner gone")
    shown, ends_at_ms = standing(owned.key, (), times), owned.key.expires_at_ms
    if shown.look != "active":
        return shown
    if ends_at_ms is None:
        return msgspec.structs.replace(shown, when="No end")
    return msgspec.structs.replace(shown, when=f"Ends {times.short_day(ends_at_ms)}", exact=times.exact(ends_at_ms))


@get("/settings/admin-keys/new")
async def show_new_admin_key(request: Visit) -> Response[Any]:
    """The dialog of a new admin key."""
    return await _form(request, Typed(), {}, HTTPStatus.OK)


@post("/settings/admin-keys")
async def create_admin_key(request: Visit) -> Response[Any]:
    """Make an admin key of the person's own, and show its secret, once."""
    pages, session = pages_of(request), session_of(request)
    typed = read_typed(await read_form(request))
    faults = {} if typed.name else {"name": "Name the key after what will use it."}
    ends_at_ms = read_expires(typed, pages.times(session), faults)
    if faults:
        return await _form(request, typed, faults, HTTPStatus.UNPROCESSABLE_ENTITY)
    try:
        issued = await pages.desk.keys.create_admin(actor_of(request), typed.name, ends_at_ms)
    except Refusal as refusal:
        if refusal.code is not Code.PARAMETER_INVALID:
            raise
        faults = {FIELD_OF.get(refusal.param or "", "name"): refusal.text}
        return await _form(request, typed, faults, HTTPStatus.UNPROCESSABLE_ENTITY)
    return await admin_keys_page(
        request, overlay="settings/admin_key_secret.html", status=HTTPStatus.CREATED, issued=issued
    )


async def _form(request: Visit, typed: Typed, faults: dict[str, str], status: int) -> Response[Any]:
    return await admin_keys_page(
        request,
        overlay="settings/new_admin_key.html",
        status=status,
        typed=typed,
        faults=faults,
        choices_expires=EXPIRES,
    )


@get("/settings/admin-keys/{admin_key_id:str}/revoke")
async def show_revoke_admin_key(request: Visit, admin_key_id: FromPath[str]) -> Response[Any]:
    """When it was used last, and the question for its name."""
    return await _revoke_dialog(request, admin_key_id, "", "", HTTPStatus.OK)


@post("/settings/admin-keys/{admin_key_id:str}/revoke")
async def revoke_admin_key(request: Visit, admin_key_id: FromPath[str]) -> Response[Any]:
    """Revoke it, for good, if its name was typed."""
    pages, session = pages_of(request), session_of(request)
    typed = str((await read_form(request)).get("name", "")).strip()
    owned = await pages.desk.listings.one_admin(session.organization_id, admin_key_id)
    if typed != owned.key.name:
        fault = f"Type {owned.key.name}, exactly."
        return await _revoke_dialog(request, admin_key_id, typed, fault, HTTPStatus.UNPROCESSABLE_ENTITY)
    await pages.desk.keys.revoke_admin(actor_of(request), admin_key_id)
    return Redirect(HERE, status_code=HTTP_303_SEE_OTHER)


async def _revoke_dialog(request: Visit, key_id: str, typed: str, fault: str, status: int) -> Response[Any]:
    pages, session = pages_of(request), session_of(request)
    owned = await pages.desk.listings.one_admin(session.organization_id, key_id)
    return await admin_keys_page(
        request,
        overlay="settings/revoke_admin_key.html",
        status=status,
        key=line_of(owned, session.user_id, pages.times(session)),
        typed=typed,
        fault=fault,
    )
