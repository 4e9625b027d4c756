"""People and invites in words."""

from zoneinfo import ZoneInfo

from given import NOON
from keyhouse.console.member_view import invite_line, person_line, project_roles_to_give, roles_to_give
from keyhouse.console.wording import Times
from keyhouse.core.authority import PROJECT_ROLES, Grant, Task
from keyhouse.reporting.member_pages import Person
from keyhouse.store.engine import Actor
from keyhouse.store.invites import Invite, ProjectRole
from keyhouse.store.member_pages import Joined, RoleHeld
from keyhouse.store.people import Member

TIMES = Times(ZoneInfo("UTC"), NOON)


def a_person(**fields: object) -> Person:
    member = Member("user-1", "org-1", "ada@example.com", "Ada", "member", NOON, None)
    usual = {"last_sign_in_at_ms": None, "projects": (), "roles": ()}
    return Person(member, **(usual | fields))  # type: ignore[arg-type]


def test_who_never_signed_in_is_told_apart() -> None:
    assert person_line(a_person(), "user-2", TIMES).status.word == "Never signed in"
    line = person_line(a_person(last_sign_in_at_ms=NOON - 240_000), "user-1", TIMES)
    assert (line.status.word, line.status.when, line.is_you) == ("Active", "signed in 4 min ago", True)


def test_roles_and_projects_are_named() -> None:
    held = (
        RoleHeld("role_1", "Clerk", is_direct=True),
        RoleHeld("role-api-organization-reader", None, is_direct=False),
    )
    line = person_line(a_person(roles=held, projects=(Joined("proj_1", "Main", "viewer"),)), "user-2", TIMES)
    assert (line.role, line.roles, line.projects) == ("Member", ("Clerk", "Reader"), (("Main", "viewer"),))


def test_an_invite_says_until_when_its_link_works_and_that_it_has_expired() -> None:
    invite = Invite(
        "invite-1",
        "org-1",
        "lena@example.com",
        "reader",
        (ProjectRole("proj_1", "owner"),),
        NOON,
        "user-1",
        NOON + 3_600_000,
    )
    line = invite_line(invite, {"proj_1": "Main", "user-1": "Ada"}, TIMES)
    assert (line.status.when, line.projects, line.by) == ("link ends in 1 h", "Main (owner)", "Ada")
    assert invite_line(invite, {}, Times(ZoneInfo("UTC"), NOON + 3_600_000)).status.word == "Link expired"


def test_nobody_is_offered_to_give_or_take_more_than_they_have() -> None:
    clerk = Actor(
        "session", "org-1", "user-1", "ada@example.com", "member", grants=(Grant(PROJECT_ROLES["owner"], "proj_1"),)
    )
    assert roles_to_give(clerk, "owner") == ()
    assert [role for role, _ in roles_to_give(clerk)] == ["member"]
    assert project_roles_to_give(clerk, "proj_1") == ("owner", "member", "viewer")
    assert project_roles_to_give(clerk, "proj_2") == ()
    partly = Actor("session", "org-1", "u", "e", "member", grants=(Grant(frozenset({Task.PROJECT_USERS})),))
    assert project_roles_to_give(partly, "proj_1") == ()
