"""`/members/groups`: people who hold roles together; made, filled, given roles, deleted, at once."""

from collections.abc import Awaitable
from http import HTTPStatus
from typing import Any, Final

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect
from litestar.status_codes import HTTP_303_SEE_OTHER

from keyhouse.console.doorway import Visit, actor_of, read_form, session_of
from keyhouse.console.members import people_seen
from keyhouse.console.pages import pages_of
from keyhouse.console.role_view import called
from keyhouse.control.authority import Task, sight_of
from keyhouse.core.authority import tasks_in
from keyhouse.core.errors import Code, Refusal
from keyhouse.reporting.member_pages import MemberQuery
from keyhouse.store.roles import Role

HERE: Final = "/members/groups"
_TOLD: Final = frozenset({Code.CONFLICT, Code.PARAMETER_INVALID, Code.NOT_PERMITTED})
_OFFERED_MAX: Final = 1_000


@get("/members/groups")
async def show_groups(request: Visit) -> Response[Any]:
    """Every group."""
    return await groups_page(request, overlay=None)


async def groups_page(
    request: Visit, *, overlay: str | None, status: int = HTTPStatus.OK, **words: Any
) -> Response[Any]:
    """The list, and a dialog on it if there is one."""
    pages, session = pages_of(request), session_of(request)
    organization_id, questions = session.organization_id, pages.desk.group_questions
    groups = [
        (group, await questions.users(organization_id, group.id)) for group in await questions.list(organization_id)
    ]
    return await pages.signed_in(
        request,
        "members/groups.html",
        here="/members",
        status=status,
        overlay=overlay,
        toast=None,
        groups=groups,
        may_edit=pages.may(session, Task.GROUPS),
        may_read_roles=pages.may(session, Task.ROLES_READ),
        **words,
    )


@get("/members/groups/new")
async def show_new_group(request: Visit) -> Response[Any]:
    """The dialog of a new group."""
    return await groups_page(request, overlay="members/new_group.html", typed="", fault="")


@post("/members/groups")
async def create_group(request: Visit) -> Response[Any]:
    """Make a group, with nobody in it."""
    name = str((await read_form(request)).get("name", ""))
    try:
        made = await pages_of(request).desk.groups.create(actor_of(request), name)
    except Refusal as refusal:
        if refusal.code not in (Code.CONFLICT, Code.PARAMETER_INVALID):
            raise
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        return await groups_page(
            request, overlay="members/new_group.html", status=status, typed=name, fault=refusal.text
        )
    return Redirect(f"{HERE}/{made.id}", status_code=HTTP_303_SEE_OTHER)


@get("/members/groups/{group_id:str}")
async def show_group(request: Visit, group_id: FromPath[str]) -> Response[Any]:
    """One group."""
    return await group_page(request, group_id, overlay=None)


async def group_page(
    request: Visit, group_id: str, *, overlay: str | None, status: int = HTTPStatus.OK, fault: str = ""
) -> Response[Any]:
    """A group with its people and roles, and a dialog on it if there is one; raises Refusal(NOT_FOUND)."""
    pages, session, desk = pages_of(request), session_of(request), pages_of(request).desk
    organization_id, actor = session.organization_id, actor_of(request)
    group = await desk.group_questions.one(organization_id, group_id)
    users = await desk.group_questions.users(organization_id, group_id)
    inside = {user.user_id for user in users}
    sight = sight_of(actor, Task.PROJECTS_READ)
    may_edit = pages.may(session, Task.GROUPS)
    everybody = (
        await desk.member_pages.page(organization_id, MemberQuery(limit=_OFFERED_MAX, sight=await people_seen(request)))
        if may_edit
        else None
    )
    held = await desk.member_pages.roles_of_group(organization_id, group_id)
    can = tasks_in(actor.role, actor.grants)
    roles: list[Role] = []
    if Task.ROLES in can:
        known = [one.role for one in await desk.member_pages.roles(organization_id)]
        roles = [role for role in known if role.tasks <= can and role.id not in {one.id for one in held}]
    return await pages.signed_in(
        request,
        "members/group.html",
        here="/members",
        status=status,
        overlay=overlay,
        toast=None,
        fault=fault,
        group=group,
        users=users,
        others=[one.member for one in everybody.rows if one.member.user_id not in inside] if everybody else [],
        held=[(role, called(role), Task.ROLES in can and role.tasks <= can) for role in held],
        roles=[(role, called(role)) for role in roles if not role.is_predefined],
        in_projects=[
            (project, ", ".join(map(called, there)))
            for project, there in await desk.group_questions.in_projects(organization_id, group_id)
            if sight is None or project.id in sight.project_ids
        ],
        may_edit=may_edit,
    )


@post("/members/groups/{group_id:str}")
async def rename_group(request: Visit, group_id: FromPath[str]) -> Response[Any]:
    """Give a group another name."""
    name = str((await read_form(request)).get("name", ""))
    return await _done(request, group_id, pages_of(request).desk.groups.update(actor_of(request), group_id, name))


@post("/members/groups/{group_id:str}/people")
async def add_person(request: Visit, group_id: FromPath[str]) -> Response[Any]:
    """Put someone into a group."""
    user_id = str((await read_form(request)).get("person", ""))
    return await _done(request, group_id, pages_of(request).desk.groups.add_user(actor_of(request), group_id, user_id))


@post("/members/groups/{group_id:str}/people/{user_id:str}/remove")
async def remove_from_group(request: Visit, group_id: FromPath[str], user_id: FromPath[str]) -> Response[Any]:
    """Take someone out of a group."""
    verb = pages_of(request).desk.groups.remove_user(actor_of(request), group_id, user_id)
    return await _done(request, group_id, verb)


@post("/members/groups/{group_id:str}/roles")
async def give_group_role(request: Visit, group_id: FromPath[str]) -> Response[Any]:
    """Give a group a role, which all who are in it have then."""
    role_id = str((await read_form(request)).get("role_id", ""))
    verb = pages_of(request).desk.assignments.give_group(actor_of(request), group_id, role_id)
    return await _done(request, group_id, verb)


@post("/members/groups/{group_id:str}/roles/{role_id:str}/remove")
async def take_group_role(request: Visit, group_id: FromPath[str], role_id: FromPath[str]) -> Response[Any]:
    """Take a role from a group."""
    verb = pages_of(request).desk.assignments.take_from_group(actor_of(request), group_id, role_id)
    return await _done(request, group_id, verb)


@get("/members/groups/{group_id:str}/delete")
async def show_delete_group(request: Visit, group_id: FromPath[str]) -> Response[Any]:
    """The question whether to delete a group."""
    return await group_page(request, group_id, overlay="members/delete_group.html")


@post("/members/groups/{group_id:str}/delete")
async def delete_group(request: Visit, group_id: FromPath[str]) -> Response[Any]:
    """Take a group away, and its roles from all who are in it."""
    verb = pages_of(request).desk.groups.delete(actor_of(request), group_id)
    return await _done(request, group_id, verb, leads_to=HERE)


async def _done(request: Visit, group_id: str, verb: Awaitable[object], *, leads_to: str = "") -> Response[Any]:
    try:
        await verb
    except Refusal as refusal:
        if refusal.code not in _TOLD or not pages_of(request).may(session_of(request), Task.GROUPS_READ):
            raise
        status = HTTPStatus.FORBIDDEN if refusal.code is Code.NOT_PERMITTED else HTTPStatus.UNPROCESSABLE_ENTITY
        return await group_page(request, group_id, overlay=None, status=status, fault=refusal.text)
    return Redirect(leads_to or f"{HERE}/{group_id}", status_code=HTTP_303_SEE_OTHER)
