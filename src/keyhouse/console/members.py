"""The people of the organization, and who is invited. It changes nothing."""

from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from litestar import Response, get

from keyhouse.console.doorway import Visit, actor_of, session_of
from keyhouse.console.member_view import invite_line, person_line
from keyhouse.console.pages import pages_of
from keyhouse.control.authority import Task, projects_of, sight_of
from keyhouse.core.authority import Sight
from keyhouse.reporting.member_pages import MemberQuery
from keyhouse.store.invites import Invite

PAGE: Final = 50
_SEARCH_MAX: Final = 100


class Asked(msgspec.Struct, frozen=True):
    """What the list's address asks for."""

    search: str = ""
    page: int = 1

    def address(self, page: int) -> str:
        """The address of another page of the same."""
        query = ({"q": self.search} if self.search else {}) | ({"page": str(page)} if page > 1 else {})
        return f"/members?{urlencode(query)}" if query else "/members"


async def people_seen(request: Visit) -> Sight | None:
    """Which people this person sees: those of some projects and themselves, or, with None, all."""
    actor = actor_of(request)
    if sight_of(actor, Task.USERS_READ) is None:
        return None
    projects = projects_of(actor, Task.PROJECT_USERS_READ)
    if projects is None:
        desk = pages_of(request).desk
        known = await desk.project_questions.list(actor.organization_id, include_archived=True)
        projects = frozenset(project.id for project in known)
    return Sight(projects, actor.user_id)


@get("/members")
async def show_members(request: Visit) -> Response[Any]:
    """Everybody."""
    return await members_page(request, overlay=None)


async def members_page(
    request: Visit, *, overlay: str | None, status: int = HTTPStatus.OK, **words: Any
) -> Response[Any]:
    """The list, and a sheet or a dialog on it if there is one."""
    pages, session = pages_of(request), session_of(request)
    organization_id, times, sight = session.organization_id, pages.times(session), await people_seen(request)
    query = request.query_params
    number = query.get("page", "1")
    page = int(number) if number.isascii() and number.isdigit() and 0 < int(number[:6]) < 10_000 else 1
    asked = Asked(query.get("q", "")[:_SEARCH_MAX].strip(), page)
    found = await pages.desk.member_pages.page(
        organization_id, MemberQuery(asked.search, None, (page - 1) * PAGE, PAGE, sight)
    )
    invites: tuple[Invite, ...] = ()
    if pages.may(session, Task.INVITES_READ) and page == 1:
        open_ones = await pages.desk.member_pages.open_invites(organization_id)
        invites = tuple(one for one in open_ones if asked.search.lower() in one.email)
    ids = {invite.created_by for invite in invites} | {each.id for invite in invites for each in invite.projects}
    names = await pages.desk.names(organization_id, ids)
    return await pages.signed_in(
        request,
        "members/list.html",
        here="/members",
        status=status,
        overlay=overlay,
        toast=None,
        asked=asked,
        people=[person_line(person, session.user_id, times) for person in found.rows],
        invites=[invite_line(invite, names, times) for invite in invites],
        total=found.total,
        first=(page - 1) * PAGE + 1,
        has_more=page * PAGE < found.total,
        sees_all=sight is None,
        may_invite=pages.may(session, Task.INVITES),
        may_read_roles=pages.may(session, Task.ROLES_READ),
        may_read_groups=pages.may(session, Task.GROUPS_READ),
        **words,
    )
