"""Pages that change what someone is here. Each change answers with a redirect to the page that shows it, and what is
refused comes back on that page with why.
"""

from collections.abc import Awaitable
from http import HTTPStatus
from typing import Any, Final

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect
from litestar.status_codes import HTTP_303_SEE_OTHER

from keyhouse.console.doorway import Visit, actor_of, read_form
from keyhouse.console.member_page import person_page
from keyhouse.console.pages import pages_of
from keyhouse.core.errors import Code, Refusal

_TOLD: Final = frozenset({Code.CONFLICT, Code.PARAMETER_INVALID, Code.NOT_PERMITTED})
"""What is said on the person's own page."""


@post("/members/{user_id:str}/role")
async def change_role(request: Visit, user_id: FromPath[str]) -> Response[Any]:
    """Give someone another role in the organization."""
    role = str((await read_form(request)).get("role", ""))
    return await _done(request, user_id, pages_of(request).desk.people.update(actor_of(request), user_id, role))


@post("/members/{user_id:str}/projects")
async def join_project(request: Visit, user_id: FromPath[str]) -> Response[Any]:
    """Make someone a member of a project."""
    form = await read_form(request)
    project_id, role = str(form.get("project", "")), str(form.get("role", ""))
    people = pages_of(request).desk.people
    return await _done(request, user_id, people.add_to_project(actor_of(request), project_id, role, user_id=user_id))


@post("/members/{user_id:str}/projects/{project_id:str}")
async def change_project_role(request: Visit, user_id: FromPath[str], project_id: FromPath[str]) -> Response[Any]:
    """Give someone another role in a project."""
    role = str((await read_form(request)).get("role", ""))
    people = pages_of(request).desk.people
    verb = people.update_in_project(actor_of(request), project_id, user_id, role)
    return await _done(request, user_id, verb, leads_to=await _back(request, project_id))


@post("/members/{user_id:str}/projects/{project_id:str}/remove")
async def leave_project(request: Visit, user_id: FromPath[str], project_id: FromPath[str]) -> Response[Any]:
    """Take someone out of a project."""
    people = pages_of(request).desk.people
    verb = people.remove_from_project(actor_of(request), project_id, user_id)
    return await _done(request, user_id, verb, leads_to=await _back(request, project_id))


@post("/members/{user_id:str}/roles")
async def give_role(request: Visit, user_id: FromPath[str]) -> Response[Any]:
    """Give someone a role that the organization made."""
    role_id = str((await read_form(request)).get("role_id", ""))
    return await _done(
        request, user_id, pages_of(request).desk.assignments.give_user(actor_of(request), user_id, role_id)
    )


@post("/members/{user_id:str}/roles/{role_id:str}/remove")
async def take_role(request: Visit, user_id: FromPath[str], role_id: FromPath[str]) -> Response[Any]:
    """Take such a role from someone."""
    return await _done(
        request, user_id, pages_of(request).desk.assignments.take_from_user(actor_of(request), user_id, role_id)
    )


@get("/members/{user_id:str}/remove")
async def show_remove(request: Visit, user_id: FromPath[str]) -> Response[Any]:
    """The question whether to take someone out, with what happens to their keys."""
    return await person_page(request, user_id, overlay="members/remove.html")


@post("/members/{user_id:str}/remove")
async def remove_person(request: Visit, user_id: FromPath[str]) -> Response[Any]:
    """Take someone out of the organization, at once."""
    return await _done(
        request, user_id, pages_of(request).desk.people.remove(actor_of(request), user_id), leads_to="/members"
    )


async def _done(request: Visit, user_id: str, verb: Awaitable[object], *, leads_to: str = "") -> Response[Any]:
    try:
        await verb
    except Refusal as refusal:
        if refusal.code not in _TOLD:
            raise
        status = HTTPStatus.FORBIDDEN if refusal.code is Code.NOT_PERMITTED else HTTPStatus.UNPROCESSABLE_ENTITY
        return await person_page(request, user_id, overlay=None, status=status, fault=refusal.text)
    return Redirect(leads_to or f"/members/{user_id}", status_code=HTTP_303_SEE_OTHER)


async def _back(request: Visit, project_id: str) -> str:
    """The project's page, for what was sent from there."""
    return f"/settings/projects/{project_id}" if (await read_form(request)).get("from") == "project" else ""
