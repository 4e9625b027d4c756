"""`/users/{u}/roles` and `/groups/{g}/roles`, of the organization and of a project: who holds which role."""

from collections.abc import Sequence
from typing import Final

import msgspec
from litestar import delete, get, post
from litestar.params import FromPath

from keyhouse.admin import shapes
from keyhouse.admin.bodies import read
from keyhouse.admin.door import Visit, actor_of
from keyhouse.admin.next_page import next_page
from keyhouse.admin.office import TheOffice
from keyhouse.admin.policy import PROJECT_ROOT, ROOT
from keyhouse.admin.roles import PAGE_MAX, described, role
from keyhouse.admin.shapes import Json
from keyhouse.admin.users import user
from keyhouse.reporting.roles import HeldRole, held_role
from keyhouse.store.groups import GROUP_ID, Group
from keyhouse.store.people import Member
from keyhouse.store.roles import Role

_PROJECT: Final = f"{PROJECT_ROOT}/{{project_id:str}}"
_OF_USER: Final = "/users/{user_id:str}/roles"
_OF_GROUP: Final = "/groups/{group_id:str}/roles"
_ONE: Final = "/{role_id:str}"


class NewAssignment(msgspec.Struct):
    """The role to be given."""

    role_id: str


@get(ROOT + _OF_USER)
async def list_user_roles(request: Visit, office: TheOffice, user_id: FromPath[str]) -> Json:
    """The roles a user holds in the whole organization, by groups too."""
    return _page(request, await office.role_questions.of_user(actor_of(request).organization_id, user_id))


@post(ROOT + _OF_USER, status_code=200)
async def create_user_role(request: Visit, office: TheOffice, user_id: FromPath[str]) -> Json:
    """Give a user a role in the whole organization."""
    body = await read(request, NewAssignment)
    return _to_user(*await office.assignments.give_user(actor_of(request), user_id, body.role_id))


@get(ROOT + _OF_USER + _ONE)
async def retrieve_user_role(request: Visit, office: TheOffice, user_id: FromPath[str], role_id: FromPath[str]) -> Json:
    """One role that a user holds."""
    found = await office.role_questions.of_user(actor_of(request).organization_id, user_id)
    return _held(held_role(found, role_id, user_id))


@delete(ROOT + _OF_USER + _ONE, status_code=200)
async def delete_user_role(request: Visit, office: TheOffice, user_id: FromPath[str], role_id: FromPath[str]) -> Json:
    """Take a role from a user."""
    await office.assignments.take_from_user(actor_of(request), user_id, role_id)
    return {"object": "user.role.deleted", "deleted": True}


@get(ROOT + _OF_GROUP)
async def list_group_roles(request: Visit, office: TheOffice, group_id: FromPath[str]) -> Json:
    """The roles a group holds in the whole organization."""
    return _page(request, await office.role_questions.of_group(actor_of(request).organization_id, group_id))


@post(ROOT + _OF_GROUP, status_code=200)
async def create_group_role(request: Visit, office: TheOffice, group_id: FromPath[str]) -> Json:
    """Give a group a role in the whole organization, and so all who are in it."""
    body = await read(request, NewAssignment)
    return _to_group(*await office.assignments.give_group(actor_of(request), group_id, body.role_id))


@get(ROOT + _OF_GROUP + _ONE)
async def retrieve_group_role(
    request: Visit, office: TheOffice, group_id: FromPath[str], role_id: FromPath[str]
) -> Json:
    """One role that a group holds."""
    found = await office.role_questions.of_group(actor_of(request).organization_id, group_id)
    return _held(held_role(found, role_id, group_id))


@delete(ROOT + _OF_GROUP + _ONE, status_code=200)
async def delete_group_role(request: Visit, office: TheOffice, group_id: FromPath[str], role_id: FromPath[str]) -> Json:
    """Take a role from a group, and so from all who are in it."""
    await office.assignments.take_from_group(actor_of(request), group_id, role_id)
    return {"object": "group.role.deleted", "deleted": True}


@get(_PROJECT + _OF_USER)
async def list_project_user_roles(
    request: Visit, office: TheOffice, project_id: FromPath[str], user_id: FromPath[str]
) -> Json:
    """The roles a user holds in a project, by groups too."""
    organization_id = actor_of(request).organization_id
    return _page(request, await office.role_questions.of_user(organization_id, user_id, project_id=project_id))


@post(_PROJECT + _OF_USER, status_code=200)
async def create_project_user_role(
    request: Visit, office: TheOffice, project_id: FromPath[str], user_id: FromPath[str]
) -> Json:
    """Give a project's user one more role in it."""
    body, actor = await read(request, NewAssignment), actor_of(request)
    return _to_user(*await office.assignments.give_user(actor, user_id, body.role_id, project_id=project_id))


@get(_PROJECT + _OF_USER + _ONE)
async def retrieve_project_user_role(
    request: Visit, office: TheOffice, project_id: FromPath[str], user_id: FromPath[str], role_id: FromPath[str]
) -> Json:
    """One role that a user holds in a project."""
    organization_id = actor_of(request).organization_id
    found = await office.role_questions.of_user(organization_id, user_id, project_id=project_id)
    return _held(held_role(found, role_id, user_id))


@delete(_PROJECT + _OF_USER + _ONE, status_code=200)
async def delete_project_user_role(
    request: Visit, office: TheOffice, project_id: FromPath[str], user_id: FromPath[str], role_id: FromPath[str]
) -> Json:
    """Take a role in a project from a user."""
    await office.assignments.take_from_user(actor_of(request), user_id, role_id, project_id=project_id)
    return {"object": "user.role.deleted", "deleted": True}


@get(_PROJECT + _OF_GROUP)
async def list_project_group_roles(
    request: Visit, office: TheOffice, project_id: FromPath[str], group_id: FromPath[str]
) -> Json:
    """The roles a group holds in a project."""
    organization_id = actor_of(request).organization_id
    return _page(request, await office.role_questions.of_group(organization_id, group_id, project_id=project_id))


@post(_PROJECT + _OF_GROUP, status_code=200)
async def create_project_group_role(
    request: Visit, office: TheOffice, project_id: FromPath[str], group_id: FromPath[str]
) -> Json:
    """Give a group a role in a project, and so all who are in it."""
    body, actor = await read(request, NewAssignment), actor_of(request)
    return _to_group(*await office.assignments.give_group(actor, group_id, body.role_id, project_id=project_id))


@get(_PROJECT + _OF_GROUP + _ONE)
async def retrieve_project_group_role(
    request: Visit, office: TheOffice, project_id: FromPath[str], group_id: FromPath[str], role_id: FromPath[str]
) -> Json:
    """One role that a group holds in a project."""
    organization_id = actor_of(request).organization_id
    found = await office.role_questions.of_group(organization_id, group_id, project_id=project_id)
    return _held(held_role(found, role_id, group_id))


@delete(_PROJECT + _OF_GROUP + _ONE, status_code=200)
async def delete_project_group_role(
    request: Visit, office: TheOffice, project_id: FromPath[str], group_id: FromPath[str], role_id: FromPath[str]
) -> Json:
    """Take a role in a project from a group, and so from all who are in it."""
    await office.assignments.take_from_group(actor_of(request), group_id, role_id, project_id=project_id)
    return {"object": "group.role.deleted", "deleted": True}


def _page(request: Visit, found: Sequence[HeldRole]) -> Json:
    return next_page(
        request,
        found,
        lambda held: held.role.id,
        _held,
        limit_default=PAGE_MAX,
        limit_max=PAGE_MAX,
        made_at_ms=lambda held: held.role.created_at_ms,
    )


def _to_user(member: Member, given: Role) -> Json:
    return {"object": "user.role", "user": user(member), "role": role(given)}


def _to_group(group: Group, given: Role) -> Json:
    shown = {
        "object": "group",
        "id": group.id,
        "name": group.name,
        "created_at": shapes.seconds(group.created_at_ms),
        "scim_managed": False,
    }
    return {"object": "group.role", "group": shown, "role": role(given)}


def _held(held: HeldRole) -> Json:
    """A role that someone holds, and from whom they have it."""
    found, maker = held.role, held.created_by
    return {
        **described(found),
        "created_at": shapes.seconds(found.created_at_ms),
        "updated_at": shapes.seconds(found.updated_at_ms),
        "created_by": found.created_by,
        "created_by_user_obj": None if maker is None else user(maker),
        "metadata": None,
        "assignment_sources": [
            {"principal_id": source, "principal_type": "group" if source.startswith(GROUP_ID) else "user"}
            for source in held.sources
        ],
    }


ROUTES: Final = (
    list_user_roles,
    create_user_role,
    retrieve_user_role,
    delete_user_role,
    list_group_roles,
    create_group_role,
    retrieve_group_role,
    delete_group_role,
    list_project_user_roles,
    create_project_user_role,
    retrieve_project_user_role,
    delete_project_user_role,
    list_project_group_roles,
    create_project_group_role,
    retrieve_project_group_role,
    delete_project_group_role,
)
