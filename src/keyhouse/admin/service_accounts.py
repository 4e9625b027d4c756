"""`/projects/{p}/service_accounts`: OpenAI's list, create, retrieve, update and delete, and one more key."""

from typing import Final

import msgspec
from litestar import delete, get, post
from litestar.params import FromPath
from msgspec import UNSET, UnsetType

from keyhouse.admin import shapes
from keyhouse.admin.bodies import read, read_by
from keyhouse.admin.door import Visit, actor_of
from keyhouse.admin.office import TheOffice
from keyhouse.admin.policy import ROOT
from keyhouse.admin.queries import query_of
from keyhouse.admin.repeats import once_of
from keyhouse.admin.scopes import permissions_of_new
from keyhouse.admin.shapes import Json
from keyhouse.control.issuing import IssuedKey

_KIND: Final = "organization.project.service_account"
_ACCOUNTS: Final = f"{ROOT}/projects/{{project_id:str}}/service_accounts"
_ACCOUNT: Final = f"{_ACCOUNTS}/{{service_account_id:str}}"


class NewAccount(msgspec.Struct):
    """What a service account is created from."""

    name: str
    create_service_account_only: bool | None = None


class AccountChange(msgspec.Struct):
    """What to change of one; what is null or left out stays."""

    name: str | UnsetType | None = UNSET
    role: str | UnsetType | None = UNSET


class NewAccountKey(msgspec.Struct):
    """What one more key is created from; without scopes it may do everything, with an empty list it is not made."""

    name: str | None = None
    scopes: tuple[str, ...] | None = None


@get(_ACCOUNTS)
async def list_service_accounts(request: Visit, office: TheOffice, project_id: FromPath[str]) -> Json:
    """A project's service accounts, oldest first."""
    query, organization_id = query_of(request), actor_of(request).organization_id
    limit, after = query.page_limit(), query.text("after")
    found = await office.service_account_questions.list(organization_id, project_id, mark=after)
    rows, has_more = shapes.page_behind(found, lambda row: row.id, after, limit)
    return shapes.page([shapes.service_account(row) for row in rows], has_more=has_more)


@post(_ACCOUNTS, status_code=200)
async def create_service_account(request: Visit, office: TheOffice, project_id: FromPath[str]) -> Json:
    """A new service account with its first key, whose secret is in this answer only."""
    body = await read(request, NewAccount)
    with_key, once = not body.create_service_account_only, await once_of(request)
    made = await office.service_accounts.create(actor_of(request), project_id, body.name, with_key=with_key, once=once)
    return shapes.service_account(made.account) | {"api_key": None if made.issued is None else _shown(made.issued)}


@get(_ACCOUNT)
async def retrieve_service_account(
    request: Visit, office: TheOffice, project_id: FromPath[str], service_account_id: FromPath[str]
) -> Json:
    """One service account."""
    organization_id = actor_of(request).organization_id
    return shapes.service_account(
        await office.service_account_questions.one(organization_id, project_id, service_account_id)
    )


@post(_ACCOUNT, status_code=200)
async def update_service_account(
    request: Visit, office: TheOffice, project_id: FromPath[str], service_account_id: FromPath[str]
) -> Json:
    """Rename a service account, or change its role."""
    body = await read(request, AccountChange)
    name = UNSET if body.name is None else body.name
    role = UNSET if body.role is None else body.role
    return shapes.service_account(
        await office.service_accounts.update(actor_of(request), project_id, service_account_id, name, role)
    )


@delete(_ACCOUNT, status_code=200)
async def delete_service_account(
    request: Visit, office: TheOffice, project_id: FromPath[str], service_account_id: FromPath[str]
) -> Json:
    """Delete a service account for good; its keys are refused at once."""
    await office.service_accounts.delete(actor_of(request), project_id, service_account_id)
    return shapes.deleted(_KIND, service_account_id)


@post(f"{_ACCOUNT}/api_keys", status_code=200)
async def create_service_account_key(
    request: Visit, office: TheOffice, project_id: FromPath[str], service_account_id: FromPath[str]
) -> Json:
    """One more key of a service account. Its secret is in this answer only."""
    body = await read(request, NewAccountKey)
    permissions = read_by(permissions_of_new, body.scopes, "scopes")
    once = await once_of(request)
    return _shown(
        await office.service_accounts.create_key(
            actor_of(request), project_id, service_account_id, body.name, permissions, once=once
        )
    )


def _shown(issued: IssuedKey) -> Json:
    """A service account's key, the one time that its value is shown."""
    return {
        "object": f"{_KIND}.api_key",
        "id": issued.key.id,
        "name": issued.key.name,
        "created_at": shapes.seconds(issued.key.created_at_ms),
        "value": issued.value,
    }
