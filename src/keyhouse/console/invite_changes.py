"""Pages that invite people and take invites back.

A new link stands in the one answer to the POST that made it, and nowhere else: that answer is a page of its own and
not a redirect.
"""

from http import HTTPStatus
from typing import Any

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect
from litestar.status_codes import HTTP_303_SEE_OTHER

from keyhouse.console.doorway import Visit, actor_of, own_origin, read_form, session_of
from keyhouse.console.member_view import project_roles_to_give, roles_to_give
from keyhouse.console.members import members_page
from keyhouse.console.pages import pages_of
from keyhouse.control.invites import Invited
from keyhouse.core.errors import Code, Refusal
from keyhouse.store.invites import ProjectRole


@get("/members/invite")
async def show_invite_form(request: Visit) -> Response[Any]:
    """The sheet of a new invite."""
    return await _sheet(request, {"role": "member"}, {}, HTTPStatus.OK)


@post("/members/invite")
async def invite_someone(request: Visit) -> Response[Any]:
    """Invite someone, and show the link, once."""
    form = await read_form(request)
    typed = {name: str(value).strip()[:300] for name, value in form.items() if name != "csrf"}
    roles = tuple(
        ProjectRole(name.removeprefix("in_"), role) for name, role in typed.items() if name.startswith("in_") and role
    )
    try:
        made = await pages_of(request).desk.invites.create(
            actor_of(request), typed.get("email", ""), typed.get("role", ""), roles
        )
    except Refusal as refusal:
        if refusal.code not in (Code.PARAMETER_INVALID, Code.CONFLICT, Code.NOT_FOUND, Code.NOT_PERMITTED):
            raise
        param = "email" if refusal.code is Code.CONFLICT else refusal.param
        field = param if param in ("email", "role") else "projects"
        return await _sheet(request, typed, {field: refusal.text}, HTTPStatus.UNPROCESSABLE_ENTITY)
    return await _link_page(request, made)


async def _sheet(request: Visit, typed: dict[str, str], faults: dict[str, str], status: int) -> Response[Any]:
    pages, session, actor = pages_of(request), session_of(request), actor_of(request)
    projects = await pages.desk.project_questions.list(session.organization_id)
    return await members_page(
        request,
        overlay="members/invite.html",
        status=status,
        typed={"email": "", "role": ""} | typed,
        faults=faults,
        roles=roles_to_give(actor),
        projects=[(one, roles) for one in projects if (roles := project_roles_to_give(actor, one.id))],
    )


@post("/members/invites/{invite_id:str}/renew")
async def renew_invite(request: Visit, invite_id: FromPath[str]) -> Response[Any]:
    """Make another link for an invite, and show it, once."""
    return await _link_page(request, await pages_of(request).desk.invites.renew(actor_of(request), invite_id))


async def _link_page(request: Visit, made: Invited) -> Response[Any]:
    pages = pages_of(request)
    base = (pages.desk.public_url or own_origin(request, None)).rstrip("/")
    times = pages.times(session_of(request))
    return await members_page(
        request,
        overlay="members/link.html",
        status=HTTPStatus.CREATED,
        link=f"{base}/invite/{made.token}",
        title=f"Send this link to {made.invite.email}",
        text=f"It lets them in once, until {times.moment(made.invite.expires_at_ms)}, and is shown this once.",
        advice="Keyhouse sends no mail: send it yourself. Whoever has it can come in, so send it to them alone.",
        leads_to="/members",
    )


@get("/members/invites/{invite_id:str}/delete")
async def show_take_back(request: Visit, invite_id: FromPath[str]) -> Response[Any]:
    """The question whether to take an invite back."""
    invites = await pages_of(request).desk.member_pages.open_invites(session_of(request).organization_id)
    invite = next((one for one in invites if one.id == invite_id), None)
    if invite is None:
        raise Refusal(Code.NOT_FOUND, "This invite is not here any more.", hint="It was accepted, or taken back.")
    return await members_page(request, overlay="members/take_back.html", invite=invite)


@post("/members/invites/{invite_id:str}/delete")
async def take_back_invite(request: Visit, invite_id: FromPath[str]) -> Response[Any]:
    """Let an invite's link work no more."""
    await pages_of(request).desk.invites.delete(actor_of(request), invite_id)
    return Redirect("/members", status_code=HTTP_303_SEE_OTHER)
