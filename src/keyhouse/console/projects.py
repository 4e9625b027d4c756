"""`/settings/projects`: projects, made, renamed, archived, and which models each may use."""

from http import HTTPStatus
from typing import Any

from litestar import Response, get, post
from litestar.params import FromPath

from keyhouse.console.doorway import Visit, actor_of, read_form, session_of
from keyhouse.console.pages import pages_of
from keyhouse.console.project_page import HERE, TOLD, back_to, done, project_page, seen_project
from keyhouse.console.settings import settings_page
from keyhouse.control.authority import Task, may_at, sight_of
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.key import ALLOW_LIST, DENY_LIST


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
        if refusal.code not in TOLD:
            raise
        return await projects_page(
            request,
            overlay="settings/new_project.html",
            status=HTTPStatus.UNPROCESSABLE_ENTITY,
            typed=name,
            fault=refusal.text,
        )
    return back_to(made.id)


@post("/settings/projects/{project_id:str}")
async def rename_project(request: Visit, project_id: FromPath[str]) -> Response[Any]:
    """Give a project another name."""
    await seen_project(request, project_id)
    name = str((await read_form(request)).get("name", ""))
    verb = pages_of(request).desk.projects.update(actor_of(request), project_id, name)
    return await done(request, project_id, "project-name", verb)


@post("/settings/projects/{project_id:str}/models")
async def allow_models(request: Visit, project_id: FromPath[str]) -> Response[Any]:
    """Say which models a project may use: all, some, or all but some."""
    await seen_project(request, project_id)
    desk, form = pages_of(request).desk, await read_form(request)
    mode, models = str(form.get("mode", "")), [str(one) for one in form.getall("model", [])]
    if mode in (ALLOW_LIST, DENY_LIST):
        verb: Any = desk.model_permissions.set(actor_of(request), project_id, mode, models)
    elif await desk.project_questions.model_policy(session_of(request).organization_id, project_id) is None:
        return back_to(project_id)
    else:
        verb = desk.model_permissions.delete(actor_of(request), project_id)
    return await done(request, project_id, "models", verb)


@post("/settings/projects/{project_id:str}/people")
async def add_to_project(request: Visit, project_id: FromPath[str]) -> Response[Any]:
    """Make somebody of the organization, named by e-mail, a member of the project."""
    await seen_project(request, project_id)
    form = await read_form(request)
    email, role = str(form.get("email", "")).strip(), str(form.get("role", ""))
    verb = pages_of(request).desk.people.add_to_project(actor_of(request), project_id, role, email=email)
    # The project is seen: what is not found is the person.
    return await done(request, project_id, "email", verb, told=TOLD | {Code.NOT_FOUND}, typed_email=email)


@get("/settings/projects/{project_id:str}/archive")
async def show_archive(request: Visit, project_id: FromPath[str]) -> Response[Any]:
    """The question whether to archive a project, for good."""
    return await project_page(request, project_id, overlay="settings/archive.html")


@post("/settings/projects/{project_id:str}/archive")
async def archive_project(request: Visit, project_id: FromPath[str]) -> Response[Any]:
    """Archive a project: its keys are dead at once."""
    await seen_project(request, project_id)
    verb = pages_of(request).desk.projects.archive(actor_of(request), project_id)
    return await done(request, project_id, "archive", verb)
