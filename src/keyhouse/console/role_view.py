"""Roles as pages show them: what each gives, who has it, and what the person who looks may do about it. Pure."""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from keyhouse.console import wording
from keyhouse.console.member_view import ROLE_WORDS, role_name
from keyhouse.console.role_form import in_words
from keyhouse.core.authority import Task, Tasks
from keyhouse.core.errors import Code, Refusal
from keyhouse.reporting.groups import GroupHere
from keyhouse.reporting.member_pages import HeldBy
from keyhouse.store.grants import tasks_of
from keyhouse.store.member_pages import RoleHeld
from keyhouse.store.roles import Role

_HOLDERS_SHOWN: Final = 4


class RoleLine(msgspec.Struct, frozen=True):
    """A role as a line of the list. `may_change`: who looks can do all that it gives."""

    id: str
    name: str
    description: str
    gives: tuple[str, ...]
    holders: tuple[str, ...]
    more_holders: int
    may_change: bool


class RoleMore(msgspec.Struct, frozen=True):
    """A role that someone in a project holds there beside what they are. `is_direct`: it is not from a group alone."""

    id: str
    name: str
    is_direct: bool
    may_take: bool


class GroupLine(msgspec.Struct, frozen=True):
    """A group in a project, and its roles there."""

    id: str
    name: str
    people: int
    roles: tuple[RoleMore, ...]


def called(role: Role) -> str:
    """What a role is called: those that are always there as any word is written."""
    return wording.sentence(role.name) if role.is_predefined else role.name


def role_line(found: HeldBy, held: Tasks) -> RoleLine:
    """A role and its holders in words. `held` is what who looks may do where the role counts."""
    role, in_project = found.role, found.role.project_id is not None
    return RoleLine(
        id=role.id,
        name=called(role),
        description=ROLE_WORDS.get(role.name, "") if role.is_predefined else role.description or "",
        gives=() if role.is_predefined else in_words(role.permissions, in_project=in_project),
        holders=found.holders[:_HOLDERS_SHOWN],
        more_holders=max(0, len(found.holders) - _HOLDERS_SHOWN) + found.unseen,
        may_change=not role.is_predefined and _task(role) in held and role.tasks <= held,
    )


def role_among(found: Iterable[HeldBy], role_id: str) -> HeldBy:
    """The role with this id; raises Refusal(NOT_FOUND)."""
    for one in found:
        if one.role.id == role_id:
            return one
    raise Refusal(Code.NOT_FOUND, "This role is not here.", hint="It may have been deleted; the list has all.")


def more_roles(given: Sequence[RoleHeld], own: Sequence[Role], held: Tasks) -> tuple[RoleMore, ...]:
    """Someone's roles in a project whose own roles these are. `held` is what who looks may do there."""
    gives = {role.id: role.tasks for role in own}
    may_give = Task.PROJECT_ROLES in held
    return tuple(
        RoleMore(
            one.role_id,
            role_name(one),
            one.is_direct,
            one.is_direct and may_give and gives.get(one.role_id, tasks_of(one.role_id, None)) <= held,
        )
        for one in given
    )


def group_line(found: GroupHere, held: Tasks) -> GroupLine:
    """A group in a project as a line. `held` is what who looks may do there."""
    may_give = Task.PROJECT_ROLES in held
    roles = tuple(
        RoleMore(one.id, called(one), is_direct=True, may_take=may_give and one.tasks <= held) for one in found.roles
    )
    return GroupLine(found.group.id, found.group.name, found.people, roles)


def roles_left(given: Sequence[RoleHeld], own: Sequence[Role], held: Tasks) -> tuple[Role, ...]:
    """Which of a project's own roles who looks may give to someone, who was not given them yet."""
    has = {one.role_id for one in given if one.is_direct}
    return tuple(role for role in own if Task.PROJECT_ROLES in held and role.tasks <= held and role.id not in has)


def _task(role: Role) -> Task:
    return Task.ROLES if role.project_id is None else Task.PROJECT_ROLES
