"""People and invites as pages show them. Pure."""

from collections.abc import Mapping
from typing import Final

import msgspec

from keyhouse.console import wording
from keyhouse.console.wording import Times
from keyhouse.core.authority import ORGANIZATION_ROLES, PROJECT_ROLES, Task, tasks_in
from keyhouse.reporting.member_pages import Person
from keyhouse.store.engine import Actor
from keyhouse.store.grants import IN_ORGANIZATION, IN_PROJECT
from keyhouse.store.invites import Invite
from keyhouse.store.member_pages import RoleHeld

ROLE_WORDS: Final = {
    "owner": "May do everything, in every project.",
    "reader": "Looks at everything, and changes nothing.",
    "member": "May do what the roles in their projects give.",
}
PROJECT_ROLE_WORDS: Final = {
    "owner": "Manages the project: its keys, people and limits.",
    "member": "Makes keys of their own, calls models, sees the usage.",
    "viewer": "Looks only.",
}


class StatusView(msgspec.Struct, frozen=True):
    """Where someone stands: a shape, a word, and when."""

    look: str
    word: str
    when: str = ""
    exact: str = ""


class PersonLine(msgspec.Struct, frozen=True):
    """One person. `roles` are those beside the one as a member, `projects` names and roles in them."""

    id: str
    name: str
    email: str
    role: str
    roles: tuple[str, ...]
    projects: tuple[tuple[str, str], ...]
    status: StatusView
    joined: str
    joined_exact: str
    is_you: bool


class InviteLine(msgspec.Struct, frozen=True):
    """One invite that nobody has accepted."""

    id: str
    email: str
    role: str
    projects: str
    by: str
    sent: str
    sent_exact: str
    status: StatusView


def person_line(person: Person, you: str, times: Times) -> PersonLine:
    """A person as a line of the list. `you` is the id of who looks."""
    member = person.member
    return PersonLine(
        id=member.user_id,
        name=member.name or member.email,
        email=member.email if member.name else "",
        role=wording.sentence(member.role),
        roles=tuple(role_name(held) for held in person.roles),
        projects=tuple((joined.name, joined.role) for joined in person.projects),
        status=_standing(person, times),
        joined=times.short_day(member.added_at_ms),
        joined_exact=times.exact(member.added_at_ms),
        is_you=member.user_id == you,
    )


def role_name(held: RoleHeld) -> str:
    """What a role is called."""
    return held.name or wording.sentence(held.role_id.removeprefix(IN_ORGANIZATION).removeprefix(IN_PROJECT))


def _standing(person: Person, times: Times) -> StatusView:
    at_ms = person.last_sign_in_at_ms
    if at_ms is None:
        return StatusView("disabled", "Never signed in")
    return StatusView("active", "Active", f"signed in {times.ago(at_ms)}", times.exact(at_ms))


def invite_line(invite: Invite, names: Mapping[str, str], times: Times) -> InviteLine:
    """An invite as a line of the list."""
    until_ms = invite.expires_at_ms
    if invite.status(times.now_ms) == "expired":
        status = StatusView("ended", "Link expired", times.short_day(until_ms), times.exact(until_ms))
    else:
        status = StatusView("expires", "Invited", f"link ends in {times.left(until_ms)}", times.exact(until_ms))
    return InviteLine(
        id=invite.id,
        email=invite.email,
        role=wording.sentence(invite.role),
        projects=", ".join(f"{names.get(each.id, each.id)} ({each.role})" for each in invite.projects),
        by=names.get(invite.created_by, invite.created_by),
        sent=times.short_day(invite.created_at_ms),
        sent_exact=times.exact(invite.created_at_ms),
        status=status,
    )


def roles_to_give(actor: Actor, present: str = "member") -> tuple[tuple[str, str], ...]:
    """The roles in the organization that this actor may give to someone who is `present`, with what each means; none
    where that role already can do more than the actor.
    """
    held = tasks_in(actor.role, actor.grants)
    if not ORGANIZATION_ROLES[present] <= held:
        return ()
    return tuple((role, ROLE_WORDS[role]) for role, tasks in ORGANIZATION_ROLES.items() if tasks <= held)


def project_roles_to_give(actor: Actor, project_id: str) -> tuple[str, ...]:
    """The roles in a project that this actor may give there."""
    held = tasks_in(actor.role, actor.grants, project_id)
    if Task.PROJECT_USERS not in held:
        return ()
    return tuple(role for role, tasks in PROJECT_ROLES.items() if tasks <= held)


def project_roles_here(actor: Actor, project_id: str, present: str) -> tuple[str, ...]:
    """The roles that this actor may give in place of the present one; none where that one is out of their reach."""
    roles = project_roles_to_give(actor, project_id)
    held = tasks_in(actor.role, actor.grants, project_id)
    return roles if PROJECT_ROLES.get(present, frozenset()) <= held else ()
