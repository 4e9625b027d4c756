"""`/invites`: OpenAI's list, create, retrieve and delete, and the link, which is shown once."""

from collections.abc import Sequence
from typing import Final

import msgspec
from litestar import delete, get, post
from litestar.params import FromPath

from keyhouse.admin import shapes
from keyhouse.admin.bodies import read
from keyhouse.admin.door import Visit, actor_of
from keyhouse.admin.office import Office, TheOffice
from keyhouse.admin.policy import ROOT
from keyhouse.admin.queries import query_of
from keyhouse.admin.shapes import Json
from keyhouse.store.invites import Invite, ProjectRole

_INVITES: Final = f"{ROOT}/invites"
_INVITE: Final = f"{_INVITES}/{{invite_id:str}}"
_KIND: Final = "organization.invite"


class NewInvite(msgspec.Struct):
    """Who is invited, as what, and into which projects."""

    email: str
    role: str
    projects: tuple[ProjectRole, ...] | None = None


@get(_INVITES)
async def list_invites(request: Visit, office: TheOffice) -> Json:
    """The organization's invites, newest first."""
    query = query_of(request)
    limit, after = query.page_limit(), query.text("after")
    found = await office.people_questions.invites(actor_of(request).organization_id, mark=after)
    rows, has_more = shapes.page_behind(found, lambda row: row.id, after, limit)
    return shapes.page(await _shown(request, office, rows), has_more=has_more)


@post(_INVITES, status_code=200)
async def create_invite(request: Visit, office: TheOffice) -> Json:
    """Invite someone; `url` is the link to send them, in this answer only."""
    body = await read(request, NewInvite)
    made = await office.invites.create(actor_of(request), body.email, body.role, body.projects or ())
    base = (office.public_url or str(request.base_url)).rstrip("/")
    (shown,) = await _shown(request, office, (made.invite,))
    return shown | {"url": f"{base}/invite/{made.token}"}


@get(_INVITE)
async def retrieve_invite(request: Visit, office: TheOffice, invite_id: FromPath[str]) -> Json:
    """One invite."""
    found = await office.people_questions.invite(actor_of(request).organization_id, invite_id)
    (shown,) = await _shown(request, office, (found,))
    return shown


@delete(_INVITE, status_code=200)
async def delete_invite(request: Visit, office: TheOffice, invite_id: FromPath[str]) -> Json:
    """Take an invite back: its link works no more."""
    await office.invites.delete(actor_of(request), invite_id)
    return shapes.deleted(_KIND, invite_id)


async def _shown(request: Visit, office: Office, found: Sequence[Invite]) -> list[Json]:
    """Invites as they stand: one whose maker may no longer give as much lets nobody in, as if it had expired."""
    dead = await office.people_questions.dead_invites(actor_of(request).organization_id, found)
    now_ms = office.clock.now_ms()
    return [_invite(each, "expired" if each.id in dead else each.status(now_ms)) for each in found]


def _invite(found: Invite, status: str) -> Json:
    return {
        "object": _KIND,
        "id": found.id,
        "email": found.email,
        "role": found.role,
        "status": status,
        "created_at": shapes.seconds(found.created_at_ms),
        "expires_at": shapes.seconds(found.expires_at_ms),
        "accepted_at": shapes.seconds(found.accepted_at_ms),
        "projects": [{"id": each.id, "role": each.role} for each in found.projects],
    }


ROUTES: Final = (list_invites, create_invite, retrieve_invite, delete_invite)
