"""`/projects`: list, create, retrieve, update, archive."""

import msgspec
from litestar import get, post
from litestar.params import FromPath
from msgspec import UNSET, UnsetType

from keyhouse.admin import shapes
from keyhouse.admin.bodies import read
from keyhouse.admin.door import Visit, actor_of
from keyhouse.admin.office import TheOffice
from keyhouse.admin.policy import ROOT
from keyhouse.admin.queries import query_of
from keyhouse.admin.shapes import Json
from keyhouse.control.authority import Task, sight_of


class NewProject(msgspec.Struct):
    """What a project is created from. OpenAI's clients also send where data shall live; that is ignored."""

    name: str
    external_key_id: str | None = None


class ProjectChange(msgspec.Struct):
    """What to change of a project; a name of null changes nothing, as at OpenAI."""

    name: str | UnsetType | None = UNSET
    external_key_id: str | UnsetType | None = UNSET


@get(f"{ROOT}/projects")
async def list_projects(request: Visit, office: TheOffice) -> Json:
    """The projects that the asker sees, oldest first."""
    query, actor = query_of(request), actor_of(request)
    limit, after = query.page_limit(), query.text("after")
    found = await office.project_questions.list(
        actor.organization_id,
        query.boolean("include_archived") or False,
        sight=sight_of(actor, Task.PROJECTS_READ),
        mark=after,
    )
    rows, has_more = shapes.page_behind(found, lambda row: row.id, after, limit)
    return shapes.page([shapes.project(row) for row in rows], has_more=has_more)


@post(f"{ROOT}/projects", status_code=200)
async def create_project(request: Visit, office: TheOffice) -> Json:
    """A new project."""
    body = await read(request, NewProject)
    return shapes.project(await office.projects.create(actor_of(request), body.name, body.external_key_id))


@get(f"{ROOT}/projects/{{project_id:str}}")
async def retrieve_project(request: Visit, office: TheOffice, project_id: FromPath[str]) -> Json:
    """One project, also an archived one."""
    return shapes.project(await office.project_questions.one(actor_of(request).organization_id, project_id))


@post(f"{ROOT}/projects/{{project_id:str}}", status_code=200)
async def update_project(request: Visit, office: TheOffice, project_id: FromPath[str]) -> Json:
    """Rename a project."""
    body = await read(request, ProjectChange)
    name = UNSET if body.name is None else body.name
    return shapes.project(await office.projects.update(actor_of(request), project_id, name, body.external_key_id))


@post(f"{ROOT}/projects/{{project_id:str}}/archive", status_code=200)
async def archive_project(request: Visit, office: TheOffice, project_id: FromPath[str]) -> Json:
    """Archive a project for good; its keys are dead at once."""
    return shapes.project(await office.projects.archive(actor_of(request), project_id))
