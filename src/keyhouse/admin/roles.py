"""`/roles` and `/users/{u}/roles`: OpenAI's custom roles, and who holds which."""

from collections.abc import Callable, Sequence
from typing import Final, TypeVar

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
from keyhouse.admin.users import user
from keyhouse.reporting.roles import HeldRole
from keyhouse.store.roles import Role

T = TypeVar("T")

_ROLES: Final = f"{ROOT}/roles"
_ROLE: Final = f"{_ROLES}/{{role_id:str}}"
_HELD: Final = f"{ROOT}/users/{{user_id:str}}/roles"
_ONE_HELD: Final = f"{_HELD}/{{role_id:str}}"
_PAGE_MAX: Final = 1_000


class NewRole(msgspec.Struct):
    """A role to be made."""

    role_name: str
    permissions: list[str]
    description: str | None = None


class RoleChange(msgspec.Struct):
    """What to change of a role; what is left out or null stays."""

    role_name: str | None = None
    permissions: list[str] | None = None
    description: str | None = None


class NewAssignment(msgspec.Struct):
    """The role to be given."""

    role_id: str


@get(_ROLES)
async def list_roles(request: Visit, office: TheOffice) -> Json:
    """The organization's roles: those that are always there, then its own."""
    found = await office.role_questions.list(actor_of(request).organization_id)
    return _page(request, found, lambda role: role.id, _role)


@post(_ROLES, status_code=200)
async def create_role(request: Visit, office: TheOffice) -> Json:
    """Make a role of a list of permissions, none of which its maker lacks."""
    body = await read(request, NewRole)
    return _role(await office.roles.create(actor_of(request), body.role_name, body.permissions, body.description))


@get(_ROLE)
async def retrieve_role(request: Visit, office: TheOffice, role_id: FromPath[str]) -> Json:
    """One role."""
    return _role(await office.role_questions.one(actor_of(request).organization_id, role_id))


@post(_ROLE, status_code=200)
async def update_role(request: Visit, office: TheOffice, role_id: FromPath[str]) -> Json:
    """Change a role for all who hold it."""
    body = await read(request, RoleChange)
    return _role(
        await office.roles.update(actor_of(request), role_id, body.role_name, body.permissions, body.description)
    )


@delete(_ROLE, status_code=200)
async def delete_role(request: Visit, office: TheOffice, role_id: FromPath[str]) -> Json:
    """Take a role away, from everybody who holds it."""
    await office.roles.delete(actor_of(request), role_id)
    return shapes.deleted("role", role_id)


@get(_HELD)
async def list_user_roles(request: Visit, office: TheOffice, user_id: FromPath[str]) -> Json:
    """The roles a user holds in the whole organization, by groups too."""
    found = await office.role_questions.of_user(actor_of(request).organization_id, user_id)
    return _page(request, found, lambda held: held.role.id, lambda held: _held(held, user_id))


@post(_HELD, status_code=200)
async def create_user_role(request: Visit, office: TheOffice, user_id: FromPath[str]) -> Json:
    """Give a user a role in the whole organization."""
    body = await read(request, NewAssignment)
    member, role = await office.roles.assign(actor_of(request), user_id, body.role_id)
    return {"object": "user.role", "user": user(member), "role": _role(role)}


@get(_ONE_HELD)
async def retrieve_user_role(request: Visit, office: TheOffice, user_id: FromPath[str], role_id: FromPath[str]) -> Json:
    """One role that a user holds."""
    return _held(await office.role_questions.one_of_user(actor_of(request).organization_id, user_id, role_id), user_id)


@delete(_ONE_HELD, status_code=200)
async def delete_user_role(request: Visit, office: TheOffice, user_id: FromPath[str], role_id: FromPath[str]) -> Json:
    """Take a role from a user."""
    await office.roles.unassign(actor_of(request), user_id, role_id)
    return {"object": "user.role.deleted", "deleted": True}


def _page(request: Visit, found: Sequence[T], id_of: Callable[[T], str], shown: Callable[[T], Json]) -> Json:
    """A page in the form whose `next` is the mark to go on behind (OpenAI's NextCursorPage)."""
    query = query_of(request)
    limit = query.integer("limit", 0, _PAGE_MAX)
    ordered = found[::-1] if query.choice("order", ("asc", "desc"), "asc") == "desc" else found
    rows, has_more = shapes.page_behind(ordered, id_of, query.text("after"), _PAGE_MAX if limit is None else limit)
    return {
        "object": "list",
        "data": [shown(row) for row in rows],
        "has_more": has_more,
        "next": id_of(rows[-1]) if has_more else None,
    }


def _role(found: Role) -> Json:
    return {"object": "role", **_described(found)}


def _described(found: Role) -> Json:
    return {
        "id": found.id,
        "name": found.name,
        "description": found.description,
        "permissions": list(found.permissions),
        "resource_type": "api.organization",
        "predefined_role": found.is_predefined,
    }


def _held(held: HeldRole, user_id: str) -> Json:
    role = held.role
    return {
        **_described(role),
        "created_at": shapes.seconds(role.created_at_ms),
        "updated_at": shapes.seconds(role.updated_at_ms),
        "created_by": role.created_by,
        "created_by_user_obj": None,
        "metadata": None,
        "assignment_sources": [
            {"principal_id": source, "principal_type": "user" if source == user_id else "group"}
            for source in held.sources
        ],
    }


ROUTES: Final = (
    list_roles,
    create_role,
    retrieve_role,
    update_role,
    delete_role,
    list_user_roles,
    create_user_role,
    retrieve_user_role,
    delete_user_role,
)
