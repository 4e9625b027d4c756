"""Roles: those that are always there, those the organization made, and who holds them."""

from http import HTTPStatus
from typing import Any, Final

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect
from litestar.status_codes import HTTP_303_SEE_OTHER

from keyhouse.console.doorway import Visit, actor_of, read_form, session_of
from keyhouse.console.pages import pages_of
from keyhouse.console.role_form import Typed, faults_of, permissions_of, read_typed, things, typed_of
from keyhouse.console.role_view import role_among, role_line
from keyhouse.control.authority import Task
from keyhouse.core.authority import Tasks, tasks_in
from keyhouse.core.errors import Refusal
from keyhouse.reporting.member_pages import HeldBy
from keyhouse.store.roles import Role

HERE: Final = "/members/roles"


def _held(request: Visit) -> Tasks:
    actor = actor_of(request)
    return tasks_in(actor.role, actor.grants)


@get("/members/roles")
async def show_roles(request: Visit) -> Response[Any]:
    """Every role."""
    return await roles_page(request, overlay=None)


async def roles_page(
    request: Visit, *, overlay: str | None, status: int = HTTPStatus.OK, **words: Any
) -> Response[Any]:
    """The list, and a sheet or a dialog on it if there is one."""
    pages, session = pages_of(request), session_of(request)
    held = _held(request)
    found = await pages.desk.member_pages.roles(session.organization_id)
    return await pages.signed_in(
        request,
        "members/roles.html",
        here="/members",
        status=status,
        overlay=overlay,
        toast=None,
        always=[role_line(one, held) for one in found if one.role.is_predefined],
        own=[role_line(one, held) for one in found if not one.role.is_predefined],
        may_make=Task.ROLES in held,
        may_read_groups=Task.GROUPS_READ in held,
        roles_at=HERE,
        leads_to=HERE,
        **words,
    )


@get("/members/roles/new")
async def show_new_role(request: Visit) -> Response[Any]:
    """The sheet of a new role."""
    return await _sheet(request, None, Typed(), {}, HTTPStatus.OK)


@post("/members/roles")
async def create_role(request: Visit) -> Response[Any]:
    """Make a role."""
    typed = read_typed(await read_form(request))
    try:
        await pages_of(request).desk.roles.create(
            actor_of(request), typed.name, permissions_of(typed), typed.description
        )
    except Refusal as refusal:
        return await _refused(request, None, typed, refusal)
    return _done()


@get("/members/roles/{role_id:str}/edit")
async def show_edit_role(request: Visit, role_id: FromPath[str]) -> Response[Any]:
    """The sheet, as the role is now."""
    role = (await _found(request, role_id)).role
    return await _sheet(request, role, typed_of(role.name, role.description, role.permissions), {}, HTTPStatus.OK)


@post("/members/roles/{role_id:str}/edit")
async def edit_role(request: Visit, role_id: FromPath[str]) -> Response[Any]:
    """Change a role for all who hold it, at once."""
    typed = read_typed(await read_form(request))
    role = (await _found(request, role_id)).role
    try:
        await pages_of(request).desk.roles.update(
            actor_of(request), role_id, typed.name, permissions_of(typed), typed.description
        )
    except Refusal as refusal:
        return await _refused(request, role, typed, refusal)
    return _done()


@get("/members/roles/{role_id:str}/delete")
async def show_delete_role(request: Visit, role_id: FromPath[str]) -> Response[Any]:
    """The question whether to take a role away from everybody."""
    found = await _found(request, role_id)
    return await roles_page(request, overlay="members/delete_role.html", role=found.role, had_by=len(found.holders))


@post("/members/roles/{role_id:str}/delete")
async def delete_role(request: Visit, role_id: FromPath[str]) -> Response[Any]:
    """Take a role away, from everybody who holds it."""
    await pages_of(request).desk.roles.delete(actor_of(request), role_id)
    return _done()


async def _found(request: Visit, role_id: str) -> HeldBy:
    return role_among(await pages_of(request).desk.member_pages.roles(session_of(request).organization_id), role_id)


async def _refused(request: Visit, role: Role | None, typed: Typed, refusal: Refusal) -> Response[Any]:
    return await _sheet(request, role, typed, faults_of(refusal), HTTPStatus.UNPROCESSABLE_ENTITY)


async def _sheet(request: Visit, role: Role | None, typed: Typed, faults: dict[str, str], status: int) -> Response[Any]:
    return await roles_page(
        request,
        overlay="members/role.html",
        status=status,
        role=role,
        typed=typed,
        faults=faults,
        groups=things(_held(request)),
        given_at="Give it to people on their pages.",
    )


def _done() -> Response[Any]:
    return Redirect(HERE, status_code=HTTP_303_SEE_OTHER)
