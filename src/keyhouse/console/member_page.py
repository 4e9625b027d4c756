"""`/members/{id}`: one person, what they are here, and what follows from it. It changes nothing."""

from http import HTTPStatus
from typing import Any

from litestar import Response, get
from litestar.params import FromPath

from keyhouse.console.doorway import Visit, actor_of, session_of
from keyhouse.console.member_view import (
    PROJECT_ROLE_WORDS,
    ROLE_WORDS,
    person_line,
    project_roles_here,
    project_roles_to_give,
    role_name,
    roles_to_give,
)
from keyhouse.console.members import people_seen
from keyhouse.console.pages import pages_of
from keyhouse.control.authority import Task
from keyhouse.core.authority import ORGANIZATION_ROLES, tasks_in


@get("/members/{user_id:str}")
async def show_person(request: Visit, user_id: FromPath[str]) -> Response[Any]:
    """One person."""
    return await person_page(request, user_id, overlay=None)


async def person_page(
    request: Visit, user_id: str, *, overlay: str | None, status: int = HTTPStatus.OK, fault: str = "", **words: Any
) -> Response[Any]:
    """A person's page, and a dialog on it if there is one. Raises Refusal(NOT_FOUND) for who is not here or not seen.

    `fault` says why what was asked for was not done.
    """
    pages, session, actor = pages_of(request), session_of(request), actor_of(request)
    organization_id = session.organization_id
    person, key_count = await pages.desk.member_pages.one(organization_id, user_id, await people_seen(request))
    member = person.member
    held = tasks_in(actor.role, actor.grants)
    joined = {one.project_id for one in person.projects}
    others = [one for one in await pages.desk.project_questions.list(organization_id) if one.id not in joined]
    return await pages.signed_in(
        request,
        "members/person.html",
        here="/members",
        status=status,
        overlay=overlay,
        toast=None,
        fault=fault,
        person=person_line(person, session.user_id, pages.times(session)),
        email=member.email,
        role=member.role,
        key_count=key_count,
        roles_to_give=roles_to_give(actor, member.role) if Task.USERS in held else (),
        role_words=ROLE_WORDS,
        may_remove=Task.USERS in held and ORGANIZATION_ROLES[member.role] <= held,
        may_see_entries=Task.AUDIT_LOGS_READ in held,
        project_role_words=PROJECT_ROLE_WORDS,
        joined=[(one, project_roles_here(actor, one.project_id, one.role)) for one in person.projects],
        others=[(one, roles) for one in others if (roles := project_roles_to_give(actor, one.id))],
        held=[(one, role_name(one)) for one in person.roles],
        **await _own_roles(request, {one.role_id for one in person.roles}),
        **words,
    )


async def _own_roles(request: Visit, held_ids: set[str]) -> dict[str, Any]:
    """The roles that the organization made and this person may give: those not held yet, and all."""
    pages, session, actor = pages_of(request), session_of(request), actor_of(request)
    if not pages.may(session, Task.ROLES_READ):
        return {"roles_to_add": (), "removable": frozenset(), "may_read_roles": False}
    held = tasks_in(actor.role, actor.grants)
    roles = [one.role for one in await pages.desk.member_pages.roles(session.organization_id)]
    within = [role for role in roles if Task.ROLES in held and role.tasks <= held]
    return {
        "roles_to_add": [role for role in within if role.id not in held_ids and not role.is_predefined],
        "removable": frozenset(role.id for role in within),
        "may_read_roles": True,
    }
