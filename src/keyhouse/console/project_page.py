"""`/settings/projects/{id}`: one project, who is in it and what it may; and the way back to it after a change."""

from http import HTTPStatus
from typing import Any, Final

import msgspec
from litestar import Response, get
from litestar.params import FromPath
from litestar.response import Redirect
from litestar.status_codes import HTTP_303_SEE_OTHER

from keyhouse.console.doorway import Visit, actor_of, session_of
from keyhouse.console.key_view import meter_view
from keyhouse.console.limit_view import size_of
from keyhouse.console.member_view import PROJECT_ROLE_WORDS, project_roles_here, project_roles_to_give
from keyhouse.console.members import people_seen
from keyhouse.console.pages import pages_of
from keyhouse.console.role_view import RoleMore, called, group_line, more_roles, role_line, roles_left
from keyhouse.console.settings import settings_page
from keyhouse.control.authority import Place, Task, may_at, sight_of
from keyhouse.core.authority import tasks_in
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.limit import LimitState, ScopeType
from keyhouse.reporting.member_pages import HeldBy
from keyhouse.store.grants import IN_PROJECT
from keyhouse.store.member_pages import RoleHeld
from keyhouse.store.project_members import ProjectMember
from keyhouse.store.projects import Project
from keyhouse.store.roles import Role

HERE: Final = "/settings/projects"
TOLD: Final = frozenset({Code.CONFLICT, Code.PARAMETER_INVALID})
"""What is said on the page itself."""


class PersonLine(msgspec.Struct, frozen=True):
    """Someone in a project: the roles there that could take the place of theirs, what they hold beside it, and what
    more could be given to them.
    """

    member: ProjectMember
    instead: tuple[str, ...]
    more: tuple[RoleMore, ...]
    left: tuple[Role, ...]


@get("/settings/projects/{project_id:str}")
async def show_project(request: Visit, project_id: FromPath[str]) -> Response[Any]:
    """One project."""
    return await project_page(request, project_id)


async def project_page(
    request: Visit,
    project_id: str,
    *,
    overlay: str | None = None,
    status: int = HTTPStatus.OK,
    faults: dict[str, str] | None = None,
    typed_email: str = "",
    **words: Any,
) -> Response[Any]:
    """A project with its limits, models, people and roles, and a sheet or a dialog on it if there is one. Raises
    Refusal(NOT_FOUND), also for one out of sight.
    """
    pages, session, actor = pages_of(request), session_of(request), actor_of(request)
    organization_id, times = session.organization_id, pages.times(session)
    project = await seen_project(request, project_id)
    place = Place(project_id)
    is_live = project.archived_at_ms is None
    policy = await pages.desk.project_questions.model_policy(organization_id, project_id)
    named = () if policy is None else policy.models
    states: tuple[LimitState, ...] = ()
    if may_at(actor, Task.LIMITS_READ, place):
        states = await pages.desk.limit_questions.list(organization_id, ScopeType.PROJECT, project_id)
    return await settings_page(
        request,
        "settings/project.html",
        HERE,
        overlay=overlay,
        status=status,
        faults=faults or {},
        project=project,
        made=times.day(project.created_at_ms),
        archived=times.day(project.archived_at_ms) if project.archived_at_ms is not None else "",
        may_edit=is_live and may_at(actor, Task.PROJECTS, place),
        may_limit=is_live and may_at(actor, Task.LIMITS, place) and pages.may(session, Task.LIMITS),
        may_allow=is_live and may_at(actor, Task.MODEL_PERMISSIONS, place),
        typed_email=typed_email,
        limits=[(size_of(state.limit), meter_view(state, times)) for state in states],
        mode="all" if policy is None else policy.mode,
        named=named,
        models=[*pages.desk.models(), *(name for name in named if name not in pages.desk.models())],
        keys=(await pages.desk.project_pages.counts(organization_id)).keys.get(project_id, 0),
        **await _people_and_roles(request, project),
        **await _groups(request, project),
        **words,
    )


async def _people_and_roles(request: Visit, project: Project) -> dict[str, Any]:
    """Who is in it and as what, and its own roles; of an archived one nothing can be changed."""
    actor, questions = actor_of(request), pages_of(request).desk.member_pages
    organization_id, place = actor.organization_id, Place(project.id)
    is_live = project.archived_at_ms is None
    held = tasks_in(actor.role, actor.grants, project.id)
    may_give = held if is_live else frozenset[Task]()
    found = await own_roles(request, project.id) if may_at(actor, Task.PROJECT_ROLES_READ, place) else ()
    own = tuple(one.role for one in found)
    people: tuple[ProjectMember, ...] = ()
    more: dict[str, tuple[RoleHeld, ...]] = {}
    if may_at(actor, Task.PROJECT_USERS_READ, place):
        people = await pages_of(request).desk.people_questions.of_project(organization_id, project.id)
    if people and may_at(actor, Task.PROJECT_ROLES_READ, place):
        more = await questions.held_in_project(organization_id, project.id, [one.user_id for one in people])
    return {
        "people": [
            PersonLine(
                one,
                project_roles_here(actor, project.id, one.role) if is_live else (),
                more_roles(more.get(one.user_id, ()), own, may_give),
                roles_left(more.get(one.user_id, ()), own, may_give),
            )
            for one in people
        ],
        "roles_to_give": project_roles_to_give(actor, project.id) if is_live else (),
        "role_words": PROJECT_ROLE_WORDS,
        "has_more_roles": bool(own or more),
        "own_roles": [role_line(one, may_give) for one in found],
        "may_read_roles": Task.PROJECT_ROLES_READ in held,
        "may_make_roles": Task.PROJECT_ROLES in may_give,
        "roles_at": roles_at(project.id),
        "leads_to": f"{HERE}/{project.id}",
    }


async def _groups(request: Visit, project: Project) -> dict[str, Any]:
    """Which groups hold roles in it; and which of them whoever looks may give to which group."""
    actor, questions, place = actor_of(request), pages_of(request).desk.group_questions, Place(project.id)
    if not (may_at(actor, Task.PROJECT_USERS_READ, place) and may_at(actor, Task.PROJECT_ROLES_READ, place)):
        return {"groups_here": (), "groups_to_choose": (), "group_roles": ()}
    is_live = project.archived_at_ms is None
    may_give = tasks_in(actor.role, actor.grants, project.id) if is_live else frozenset[Task]()
    found = await questions.here(actor.organization_id, project.id)
    roles = [one for one in found.roles if Task.PROJECT_ROLES in may_give and one.tasks <= may_give]
    # The one that gives most comes last: what stands first is given by whoever does not look.
    roles.sort(key=lambda one: one.id == IN_PROJECT + "owner")
    may_choose = roles and Task.GROUPS_READ in tasks_in(actor.role, actor.grants)
    return {
        "groups_here": [group_line(one, may_give) for one in found.groups],
        "groups_to_choose": await questions.list(actor.organization_id) if may_choose else (),
        "group_roles": [(one.id, called(one)) for one in roles],
    }


async def own_roles(request: Visit, project_id: str) -> tuple[HeldBy, ...]:
    """The roles that a project has made, with those who hold them and are seen."""
    actor, questions = actor_of(request), pages_of(request).desk.member_pages
    return await questions.project_roles(actor.organization_id, project_id, await people_seen(request))


def roles_at(project_id: str) -> str:
    """Where its roles are made and changed."""
    return f"{HERE}/{project_id}/roles"


async def seen_project(request: Visit, project_id: str) -> Project:
    """A project in sight; raises Refusal(NOT_FOUND)."""
    sight = sight_of(actor_of(request), Task.PROJECTS_READ)
    project = await pages_of(request).desk.project_questions.one(session_of(request).organization_id, project_id)
    if sight is not None and project_id not in sight.project_ids:
        raise Refusal(Code.NOT_FOUND, "There is no such project that you can see.", hint="Its owner can add you to it.")
    return project


async def done(
    request: Visit, project_id: str, field: str, verb: Any, *, told: frozenset[Code] = TOLD, typed_email: str = ""
) -> Response[Any]:
    """Do it and come back to the project; what it is told of stands on its page, beside this field."""
    try:
        await verb
    except Refusal as refusal:
        if refusal.code not in told:
            raise
        return await project_page(
            request,
            project_id,
            status=HTTPStatus.UNPROCESSABLE_ENTITY,
            faults={field: refusal.text},
            typed_email=typed_email,
        )
    return back_to(project_id)


def back_to(project_id: str) -> Response[Any]:
    """Lead to the project's page."""
    return Redirect(f"{HERE}/{project_id}", status_code=HTTP_303_SEE_OTHER)
