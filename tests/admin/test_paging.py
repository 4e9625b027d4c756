"""Whatever is taken away while a list is paged through, the rest of it comes, or the client is told it does not."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import pytest
from openai import BadRequestError, OpenAI

from admin.town import Town, refusal
from given import NOON
from keyhouse.core.errors import Code
from keyhouse.store import schema

EACH = 5
MONTH: Any = {"currency": "USD", "interval": "month"}
CHANNEL: Any = {"type": "email", "recipients": ["ada@example.com"]}


def take_all_away(
    listed: Callable[..., Iterable[Any]], take: Callable[[Any], object], is_meant: Callable[[Any], bool]
) -> int:
    """How many of a list were there to be taken away, two a page, one after the other."""
    taken = 0
    for one in listed(limit=2):
        if is_meant(one):
            take(one)
            taken += 1
    return taken


Lists = dict[str, tuple[Callable[..., Iterable[Any]], Callable[[Any], object], Callable[[Any], bool]]]
"""Of each list: how it is asked for, how one of it is taken away, and which ones are meant."""


def lists_of(org: Any, group: str, role: str, turned: dict[str, str]) -> Lists:
    """Those that OpenAI's client knows, but for `group` and `role` themselves."""
    projects, kept = org.projects, {"project_id": "proj_1"}
    return {
        "invites": (org.invites.list, lambda one: org.invites.delete(one.id), lambda _: True),
        "projects": (projects.list, lambda one: projects.archive(one.id), lambda one: one.name.startswith("p")),
        "accounts": (
            partial(projects.service_accounts.list, "proj_1"),
            lambda one: projects.service_accounts.delete(one.id, **kept),
            lambda _: True,
        ),
        "project users": (
            partial(projects.users.list, "proj_1"),
            lambda one: projects.users.delete(one.id, **kept),
            lambda one: one.id.startswith("user-some"),
        ),
        "group users": (
            partial(org.groups.users.list, group, **turned),
            lambda one: org.groups.users.delete(one.id, group_id=group),
            lambda _: True,
        ),
        "group roles": (
            partial(org.groups.roles.list, group, **turned),
            lambda one: org.groups.roles.delete(one.id, group_id=group),
            lambda _: True,
        ),
        "project groups": (
            partial(projects.groups.list, "proj_1", **turned),
            lambda one: projects.groups.delete(one.group_id, **kept),
            lambda _: True,
        ),
        "project roles": (
            partial(projects.roles.list, "proj_1", **turned),
            lambda one: projects.roles.delete(one.id, **kept),
            lambda one: not one.predefined_role,
        ),
        "roles": (
            partial(org.roles.list, **turned),
            lambda one: org.roles.delete(one.id),
            lambda one: not one.predefined_role and one.id != role,
        ),
        "groups": (
            partial(org.groups.list, **turned),
            lambda one: org.groups.delete(one.id),
            lambda one: one.id != group,
        ),
        "users": (org.users.list, lambda one: org.users.delete(one.id), lambda one: one.id.startswith("user-some")),
    }


def emptied(town: Town, client: OpenAI, *, order: str | None = None) -> dict[str, tuple[int, list[Any]]]:
    """Of each list that OpenAI's client knows: how many were taken away, and what of it is left."""
    org: Any = client.admin.organization
    projects = org.projects
    group = town.ask("POST", "/groups", body={"name": "kept"}).json()["id"]
    role = town.ask("POST", "/roles", body={"role_name": "kept", "permissions": []}).json()["id"]
    for n in range(EACH):
        town.clock.turn(ms=n % 2)  # some in the same millisecond
        org.invites.create(email=f"new{n}@example.com", role="reader")
        projects.create(name=f"p{n}")
        projects.service_accounts.create("proj_1", name=f"a{n}")
        org.roles.create(role_name=f"r{n}", permissions=[])
        projects.roles.create("proj_1", role_name=f"r{n}", permissions=[])
        projects.groups.create("proj_1", group_id=org.groups.create(name=f"g{n}").id, role="viewer")
        org.groups.roles.create(group, role_id=org.roles.create(role_name=f"held{n}", permissions=[]).id)
    for user_id in some_users(town):
        org.groups.users.create(group, user_id=user_id)
        projects.users.create("proj_1", user_id=user_id, role="viewer")
    lists = lists_of(org, group, role, {} if order is None else {"order": order})
    return {
        name: (take_all_away(listed, take, is_meant), [one for one in listed() if is_meant(one)])
        for name, (listed, take, is_meant) in lists.items()
    }


def some_users(town: Town) -> list[str]:
    """New members, of whom two have the same name."""
    ids = [f"user-some{n}" for n in range(EACH)]
    users = [
        {"id": user_id, "email": f"some{n}@example.com", "name": f"Some {n // 2}", "created_at_ms": NOON}
        for n, user_id in enumerate(ids)
    ]
    members = [
        {"organization_id": "org-1", "user_id": user_id, "role": "member", "added_at_ms": NOON} for user_id in ids
    ]
    town.execute(lambda c: c.execute(schema.users.insert(), users))
    town.execute(lambda c: c.execute(schema.memberships.insert(), members))
    return ids


@pytest.mark.parametrize("order", [None, "desc"])
def test_what_is_deleted_while_it_is_listed_hides_nothing_behind_it(town: Town, order: str | None) -> None:
    with town.sdk() as client:
        found = emptied(town, client, order=order)
    expected: dict[str, tuple[int, list[Any]]] = dict.fromkeys(found, (EACH, []))
    assert found == expected | {"roles": (2 * EACH, [])}


def test_limits_that_are_deleted_while_they_are_listed_hide_nothing_behind_them(town: Town) -> None:
    for unit in ("usd", "requests", "tokens", "images", "characters"):
        body = {"scope": {"type": "project", "id": "proj_1"}, "unit": unit, "window": "day", "amount": "5"}
        assert town.ask("POST", "/limits", body=body).status_code == 200
    query, taken = "limit=2", 0
    while (page := town.ask("GET", f"/limits?{query}").json())["data"]:
        for one in page["data"]:
            assert town.ask("DELETE", f"/limits/{one['id']}").status_code == 200
            taken += 1
        query = f"limit=2&after={page['last_id']}"
    assert taken == 5
    assert town.ask("GET", "/limits").json()["data"] == []


def test_a_rate_limits_record_that_is_gone_still_has_its_place(town: Town) -> None:
    rates = "/projects/proj_1/rate_limits"
    for gone, rest in (("rl-n-1", ["vendor/tiny-2"]), ("rl_YS9i", ["tiny-1", "vendor/tiny-2"])):
        found = town.ask("GET", f"{rates}?after={gone}").json()["data"]
        assert [one["model"] for one in found][-len(rest) :] == rest
        assert gone not in {one["id"] for one in found}


def test_where_a_list_cannot_go_on_it_says_so_and_does_not_end(town: Town) -> None:
    with town.sdk() as client:
        alerts = client.admin.organization.spend_alerts
        for cents in range(EACH):
            alerts.create(threshold_amount=cents, notification_channel=CHANNEL, **MONTH)
        with pytest.raises(BadRequestError, match="is gone, or never was"):
            take_all_away(alerts.list, lambda one: alerts.delete(one.id), lambda _: True)
        assert len(list(alerts.list())) == EACH - 2


@pytest.mark.parametrize(
    "mark",
    ["group_gone", "group_gone.", "group_gone.x", f"group_gone.{'9' * 40}", "group_gone.٣", ".5_", "x_"],
)
def test_a_mark_that_leads_nowhere_is_refused(town: Town, mark: str) -> None:
    town.ask("POST", "/groups", body={"name": "crew"})
    assert refusal(town.ask("GET", "/groups", params={"after": mark})) == (400, "after", Code.PARAMETER_INVALID)
    for param in ("after", "before"):
        answer = town.ask("GET", "/projects/proj_1/rate_limits", params={param: mark})
        assert refusal(answer) == (400, param, Code.PARAMETER_INVALID)


def test_another_organizations_deleted_things_are_no_marks_here(town: Town) -> None:
    town.ask("POST", "/invites", body={"email": "here@example.com", "role": "member"})
    theirs = town.ask("POST", "/invites", key=town.stranger, body={"email": "new@example.com", "role": "member"}).json()
    assert town.ask("DELETE", f"/invites/{theirs['id']}", key=town.stranger).status_code == 200
    assert refusal(town.ask("GET", f"/invites?after={theirs['id']}"))[0] == 400
