"""`/groups`, their users, and `/projects/{p}/groups`: OpenAI's groups."""

from typing import Final

import msgspec
from litestar import delete, get, post
from litestar.params import FromPath

from keyhouse.admin import shapes
from keyhouse.admin.bodies import read
from keyhouse.admin.door import Visit, actor_of
from keyhouse.admin.next_page import next_page
from keyhouse.admin.office import TheOffice
from keyhouse.admin.policy import ROOT
from keyhouse.admin.queries import PAGE_DEFAULT, PAGE_MAX, query_of
from keyhouse.admin.shapes import Json
from keyhouse.core.errors import Code, Refusal
from keyhouse.store.groups import Group, ProjectGroup
from keyhouse.store.people import Member

_GROUPS: Final = f"{ROOT}/groups"
_GROUP: Final = f"{_GROUPS}/{{group_id:str}}"
_USERS: Final = f"{_GROUP}/users"
_USER: Final = f"{_USERS}/{{user_id:str}}"
_IN_PROJECT: Final = f"{ROOT}/projects/{{project_id:str}}/groups"
_ONE_IN_PROJECT: Final = f"{_IN_PROJECT}/{{group_id:str}}"
_GROUP_TYPE: Final = "group"
_GROUP_TYPES: Final = (_GROUP_TYPE, "tenant_group")
_LIMIT_DEFAULT: Final = 100
_LIMIT_MAX: Final = 1_000


class GroupName(msgspec.Struct):
    """What a group is, or shall be, called."""

    name: str


class NewGroupUser(msgspec.Struct):
    """Who is put into a group."""

    user_id: str


class NewProjectGroup(msgspec.Struct):
    """The group that is put into a project, and the role it holds there."""

    group_id: str
    role: str


@get(_GROUPS)
async def list_groups(request: Visit, office: TheOffice) -> Json:
    """The organization's groups, oldest first."""
    found = await office.group_questions.list(actor_of(request).organization_id)
    return next_page(
        request,
        found,
        lambda each: each.id,
        _group,
        limit_default=_LIMIT_DEFAULT,
        limit_max=_LIMIT_MAX,
        made_at_ms=lambda each: each.created_at_ms,
    )


@post(_GROUPS, status_code=200)
async def create_group(request: Visit, office: TheOffice) -> Json:
    """Make a group, with nobody in it."""
    body = await read(request, GroupName)
    return _group(await office.groups.create(actor_of(request), body.name))


@get(_GROUP)
async def retrieve_group(request: Visit, office: TheOffice, group_id: FromPath[str]) -> Json:
    """One group."""
    return _group(await office.group_questions.one(actor_of(request).organization_id, group_id))


@post(_GROUP, status_code=200)
async def update_group(request: Visit, office: TheOffice, group_id: FromPath[str]) -> Json:
    """Give a group another name."""
    body = await read(request, GroupName)
    return _group(await office.groups.update(actor_of(request), group_id, body.name))


@delete(_GROUP, status_code=200)
async def delete_group(request: Visit, office: TheOffice, group_id: FromPath[str]) -> Json:
    """Take a group away, and its roles from all who are in it."""
    await office.groups.delete(actor_of(request), group_id)
    return shapes.deleted("group", group_id)


@get(_USERS)
async def list_group_users(request: Visit, office: TheOffice, group_id: FromPath[str]) -> Json:
    """The users in a group, by name."""
    mark = query_of(request).text("after")
    found = await office.group_questions.users(actor_of(request).organization_id, group_id, mark=mark)
    return next_page(
        request, found, lambda each: each.user_id, _user, limit_default=_LIMIT_DEFAULT, limit_max=_LIMIT_MAX
    )


@post(_USERS, status_code=200)
async def create_group_user(request: Visit, office: TheOffice, group_id: FromPath[str]) -> Json:
    """Put a user of the organization into a group."""
    body = await read(request, NewGroupUser)
    group = await office.groups.add_user(actor_of(request), group_id, body.user_id)
    return {"object": "group.user", "user_id": body.user_id, "group_id": group.id}


@get(_USER)
async def retrieve_group_user(
    request: Visit, office: TheOffice, group_id: FromPath[str], user_id: FromPath[str]
) -> Json:
    """One user of a group."""
    return _user(await office.group_questions.user(actor_of(request).organization_id, group_id, user_id))


@delete(_USER, status_code=200)
async def delete_group_user(request: Visit, office: TheOffice, group_id: FromPath[str], user_id: FromPath[str]) -> Json:
    """Take a user out of a group, and the group's roles from them, at once."""
    await office.groups.remove_user(actor_of(request), group_id, user_id)
    return {"object": "group.user.deleted", "deleted": True}


@get(_IN_PROJECT)
async def list_project_groups(request: Visit, office: TheOffice, project_id: FromPath[str]) -> Json:
    """The groups that hold a role in a project."""
    found = await office.group_questions.of_project(actor_of(request).organization_id, project_id)
    return next_page(
        request,
        found,
        lambda each: each.group.id,
        _project_group,
        limit_default=PAGE_DEFAULT,
        limit_max=PAGE_MAX,
        made_at_ms=lambda each: each.added_at_ms,
    )


@post(_IN_PROJECT, status_code=200)
async def create_project_group(request: Visit, office: TheOffice, project_id: FromPath[str]) -> Json:
    """Let a group hold a role in a project."""
    body = await read(request, NewProjectGroup)
    return _project_group(await office.groups.add_to_project(actor_of(request), project_id, body.group_id, body.role))


@get(_ONE_IN_PROJECT)
async def retrieve_project_group(
    request: Visit, office: TheOffice, project_id: FromPath[str], group_id: FromPath[str]
) -> Json:
    """One group of a project."""
    if query_of(request).choice("group_type", _GROUP_TYPES, _GROUP_TYPE) != _GROUP_TYPE:
        raise Refusal(
            Code.NOT_FOUND, "There are no groups of that type here.", hint="Leave out group_type.", param="group_type"
        )
    organization_id = actor_of(request).organization_id
    return _project_group(await office.group_questions.one_of_project(organization_id, project_id, group_id))


@delete(_ONE_IN_PROJECT, status_code=200)
async def delete_project_group(
    request: Visit, office: TheOffice, project_id: FromPath[str], group_id: FromPath[str]
) -> Json:
    """Take every role in a project from a group."""
    await office.groups.remove_from_project(actor_of(request), project_id, group_id)
    return {"object": "project.group.deleted", "deleted": True}


def _group(found: Group) -> Json:
    return {
        "id": found.id,
        "name": found.name,
        "created_at": shapes.seconds(found.created_at_ms),
        "is_scim_managed": False,
        "group_type": _GROUP_TYPE,
    }


def _user(found: Member) -> Json:
    return {
        "id": found.user_id,
        "name": found.name or found.email,
        "email": found.email,
        "picture": None,
        "is_service_account": False,
        "user_type": "user",
    }


def _project_group(found: ProjectGroup) -> Json:
    return {
        "object": "project.group",
        "project_id": found.project_id,
        "group_id": found.group.id,
        "group_name": found.group.name,
        "group_type": _GROUP_TYPE,
        "created_at": shapes.seconds(found.added_at_ms),
    }


ROUTES: Final = (
    list_groups,
    create_group,
    retrieve_group,
    update_group,
    delete_group,
    list_group_users,
    create_group_user,
    retrieve_group_user,
    delete_group_user,
    list_project_groups,
    create_project_group,
    retrieve_project_group,
    delete_project_group,
)
