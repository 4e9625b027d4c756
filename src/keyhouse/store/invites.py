"""Invites: who may come in, as what, until when. The link's token is kept only as a hash."""

from collections.abc import Iterable
from typing import Any

import msgspec
from sqlalchemy import Connection, RowMapping, insert, select, update

from keyhouse.core.authority import ORGANIZATION_ROLES, PROJECT_ROLES, Task, Tasks, tasks_in
from keyhouse.core.errors import Code, Refusal
from keyhouse.store import grants, people
from keyhouse.store.schema import invites


class ProjectRole(msgspec.Struct, frozen=True):
    """A project that comes with an invite, and the role in it."""

    id: str
    role: str


class Invite(msgspec.Struct, frozen=True):
    """An invite. `email` is in its stored form, `created_by` and `accepted_by` are users.

    It lets in until `expires_at_ms`, unless it was accepted or deleted before.
    """

    id: str
    organization_id: str
    email: str
    role: str
    projects: tuple[ProjectRole, ...]
    created_at_ms: int
    created_by: str
    expires_at_ms: int
    accepted_at_ms: int | None = None
    accepted_by: str | None = None
    deleted_at_ms: int | None = None

    def status(self, now_ms: int) -> str:
        """`accepted`, `expired` or `pending`, as OpenAI has them."""
        if self.accepted_at_ms is not None:
            return "accepted"
        return "expired" if now_ms >= self.expires_at_ms else "pending"


def insert_invite(connection: Connection, invite: Invite, token_hash: bytes) -> None:
    """Add an invite."""
    written = {"projects": msgspec.json.encode(invite.projects).decode(), "token_hash": token_hash}
    connection.execute(insert(invites).values(msgspec.structs.asdict(invite) | written))


def find_by_token(connection: Connection, token_hash: bytes, *, for_update: bool = False) -> Invite | None:
    """The invite with this token, whatever became of it; with `for_update` nobody else uses it meanwhile."""
    statement = select(invites).where(invites.c.token_hash == token_hash)
    row = connection.execute(statement.with_for_update() if for_update else statement).mappings().one_or_none()
    return None if row is None else _invite(row)


def get_invite(connection: Connection, organization_id: str, invite_id: str, *, for_update: bool = False) -> Invite:
    """An invite that was not deleted; raises Refusal(NOT_FOUND)."""
    statement = select(invites).where(*_there(organization_id), invites.c.id == invite_id)
    row = connection.execute(statement.with_for_update() if for_update else statement).mappings().one_or_none()
    if row is None:
        raise Refusal(
            Code.NOT_FOUND,
            f"There is no invite {invite_id} in this organization.",
            hint="List the invites to see their ids.",
        )
    return _invite(row)


def list_invites(connection: Connection, organization_id: str, *, mark: str | None = None) -> tuple[Invite, ...]:
    """An organization's invites that were not deleted, newest first; in its place also the one with the id `mark`."""
    order = (invites.c.created_at_ms.desc(), invites.c.id.desc())
    organization, is_there = _there(organization_id)
    shown = is_there if mark is None else is_there | (invites.c.id == mark)
    rows = connection.execute(select(invites).where(organization, shown).order_by(*order)).mappings()
    return tuple(_invite(row) for row in rows)


def list_dead(connection: Connection, organization_id: str, found: Iterable[Invite]) -> frozenset[str]:
    """The ids of those of these invites that let nobody in because whoever made them is gone, or may no longer give
    what they give. One that was accepted let somebody in.
    """
    asked = [invite for invite in found if invite.accepted_at_ms is None]
    makers = people.list_these_members(connection, organization_id, {invite.created_by for invite in asked})
    held = grants.list_grants_of(connection, organization_id, makers.keys()) if makers else {}

    def is_given(invite: Invite) -> bool:
        maker = makers.get(invite.created_by)
        if maker is None or maker.gone_at_ms is not None:
            return False
        given: list[tuple[Tasks, str | None]] = [(ORGANIZATION_ROLES[invite.role] | {Task.INVITES}, None)]
        given += [(PROJECT_ROLES[each.role], each.id) for each in invite.projects]
        return all(wanted <= tasks_in(maker.role, held[maker.user_id], place) for wanted, place in given)

    return frozenset(invite.id for invite in asked if not is_given(invite))


def update_accepted(connection: Connection, invite_id: str, user_id: str, now_ms: int) -> None:
    """This user came in by it."""
    connection.execute(
        update(invites).where(invites.c.id == invite_id).values(accepted_at_ms=now_ms, accepted_by=user_id)
    )


def update_renewed(connection: Connection, invite: Invite, token_hash: bytes) -> None:
    """Another link, by whoever made it and until when: the one before leads nowhere."""
    connection.execute(
        update(invites)
        .where(invites.c.id == invite.id)
        .values(token_hash=token_hash, created_by=invite.created_by, expires_at_ms=invite.expires_at_ms)
    )


def update_deleted(connection: Connection, invite_id: str, now_ms: int) -> None:
    """From now on it lets nobody in."""
    connection.execute(update(invites).where(invites.c.id == invite_id).values(deleted_at_ms=now_ms))


def _there(organization_id: str) -> tuple[Any, ...]:
    return invites.c.organization_id == organization_id, invites.c.deleted_at_ms.is_(None)


def _invite(row: RowMapping) -> Invite:
    fields = {name: row[name] for name in Invite.__struct_fields__}
    return Invite(**fields | {"projects": msgspec.json.decode(row["projects"], type=tuple[ProjectRole, ...])})
