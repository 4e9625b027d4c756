"""`/admin_api_keys`: list, create, retrieve, delete."""

from typing import Final

import msgspec
from litestar import delete, get, post
from litestar.params import FromPath

from keyhouse.admin import shapes
from keyhouse.admin.bodies import read
from keyhouse.admin.door import Visit, actor_of
from keyhouse.admin.office import TheOffice
from keyhouse.admin.policy import ROOT
from keyhouse.admin.queries import query_of
from keyhouse.admin.shapes import Json
from keyhouse.control.new_admin_keys import LIFE_SECONDS_MAX
from keyhouse.core.errors import Code, Refusal

_KIND: Final = "organization.admin_api_key"


class NewAdminKey(msgspec.Struct):
    """What an admin key is created from."""

    name: str
    expires_in_seconds: int | None = None


@get(f"{ROOT}/admin_api_keys")
async def list_admin_keys(request: Visit, office: TheOffice) -> Json:
    """The organization's admin keys by creation, oldest first unless asked otherwise."""
    query = query_of(request)
    found = await office.listings.of_organization(
        actor_of(request).organization_id,
        after=query.text("after"),
        limit=query.page_limit(),
        newest_first=query.choice("order", ("asc", "desc"), "asc") == "desc",
    )
    return shapes.page([shapes.admin_key(row) for row in found.rows], has_more=found.has_more)


@post(f"{ROOT}/admin_api_keys", status_code=200)
async def create_admin_key(request: Visit, office: TheOffice) -> Json:
    """A new admin key, owned by the owner of the one it is made with. Its secret is in this answer only."""
    body = await read(request, NewAdminKey)
    expires_at_ms = None
    if body.expires_in_seconds is not None:
        if not 1 <= body.expires_in_seconds <= LIFE_SECONDS_MAX:
            raise Refusal(
                Code.PARAMETER_INVALID,
                f"The field expires_in_seconds is {body.expires_in_seconds}.",
                hint=f"It may be from 1 to {LIFE_SECONDS_MAX}, which is a year.",
                param="expires_in_seconds",
            )
        expires_at_ms = office.clock.now_ms() + body.expires_in_seconds * 1000
    actor = actor_of(request)
    issued = await office.keys.create_admin(actor, body.name, expires_at_ms)
    owned = await office.listings.one_admin(actor.organization_id, issued.key.id)
    return shapes.admin_key(owned) | {"value": issued.value}


@get(f"{ROOT}/admin_api_keys/{{key_id:str}}")
async def retrieve_admin_key(request: Visit, office: TheOffice, key_id: FromPath[str]) -> Json:
    """One admin key."""
    return shapes.admin_key(await office.listings.one_admin(actor_of(request).organization_id, key_id))


@delete(f"{ROOT}/admin_api_keys/{{key_id:str}}", status_code=200)
async def delete_admin_key(request: Visit, office: TheOffice, key_id: FromPath[str]) -> Json:
    """Revoke an admin key for good, at once; it may be the one that asks."""
    actor = actor_of(request)
    await office.listings.one_admin(actor.organization_id, key_id)
    await office.keys.revoke_admin(actor, key_id)
    return shapes.deleted(_KIND, key_id)
