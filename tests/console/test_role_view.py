"""Roles as pages show them."""

from keyhouse.console.role_view import more_roles, role_line, roles_left
from keyhouse.core.authority import IN_A_PROJECT, Task, implied
from keyhouse.reporting.member_pages import HeldBy
from keyhouse.store.member_pages import RoleHeld
from keyhouse.store.roles import Role

KEEPER = Role("role_1", "keeper", (Task.LIMITS,), created_by="user-1", project_id="proj_1")
AUDITOR = Role("role_2", "auditor", (Task.USAGE_READ,), created_by="user-1", project_id="proj_1")
ASSIGNER = implied({Task.PROJECT_ROLES, Task.USAGE_READ})


def test_whoever_is_not_named_is_counted() -> None:
    line = role_line(HeldBy(KEEPER, ("a", "b", "c", "d", "e"), 2), IN_A_PROJECT)
    assert (line.holders, line.more_holders, line.may_change) == (("a", "b", "c", "d"), 3, True)


def test_what_can_do_more_than_who_looks_is_neither_changed_nor_given_nor_taken() -> None:
    given = (RoleHeld("role_1", "keeper", True), RoleHeld("role-api-project-owner", None, True))
    assert [role_line(HeldBy(role, ()), ASSIGNER).may_change for role in (KEEPER, AUDITOR)] == [False, True]
    assert [(one.name, one.may_take) for one in more_roles(given, (KEEPER,), ASSIGNER)] == [
        ("keeper", False),
        ("Owner", False),
    ]
    assert [one.may_take for one in more_roles(given, (KEEPER,), IN_A_PROJECT)] == [True, True]
    assert roles_left((), (KEEPER, AUDITOR), ASSIGNER) == (AUDITOR,)
    assert roles_left((), (KEEPER, AUDITOR), IN_A_PROJECT - {Task.PROJECT_ROLES}) == ()


def test_what_a_group_gives_is_taken_from_the_group_and_can_be_given_beside_it() -> None:
    given = (RoleHeld("role_1", "keeper", False),)
    assert [one.may_take for one in more_roles(given, (KEEPER,), IN_A_PROJECT)] == [False]
    assert roles_left(given, (KEEPER,), IN_A_PROJECT) == (KEEPER,)
