"""`/settings/projects`: projects, made, renamed, archived, and which models each may use."""

from http import HTTPStatus
from typing import Any, Final

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect
from litestar.status_codes import HTTP_303_SEE_OTHER

from keyhouse.console.doorway import Visit, actor_of, read_form, session_of
from keyhouse.console.key_view import meter_view
from keyhouse.console.limit_view import size_of
from keyhouse.console.member_view import PROJECT_ROLE_WORDS, project_roles_here, project_roles_to_give
from keyhouse.console.pages import pages_of
from keyhouse.console.settings import settings_page
from keyhouse.control.authority import Place, Task, may_at, sight_of
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.key import ALLOW_LIST, DENY_LIST
from keyhouse.core.limit import LimitState, ScopeType
from keyhouse.store.project_members import ProjectMember
from keyhouse.store.projects import Project

HERE: Final = "/settings/projects"
_TOLD: Final = frozenset({Code.CONFLICT, Code.PARAMETER_INVALID})


@get("/settings/projects")
async def show_projects(request: Visit) -> Response[Any]:
    """Every project in sight, archived ones last."""
    return await projects_page(request, overlay=None)


async def projects_page(
    request: Visit, *, overlay: str | None, status: int = HTTPStatus.OK, **words: Any
) -> Response[Any]:
    """The list, and a sheet on it if there is one."""
    pages, session, actor = pages_of(request), session_of(request), actor_of(request)
    times = pages.times(session)
    sight = sight_of(actor, Task.PROJECTS_READ)
    found = await pages.desk.project_questions.list(session.organization_id, include_archived=True, sight=sight)
    counted = await pages.desk.project_pages.counts(session.organization_id)
    return await settings_page(
        request,
        "settings/projects.html",
        HERE,
        overlay=overlay,
        status=status,
        projects=[
            (one, counted.people.get(one.id, 0), counted.keys.get(one.id, 0), times.short_day(one.created_at_ms))
            for one in sorted(found, key=lambda one: one.archived_at_ms is not None)
        ],
        may_make=may_at(actor, Task.PROJECTS),
        sees_all=sight is None,
        **words,
    )


@get("/settings/projects/new")
async def show_new_project(request: Visit) -> Response[Any]:
    """The dialog of a new project."""
    return await projects_page(request, overlay="settings/new_project.html", typed="", fault="")


@post("/settings/projects")
async def create_project(request: Visit) -> Response[Any]:
    """Make a project, of which its maker is an owner."""
    name = str((await read_form(request)).get("name", ""))
    try:
        made = await pages_of(request).desk.projects.create(actor_of(request), name)
    except Refusal as refusal:
        if refusal.code not in _TOLD:
            raise
        return await projects_page(
            request,
            overlay="settings/new_project.html",
            status=HTTPStatus.UNPROCESSABLE_ENTITY,
            typed=name,
            fault=refusal.text,
        )
    return _to(made.id)


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
) -> Response[Any]:
    """A project with its people, limits and models. Raises Refusal(NOT_FOUND), also for one out of sight."""
    pages, session, actor = pages_of(request), session_of(request), actor_of(request)
    organization_id, times = session.organization_id, pages.times(session)
    project = await _seen(request, project_id)
    place = Place(project_id)
    is_live = project.archived_at_ms is None
    policy = await pages.desk.project_questions.model_policy(organization_id, project_id)
    named = () if policy is None else policy.models
    states: tuple[LimitState, ...] = ()
    if may_at(actor, Task.LIMITS_READ, place):
        states = await pages.desk.limit_questions.list(organization_id, ScopeType.PROJECT, project_id)
    people: tuple[ProjectMember, ...] = ()
    if may_at(actor, Task.PROJECT_USERS_READ, place):
        people = await pages.desk.people_questions.of_project(organization_id, project_id)
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
        people=[(one, project_roles_here(actor, project_id, one.role) if is_live else ()) for one in people],
        roles_to_give=project_roles_to_give(actor, project_id) if is_live else (),
        role_words=PROJECT_ROLE_WORDS,
        typed_email=typed_email,
        limits=[(size_of(state.limit), meter_view(state, times)) for state in states],
        mode="all" if policy is None else policy.mode,
        named=named,
        models=[*pages.desk.models(), *(name for name in named if name not in pages.desk.models())],
        keys=(await pages.desk.project_pages.counts(organization_id)).keys.get(project_id, 0),
    )


@post("/settings/projects/{project_id:str}")
async def rename_project(request: Visit, project_id: FromPath[str]) -> Response[Any]:
    """Give a project another name."""
    await _seen(request, project_id)
    name = str((await read_form(request)).get("name", ""))
    verb = pages_of(request).desk.projects.update(actor_of(request), project_id, name)
    return await _done(request, project_id, "name", verb)


@post("/settings/projects/{project_id:str}/models")
async def allow_models(request: Visit, project_id: FromPath[str]) -> Response[Any]:
    """Say which models a project may use: all, some, or all but some."""
    await _seen(request, project_id)
    desk, form = pages_of(request).desk, await read_form(request)
    mode, models = str(form.get("mode", "")), [str(one) for one in form.getall("model", [])]
    if mode in (ALLOW_LIST, DENY_LIST):
        verb: Any = desk.model_permissions.set(actor_of(request), project_id, mode, models)
    elif await desk.project_questions.model_policy(session_of(request).organization_id, project_id) is None:
        return _to(project_id)
    else:
        verb = desk.model_permissions.delete(actor_of(request), project_id)
    return await _done(request, project_id, "models", verb)


@post("/settings/projects/{project_id:str}/people")
async def add_to_project(request: Visit, project_id: FromPath[str]) -> Response[Any]:
    """Make somebody of the organization, named by e-mail, a member of the project."""
    await _seen(request, project_id)
    form = await read_form(request)
    email, role = str(form.get("email", "")).strip(), str(form.get("role", ""))
    verb = pages_of(request).desk.people.add_to_project(actor_of(request), project_id, role, email=email)
    # The project is seen: what is not found is the person.
    return await _done(request, project_id, "email", verb, told=_TOLD | {Code.NOT_FOUND}, typed_email=email)


@get("/settings/projects/{project_id:str}/archive")
async def show_archive(request: Visit, project_id: FromPath[str]) -> Response[Any]:
    """The question whether to archive a project, for good."""
    return await project_page(request, project_id, overlay="settings/archive.html")


@post("/settings/projects/{project_id:str}/archive")
async def archive_project(request: Visit, project_id: FromPath[str]) -> Response[Any]:
    """Archive a project: its keys are dead at once."""
    await _seen(request, project_id)
    verb = pages_of(request).desk.projects.archive(actor_of(request), project_id)
    return await _done(request, project_id, "archive", verb)


async def _seen(request: Visit, project_id: str) -> Project:
    """A project in sight; raises Refusal(NOT_FOUND)."""
    sight = sight_of(actor_of(request), Task.PROJECTS_READ)
    project = await pages_of(request).desk.project_questions.one(session_of(request).organization_id, project_id)
    if sight is not None and project_id not in sight.project_ids:
        raise Refusal(Code.NOT_FOUND, "There is no such project that you can see.", hint="Its owner can add you to it.")
    return project


async def _done(
    request: Visit, project_id: str, field: str, verb: Any, *, told: frozenset[Code] = _TOLD, typed_email: str = ""
) -> Response[Any]:
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
    return _to(project_id)


def _to(project_id: str) -> Response[Any]:
    return Redirect(f"{HERE}/{project_id}", status_code=HTTP_303_SEE_OTHER)
