"""`/roles`, of the organization and of a project: OpenAI's custom roles."""

from collections.abc import Sequence
from typing import Final

import msgspec
from litestar import delete, get, post
from litestar.params import FromPath
from msgspec import UNSET, UnsetType

from keyhouse.admin import shapes
from keyhouse.admin.bodies import read
from keyhouse.admin.door import Visit, actor_of
from keyhouse.admin.next_page import next_page
from keyhouse.admin.office import TheOffice
from keyhouse.admin.policy import PROJECT_ROOT, ROOT
from keyhouse.admin.shapes import Json
from keyhouse.store.roles import Role

_ROLES: Final = f"{ROOT}/roles"
_ROLE: Final = f"{_ROLES}/{{role_id:str}}"
_IN_PROJECT: Final = f"{PROJECT_ROOT}/{{project_id:str}}/roles"
_ONE_IN_PROJECT: Final = f"{_IN_PROJECT}/{{role_id:str}}"
PAGE_MAX: Final = 1_000


class NewRole(msgspec.Struct):
    """A role to be made."""

    role_name: str
    permissions: list[str]
    description: str | None = None


class RoleChange(msgspec.Struct):
    """What to change of a role. What is left out stays, and so do a name and permissions of null."""

    role_name: str | None = None
    permissions: list[str] | None = None
    description: str | UnsetType | None = UNSET


@get(_ROLES)
async def list_roles(request: Visit, office: TheOffice) -> Json:
    """The organization's roles: those that are always there, then its own."""
    return _page(request, await office.role_questions.list(actor_of(request).organization_id))


@post(_ROLES, status_code=200)
async def create_role(request: Visit, office: TheOffice) -> Json:
    """Make a role of a list of permissions, none of which its maker lacks."""
    body = await read(request, NewRole)
    return role(await office.roles.create(actor_of(request), body.role_name, body.permissions, body.description))


@get(_ROLE)
async def retrieve_role(request: Visit, office: TheOffice, role_id: FromPath[str]) -> Json:
    """One role."""
    return role(await office.role_questions.one(actor_of(request).organization_id, role_id))


@post(_ROLE, status_code=200)
async def update_role(request: Visit, office: TheOffice, role_id: FromPath[str]) -> Json:
    """Change a role for all who hold it."""
    body = await read(request, RoleChange)
    return role(
        await office.roles.update(actor_of(request), role_id, body.role_name, body.permissions, body.description)
    )


@delete(_ROLE, status_code=200)
async def delete_role(request: Visit, office: TheOffice, role_id: FromPath[str]) -> Json:
    """Take a role away, from everybody who holds it."""
    await office.roles.delete(actor_of(request), role_id)
    return shapes.deleted("role", role_id)


@get(_IN_PROJECT)
async def list_project_roles(request: Visit, office: TheOffice, project_id: FromPath[str]) -> Json:
    """A project's roles: those that are always there, then its own."""
    found = await office.role_questions.list(actor_of(request).organization_id, project_id=project_id)
    return _page(request, found)


@post(_IN_PROJECT, status_code=200)
async def create_project_role(request: Visit, office: TheOffice, project_id: FromPath[str]) -> Json:
    """Make a role for a project, of permissions that can be held in one."""
    body, actor = await read(request, NewRole), actor_of(request)
    return role(
        await office.roles.create(actor, body.role_name, body.permissions, body.description, project_id=project_id)
    )


@get(_ONE_IN_PROJECT)
async def retrieve_project_role(
    request: Visit, office: TheOffice, project_id: FromPath[str], role_id: FromPath[str]
) -> Json:
    """One role of a project."""
    return role(await office.role_questions.one(actor_of(request).organization_id, role_id, project_id=project_id))


@post(_ONE_IN_PROJECT, status_code=200)
async def update_project_role(
    request: Visit, office: TheOffice, project_id: FromPath[str], role_id: FromPath[str]
) -> Json:
    """Change a project's role for all who hold it."""
    body, actor = await read(request, RoleChange), actor_of(request)
    return role(
        await office.roles.update(
            actor, role_id, body.role_name, body.permissions, body.description, project_id=project_id
        )
    )


@delete(_ONE_IN_PROJECT, status_code=200)
async def delete_project_role(
    request: Visit, office: TheOffice, project_id: FromPath[str], role_id: FromPath[str]
) -> Json:
    """Take a project's role away, from everybody who holds it."""
    await office.roles.delete(actor_of(request), role_id, project_id=project_id)
    return shapes.deleted("role", role_id)


def role(found: Role) -> Json:
    """A role."""
    return {"object": "role", **described(found)}


def described(found: Role) -> Json:
    """A role without the name of its kind, as those are shown that somebody holds."""
    return {
        "id": found.id,
        "name": found.name,
        "description": found.description,
        "permissions": list(found.permissions),
        "resource_type": "api.organization" if found.project_id is None else "api.project",
        "predefined_role": found.is_predefined,
    }


def _page(request: Visit, found: Sequence[Role]) -> Json:
    return next_page(
        request,
        found,
        lambda each: each.id,
        role,
        limit_default=PAGE_MAX,
        limit_max=PAGE_MAX,
        made_at_ms=lambda each: each.created_at_ms,
    )


ROUTES: Final = (
    list_roles,
    create_role,
    retrieve_role,
    update_role,
    delete_role,
    list_project_roles,
    create_project_role,
    retrieve_project_role,
    update_project_role,
    delete_project_role,
)
