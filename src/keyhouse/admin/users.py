"""`/users` and `/projects/{p}/users`: OpenAI's list, retrieve, update and delete, and adding to a project."""

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
from keyhouse.core.errors import Code, Refusal
from keyhouse.store.grants import IN_ORGANIZATION
from keyhouse.store.people import Member
from keyhouse.store.project_members import ProjectMember

_USERS: Final = f"{ROOT}/users"
_USER: Final = f"{_USERS}/{{user_id:str}}"
_MEMBERS: Final = f"{ROOT}/projects/{{project_id:str}}/users"
_MEMBER: Final = f"{_MEMBERS}/{{user_id:str}}"
_KIND: Final = "organization.user"
_MEMBER_KIND: Final = "organization.project.user"


class UserChange(msgspec.Struct):
    """What to change of a user; without a role nothing is.

    `role` is what they are in the organization; `role_id` the same by its id, or a role that they get beside it.
    """

    role: str | None = None
    role_id: str | None = None


class MemberChange(msgspec.Struct):
    """What to change of a project's user; without a role nothing is."""

    role: str | None = None


class NewMember(msgspec.Struct):
    """Who is added to a project, by id or by e-mail address, and as what."""

    role: str
    user_id: str | None = None
    email: str | None = None


@get(_USERS)
async def list_users(request: Visit, office: TheOffice) -> Json:
    """The organization's users, by name; those of some addresses with `emails`."""
    query = query_of(request)
    limit, after, emails = query.page_limit(), query.text("after"), query.many("emails")
    found = await office.people_questions.list(actor_of(request).organization_id, mark=after)
    wanted = [row for row in found if not emails or row.email in {email.lower() for email in emails}]
    rows, has_more = shapes.page_behind(wanted, lambda row: row.user_id, after, limit)
    return shapes.page([user(row) for row in rows], has_more=has_more)


@get(_USER)
async def retrieve_user(request: Visit, office: TheOffice, user_id: FromPath[str]) -> Json:
    """One user."""
    return user(await office.people_questions.one(actor_of(request).organization_id, user_id))


@post(_USER, status_code=200)
async def update_user(request: Visit, office: TheOffice, user_id: FromPath[str]) -> Json:
    """Give a user another role in the organization, or one of its own roles beside it."""
    body, actor = await read(request, UserChange), actor_of(request)
    if body.role is not None and body.role_id is not None:
        raise Refusal(
            Code.PARAMETER_INVALID, "The body names two roles.", hint="Send role or role_id, not both.", param="role_id"
        )
    if body.role_id is not None and not body.role_id.startswith(IN_ORGANIZATION):
        member, _ = await office.assignments.give_user(actor, user_id, body.role_id)
        return user(member)
    role = body.role if body.role_id is None else body.role_id.removeprefix(IN_ORGANIZATION)
    if role is None:
        return user(await office.people_questions.one(actor.organization_id, user_id))
    return user(await office.people.update(actor, user_id, role))


@delete(_USER, status_code=200)
async def delete_user(request: Visit, office: TheOffice, user_id: FromPath[str]) -> Json:
    """Take a user out of the organization; their sessions and keys end at once."""
    await office.people.remove(actor_of(request), user_id)
    return shapes.deleted(_KIND, user_id)


@get(_MEMBERS)
async def list_project_users(request: Visit, office: TheOffice, project_id: FromPath[str]) -> Json:
    """A project's users, by name."""
    query = query_of(request)
    limit, after = query.page_limit(), query.text("after")
    found = await office.people_questions.of_project(actor_of(request).organization_id, project_id, mark=after)
    rows, has_more = shapes.page_behind(found, lambda row: row.user_id, after, limit)
    return shapes.page([_member(row) for row in rows], has_more=has_more)


@post(_MEMBERS, status_code=200)
async def create_project_user(request: Visit, office: TheOffice, project_id: FromPath[str]) -> Json:
    """Add a user of the organization to a project."""
    body = await read(request, NewMember)
    return _member(
        await office.people.add_to_project(
            actor_of(request), project_id, body.role, user_id=body.user_id, email=body.email
        )
    )


@get(_MEMBER)
async def retrieve_project_user(
    request: Visit, office: TheOffice, project_id: FromPath[str], user_id: FromPath[str]
) -> Json:
    """One user of a project."""
    organization_id = actor_of(request).organization_id
    return _member(await office.people_questions.one_of_project(organization_id, project_id, user_id))


@post(_MEMBER, status_code=200)
async def update_project_user(
    request: Visit, office: TheOffice, project_id: FromPath[str], user_id: FromPath[str]
) -> Json:
    """Give a project's user another role in it."""
    body, actor = await read(request, MemberChange), actor_of(request)
    if body.role is None:
        return _member(await office.people_questions.one_of_project(actor.organization_id, project_id, user_id))
    return _member(await office.people.update_in_project(actor, project_id, user_id, body.role))


@delete(_MEMBER, status_code=200)
async def delete_project_user(
    request: Visit, office: TheOffice, project_id: FromPath[str], user_id: FromPath[str]
) -> Json:
    """Take a user out of a project; their keys there stop working at once."""
    await office.people.remove_from_project(actor_of(request), project_id, user_id)
    return shapes.deleted(_MEMBER_KIND, user_id)


def user(found: Member) -> Json:
    """A user of the organization."""
    return {
        "object": _KIND,
        "id": found.user_id,
        "name": found.name or found.email,
        "email": found.email,
        "role": found.role,
        "added_at": shapes.seconds(found.added_at_ms),
    }


def _member(found: ProjectMember) -> Json:
    return {
        "object": _MEMBER_KIND,
        "id": found.user_id,
        "name": found.name or found.email,
        "email": found.email,
        "role": found.role,
        "added_at": shapes.seconds(found.added_at_ms),
    }


ROUTES: Final = (
    list_users,
    retrieve_user,
    update_user,
    delete_user,
    list_project_users,
    create_project_user,
    retrieve_project_user,
    update_project_user,
    delete_project_user,
)
