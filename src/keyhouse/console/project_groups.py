"""`/settings/projects/{id}/groups`: the roles that groups hold in a project, given and taken on its page."""

from typing import Any

from litestar import Response, post
from litestar.params import FromPath

from keyhouse.console.doorway import Visit, actor_of, read_form
from keyhouse.console.pages import pages_of
from keyhouse.console.project_page import done, seen_project


@post("/settings/projects/{project_id:str}/groups")
async def give_project_role_to_group(request: Visit, project_id: FromPath[str]) -> Response[Any]:
    """Let a group hold a role in the project, which all who are in it have then."""
    await seen_project(request, project_id)
    form = await read_form(request)
    group_id, role_id = str(form.get("group_id", "")), str(form.get("role_id", ""))
    verb = pages_of(request).desk.assignments.give_group(actor_of(request), group_id, role_id, project_id=project_id)
    return await done(request, project_id, "groups", verb)


@post("/settings/projects/{project_id:str}/groups/{group_id:str}/roles/{project_role_id:str}/remove")
async def take_project_role_from_group(
    request: Visit, project_id: FromPath[str], group_id: FromPath[str], project_role_id: FromPath[str]
) -> Response[Any]:
    """Take such a role from a group, and so from all who are in it."""
    await seen_project(request, project_id)
    verb = pages_of(request).desk.assignments.take_from_group(
        actor_of(request), group_id, project_role_id, project_id=project_id
    )
    return await done(request, project_id, "groups", verb)
