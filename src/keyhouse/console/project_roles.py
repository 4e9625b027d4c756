"""`/settings/projects/{id}/roles`: roles that a project has made for itself, and who in it holds them; on its page."""

from http import HTTPStatus
from typing import Any

from litestar import Response, get, post
from litestar.params import FromPath

from keyhouse.console.doorway import Visit, actor_of, read_form
from keyhouse.console.pages import pages_of
from keyhouse.console.project_page import back_to, done, own_roles, project_page, seen_project
from keyhouse.console.role_form import Typed, faults_of, permissions_of, read_typed, things, typed_of
from keyhouse.console.role_view import role_among
from keyhouse.control.authority import Place, Task, require
from keyhouse.control.grantors import Lacking
from keyhouse.core.authority import tasks_in
from keyhouse.core.errors import Refusal
from keyhouse.reporting.member_pages import HeldBy
from keyhouse.store.roles import Role


@get("/settings/projects/{project_id:str}/roles/new")
async def show_new_project_role(request: Visit, project_id: FromPath[str]) -> Response[Any]:
    """The sheet of a new role."""
    await _admit(request, project_id)
    return await _sheet(request, project_id, None, Typed(), {}, HTTPStatus.OK)


@post("/settings/projects/{project_id:str}/roles")
async def create_project_role(request: Visit, project_id: FromPath[str]) -> Response[Any]:
    """Make a role for this project."""
    await _admit(request, project_id)
    typed = read_typed(await read_form(request))
    verb = pages_of(request).desk.roles.create(
        actor_of(request), typed.name, permissions_of(typed), typed.description, project_id=project_id
    )
    return await _saved(request, project_id, None, typed, verb)


@get("/settings/projects/{project_id:str}/roles/{project_role_id:str}/edit")
async def show_edit_project_role(
    request: Visit, project_id: FromPath[str], project_role_id: FromPath[str]
) -> Response[Any]:
    """The sheet, as the role is now."""
    await _admit(request, project_id)
    role = (await _found(request, project_id, project_role_id)).role
    typed = typed_of(role.name, role.description, role.permissions)
    return await _sheet(request, project_id, role, typed, {}, HTTPStatus.OK)


@post("/settings/projects/{project_id:str}/roles/{project_role_id:str}/edit")
async def edit_project_role(request: Visit, project_id: FromPath[str], project_role_id: FromPath[str]) -> Response[Any]:
    """Change a role for all who hold it, at once."""
    await _admit(request, project_id)
    typed = read_typed(await read_form(request))
    role = (await _found(request, project_id, project_role_id)).role
    verb = pages_of(request).desk.roles.update(
        actor_of(request), project_role_id, typed.name, permissions_of(typed), typed.description, project_id=project_id
    )
    return await _saved(request, project_id, role, typed, verb)


@get("/settings/projects/{project_id:str}/roles/{project_role_id:str}/delete")
async def show_delete_project_role(
    request: Visit, project_id: FromPath[str], project_role_id: FromPath[str]
) -> Response[Any]:
    """The question whether to take a role away from everybody."""
    await _admit(request, project_id)
    found = await _found(request, project_id, project_role_id)
    return await project_page(
        request,
        project_id,
        overlay="members/delete_role.html",
        role=found.role,
        had_by=len(found.holders) + found.unseen,
    )


@post("/settings/projects/{project_id:str}/roles/{project_role_id:str}/delete")
async def delete_project_role(
    request: Visit, project_id: FromPath[str], project_role_id: FromPath[str]
) -> Response[Any]:
    """Take a role away, from everybody who holds it."""
    await _admit(request, project_id)
    await pages_of(request).desk.roles.delete(actor_of(request), project_role_id, project_id=project_id)
    return back_to(project_id)


@post("/settings/projects/{project_id:str}/people/{user_id:str}/roles")
async def give_project_role(request: Visit, project_id: FromPath[str], user_id: FromPath[str]) -> Response[Any]:
    """Let someone in the project hold one of its roles, too."""
    await seen_project(request, project_id)
    role_id = str((await read_form(request)).get("role_id", ""))
    verb = pages_of(request).desk.assignments.give_user(actor_of(request), user_id, role_id, project_id=project_id)
    return await done(request, project_id, "people", verb)


@post("/settings/projects/{project_id:str}/people/{user_id:str}/roles/{project_role_id:str}/remove")
async def take_project_role(
    request: Visit, project_id: FromPath[str], user_id: FromPath[str], project_role_id: FromPath[str]
) -> Response[Any]:
    """Take such a role from someone."""
    await seen_project(request, project_id)
    verb = pages_of(request).desk.assignments.take_from_user(
        actor_of(request), user_id, project_role_id, project_id=project_id
    )
    return await done(request, project_id, "people", verb)


async def _admit(request: Visit, project_id: str) -> None:
    """Go on only where this person may change the project's roles: what is refused then is in the form."""
    await seen_project(request, project_id)
    try:
        require(actor_of(request), Task.PROJECT_ROLES, Place(project_id))
    except Lacking as lacking:
        raise await pages_of(request).desk.naming_owners(lacking) from None


async def _found(request: Visit, project_id: str, role_id: str) -> HeldBy:
    return role_among(await own_roles(request, project_id), role_id)


async def _saved(request: Visit, project_id: str, role: Role | None, typed: Typed, verb: Any) -> Response[Any]:
    try:
        await verb
    except Refusal as refusal:
        faults = faults_of(refusal)
        return await _sheet(request, project_id, role, typed, faults, HTTPStatus.UNPROCESSABLE_ENTITY)
    return back_to(project_id)


async def _sheet(
    request: Visit, project_id: str, role: Role | None, typed: Typed, told: dict[str, str], status: int
) -> Response[Any]:
    actor = actor_of(request)
    return await project_page(
        request,
        project_id,
        overlay="members/role.html",
        status=status,
        faults=told,
        role=role,
        typed=typed,
        groups=things(tasks_in(actor.role, actor.grants, project_id), in_project=True),
        given_at="Give it in the list of people.",
    )
