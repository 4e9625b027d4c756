"""`/projects/{p}/api_keys`: OpenAI's list, retrieve and delete, and Keyhouse's create, update, disable and enable."""

from typing import Any, Final, cast

import msgspec
from litestar import delete, get, post
from litestar.params import FromPath
from msgspec import UNSET, UnsetType

from keyhouse.admin import shapes
from keyhouse.admin.bodies import read, read_by
from keyhouse.admin.door import Visit, actor_of
from keyhouse.admin.limits import LimitFields, read_limit
from keyhouse.admin.office import Office, TheOffice
from keyhouse.admin.policy import ROOT
from keyhouse.admin.queries import query_of
from keyhouse.admin.repeats import once_of
from keyhouse.admin.scopes import permissions_of_scopes
from keyhouse.admin.shapes import Json
from keyhouse.control.authority import Place, Task, may_at, require
from keyhouse.control.keys import KeyChange, KeyDraft
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.key import ApiKey
from keyhouse.core.permissions import Permissions, parse_permissions
from keyhouse.core.secret import Kind
from keyhouse.reporting.listings import Access

_KIND: Final = "organization.project.api_key"
KEYS: Final = f"{ROOT}/projects/{{project_id:str}}/api_keys"
KEY: Final = f"{KEYS}/{{key_id:str}}"
_ACCESS: Final = ("active", "inactive", "any")


class NewKey(msgspec.Struct, forbid_unknown_fields=True):
    """What a key is created from. Without models it may use every one, without addresses it works from all."""

    name: str
    permissions: Any = "all"
    models: tuple[str, ...] | None = None
    endpoints: tuple[str, ...] | None = None
    ip_allowlist: tuple[str, ...] | None = None
    expires_at: int | None = None
    limits: tuple[LimitFields, ...] | None = None


class KeyFields(msgspec.Struct, forbid_unknown_fields=True):
    """What to change of a key; what is left out stays. `expires_in_seconds` and `scopes` are OpenAI's words."""

    name: str | UnsetType = UNSET
    permissions: Any = UNSET
    models: tuple[str, ...] | UnsetType | None = UNSET
    endpoints: tuple[str, ...] | UnsetType | None = UNSET
    ip_allowlist: tuple[str, ...] | UnsetType | None = UNSET
    expires_at: int | UnsetType | None = UNSET
    expires_in_seconds: int | UnsetType = UNSET
    scopes: tuple[str, ...] | UnsetType = UNSET


class Nothing(msgspec.Struct, forbid_unknown_fields=True):
    """A body without fields."""


@get(KEYS)
async def list_keys(request: Visit, office: TheOffice, project_id: FromPath[str]) -> Json:
    """A project's keys that the asker sees, newest first; revoked ones only with `include_revoked`."""
    query, actor = query_of(request), actor_of(request)
    sees_all = may_at(actor, Task.API_KEYS_READ, Place(project_id))
    found = await office.listings.of_project(
        actor.organization_id,
        project_id,
        after=query.text("after"),
        limit=query.page_limit(),
        access=cast("Access", query.choice("owner_project_access", _ACCESS, "any")),
        include_revoked=query.boolean("include_revoked") or False,
        owner_id=None if sees_all else actor.user_id,
    )
    now_ms = office.clock.now_ms()
    return shapes.page([shapes.project_key(row, now_ms) for row in found.rows], has_more=found.has_more)


@post(KEYS, status_code=200)
async def create_key(request: Visit, office: TheOffice, project_id: FromPath[str]) -> Json:
    """A new key, owned by the owner of the admin key. Its secret is in this answer only."""
    body = await read(request, NewKey)
    draft = KeyDraft(
        name=body.name,
        project_id=project_id,
        permissions=read_by(parse_permissions, body.permissions, "permissions"),
        models=body.models,
        endpoints=body.endpoints,
        ip_allowlist=body.ip_allowlist or (),
        expires_at_ms=_milliseconds(body.expires_at),
        limits=tuple(read_limit(fields, f"limits[{place}].") for place, fields in enumerate(body.limits or ())),
    )
    issued = await office.keys.create(actor_of(request), draft, await once_of(request))
    return await shown_key(request, office, project_id, issued.key) | {"value": issued.value}


@get(KEY)
async def retrieve_key(request: Visit, office: TheOffice, project_id: FromPath[str], key_id: FromPath[str]) -> Json:
    """One key; a revoked one only with `include_revoked`."""
    actor = actor_of(request)
    owned = await office.listings.one(
        actor.organization_id,
        key_id,
        project_id=project_id,
        include_revoked=query_of(request).boolean("include_revoked") or False,
    )
    require(actor, Task.API_KEYS_READ, Place(project_id, owned.key.owner_id))
    return shapes.project_key(owned, office.clock.now_ms())


@post(KEY, status_code=200)
async def update_key(request: Visit, office: TheOffice, project_id: FromPath[str], key_id: FromPath[str]) -> Json:
    """Change what a key is called and may do."""
    body = await read(request, KeyFields)
    change = KeyChange(
        name=body.name,
        permissions=_permissions(body),
        models=body.models,
        endpoints=body.endpoints,
        ip_allowlist=() if body.ip_allowlist is None else body.ip_allowlist,
        expires_at_ms=_expiry(body, office.clock.now_ms()),
    )
    if all(getattr(change, field) is UNSET for field in change.__struct_fields__):
        raise Refusal(
            Code.PARAMETER_MISSING, "The body names nothing to change.", hint="Send at least one field of the key."
        )
    key = await office.keys.update(actor_of(request), key_id, change, project_id=project_id)
    return await shown_key(request, office, project_id, key)


@delete(KEY, status_code=200)
async def delete_key(request: Visit, office: TheOffice, project_id: FromPath[str], key_id: FromPath[str]) -> Json:
    """Revoke a key for good, at once; not one of a service account."""
    actor = actor_of(request)
    owned = await office.listings.one(actor.organization_id, key_id, project_id=project_id)
    require(actor, Task.API_KEYS, Place(project_id, owned.key.owner_id))
    if owned.key.kind is Kind.SERVICE_ACCOUNT and owned.key.parent_id is None:
        # As OpenAI's API does: what holds such a key is the account, which another program may manage.
        raise Refusal(
            Code.PARAMETER_INVALID,
            f"The API key {key_id} belongs to the service account {owned.key.owner_id}.",
            hint="Delete the service account with all of its keys, or rotate or disable this key.",
            param="api_key_id",
        )
    await office.keys.revoke(actor, key_id, project_id=project_id)
    return shapes.deleted(_KIND, key_id)


@post(f"{KEY}/disable", status_code=200)
async def disable_key(request: Visit, office: TheOffice, project_id: FromPath[str], key_id: FromPath[str]) -> Json:
    """Refuse a key until it is enabled again."""
    await read(request, Nothing)
    key = await office.keys.disable(actor_of(request), key_id, project_id=project_id)
    return await shown_key(request, office, project_id, key)


@post(f"{KEY}/enable", status_code=200)
async def enable_key(request: Visit, office: TheOffice, project_id: FromPath[str], key_id: FromPath[str]) -> Json:
    """Accept a disabled key again."""
    await read(request, Nothing)
    key = await office.keys.enable(actor_of(request), key_id, project_id=project_id)
    return await shown_key(request, office, project_id, key)


async def shown_key(request: Visit, office: Office, project_id: str, key: ApiKey) -> Json:
    """A key as it stands after a change, also a revoked one."""
    organization_id = actor_of(request).organization_id
    owned = await office.listings.one(organization_id, key.id, project_id=project_id, include_revoked=True)
    return shapes.project_key(owned, office.clock.now_ms())


def _permissions(body: KeyFields) -> Permissions | UnsetType:
    if body.permissions is not UNSET and body.scopes is not UNSET:
        raise _twice("permissions", "scopes")
    if body.permissions is not UNSET:
        return read_by(parse_permissions, body.permissions, "permissions")
    return UNSET if body.scopes is UNSET else read_by(permissions_of_scopes, body.scopes, "scopes")


def _expiry(body: KeyFields, now_ms: int) -> int | UnsetType | None:
    if body.expires_at is not UNSET and body.expires_in_seconds is not UNSET:
        raise _twice("expires_at", "expires_in_seconds")
    if body.expires_in_seconds is UNSET:
        return UNSET if body.expires_at is UNSET else _milliseconds(body.expires_at)
    if body.expires_in_seconds < 1:
        raise Refusal(
            Code.PARAMETER_INVALID,
            f"The field expires_in_seconds is {body.expires_in_seconds}.",
            hint="It is at least 1.",
            param="expires_in_seconds",
        )
    return now_ms + body.expires_in_seconds * 1000


def _milliseconds(at_seconds: int | None) -> int | None:
    return None if at_seconds is None else at_seconds * 1000


def _twice(one: str, other: str) -> Refusal:
    return Refusal(
        Code.PARAMETER_INVALID,
        f"The fields {one} and {other} say the same thing.",
        hint="Send one of them.",
        param=other,
    )
