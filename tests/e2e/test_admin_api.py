"""An organization built from nothing by OpenAI's own client, used, read back page by page, and torn down.

Every answer is validated against the client's types, strictly.
"""

import re
from collections.abc import Iterator
from functools import partial
from typing import Any

import httpx
import pytest
from openai import AuthenticationError, OpenAI, PermissionDeniedError, RateLimitError

from e2e.admin import Admin
from e2e.processes import House
from given_schema import ask_everything
from keyhouse.admin.policy import PROJECT_ROOT, ROOT

MONTH = {"currency": "USD", "interval": "month"}
CHANNEL = {"type": "email", "recipients": ["ada@example.com"]}


@pytest.fixture
def strict(scripted_house: House) -> Iterator[OpenAI]:
    """OpenAI's client with the admin key."""
    key = scripted_house.established["admin_key"]
    with administrator(scripted_house, key) as made:
        yield made


def administrator(house: House, key: str) -> OpenAI:
    """OpenAI's client with this admin key; it believes no answer that is not exactly OpenAI's."""
    url = f"{house.url}/v1"
    return OpenAI(admin_api_key=key, api_key="unused", base_url=url, max_retries=0, _strict_response_validation=True)


def call(house: House, secret: str, model: str = "tiny-1", words: str = "Say hello") -> Any:
    """A real call by OpenAI's client."""
    with OpenAI(api_key=secret, base_url=f"{house.url}/v1", max_retries=0) as client:
        return client.chat.completions.create(model=model, max_tokens=5, messages=[{"role": "user", "content": words}])


def joins(house: House, link: str, name: str) -> httpx.Client:
    """A browser of somebody who joins by an invite's link, and is signed in then. Close it."""
    browser = httpx.Client(base_url=house.url, headers={"sec-fetch-site": "same-origin"}, timeout=30)
    page = browser.get(httpx.URL(link).path).raise_for_status().text
    found = re.search(r'name="csrf" value="([^"]+)"', page)
    assert found is not None
    form = {"csrf": found[1], "name": name, "password": "an apple falls far from here"}
    assert browser.post(httpx.URL(link).path, data=form).status_code == 303
    return browser


class Staff:
    """Three people who came in by invites, groups and roles for them, in the organization and in a project."""

    def __init__(self, house: House, client: Any, project_id: str) -> None:
        self.organization = client.admin.organization
        self.projects, self.groups = self.organization.projects, self.organization.groups
        self.project_id = project_id
        self.invites = [
            self.organization.invites.create(
                email=f"{name}@example.com", role=role, projects=[{"id": project_id, "role": "member"}]
            )
            for name, role in (("bob", "reader"), ("eve", "reader"), ("lin", "reader"))
        ]
        self.late = self.organization.invites.create(email="late@example.com", role="reader")
        self.browsers = [joins(house, invite.model_extra["url"], invite.email) for invite in self.invites]
        emails = [invite.email for invite in self.invites]
        by_email = {user.email: user for user in self.organization.users.list(emails=emails, limit=1)}
        self.users = [by_email[email] for email in emails]
        self.bob, self.eve, self.lin = self.users
        for user in self.users:
            self.organization.users.update(user.id, role="member")
        self.projects.users.update(self.eve.id, project_id=project_id, role="viewer")
        self.clerk = self.organization.roles.create(role_name="clerk", permissions=["api.organization.audit_logs.read"])
        self.watcher = self.projects.roles.create(
            project_id, role_name="watcher", permissions=["api.organization.projects.usage.read"]
        )
        self.crew, self.guests = (self.groups.create(name=name) for name in ("crew", "guests"))
        for user in (self.bob, self.eve):
            self.groups.users.create(self.crew.id, user_id=user.id)
        self.groups.roles.create(self.crew.id, role_id=self.clerk.id)
        self.organization.users.roles.create(self.lin.id, role_id=self.clerk.id)
        for group, role in ((self.crew, "member"), (self.guests, self.watcher.id)):
            self.projects.groups.create(project_id, group_id=group.id, role=role)
        self.projects.groups.roles.create(self.crew.id, project_id=project_id, role_id=self.watcher.id)
        self.projects.users.roles.create(self.lin.id, project_id=project_id, role_id=self.watcher.id)

    def require_every_list_one_item_a_page(self) -> None:
        """Each list, in both orders where it has two, and its end."""
        organization, projects, project_id = self.organization, self.projects, self.project_id
        users = {user.id for user in self.users}
        assert {user.id for user in organization.users.list(limit=1)} > users
        invites = [each.status for each in organization.invites.list(limit=1)]
        assert sorted(invites) == ["accepted", "accepted", "accepted", "pending"]
        assert {user.id: user.role for user in projects.users.list(project_id, limit=1) if user.id in users} == {
            self.bob.id: "member",
            self.eve.id: "viewer",
            self.lin.id: "member",
        }
        for listed, names in (
            (organization.roles.list, ["owner", "reader", "member", "clerk"]),
            (partial(projects.roles.list, project_id), ["owner", "member", "viewer", "watcher"]),
            (organization.groups.list, ["crew", "guests"]),
            (partial(self.groups.users.list, self.crew.id), [self.bob.name, self.eve.name]),
            (partial(self.groups.roles.list, self.crew.id), ["clerk"]),
            (partial(projects.groups.roles.list, self.crew.id, project_id=project_id), ["member", "watcher"]),
            (partial(organization.users.roles.list, self.lin.id), ["member", "clerk"]),
            (partial(projects.users.roles.list, self.lin.id, project_id=project_id), ["member", "watcher"]),
            (partial(projects.users.roles.list, self.bob.id, project_id=project_id), ["member", "watcher"]),
        ):
            # Of two that were made in the same millisecond either may be the first.
            assert sorted(each.name for each in listed(limit=1)) == sorted(names)
            assert [each.name for each in listed(limit=1, order="desc")] == [each.name for each in listed(limit=1)][
                ::-1
            ]
            assert list(listed(after="nobody")) == list(listed(limit=0)) == []
        groups = [each.group_name for each in projects.groups.list(project_id, limit=1)]
        assert sorted(groups) == ["crew", "guests"]

    def require_roles_to_hold(self) -> None:
        """What a group's role shows to who is in it, at once, and no longer."""
        browser = self.browsers[0]
        assert browser.get("/audit-log").status_code == 200
        self.groups.users.delete(self.bob.id, group_id=self.crew.id)
        assert browser.get("/audit-log").status_code == 403
        sources = self.projects.users.roles.retrieve(
            "role-api-project-member", project_id=self.project_id, user_id=self.eve.id
        ).assignment_sources
        assert [(each.principal_type, each.principal_id) for each in sources] == [("group", self.crew.id)]

    def tear_down(self, client: Any) -> None:
        """Take it all away again; who leaves the organization is signed out."""
        theirs = client.admin.organization
        kept = {"project_id": self.project_id}
        assert theirs.projects.users.roles.delete(self.watcher.id, user_id=self.lin.id, **kept).deleted
        assert theirs.projects.groups.roles.delete(self.watcher.id, group_id=self.crew.id, **kept).deleted
        assert theirs.projects.groups.delete(self.guests.id, **kept).deleted
        assert theirs.projects.users.delete(self.eve.id, **kept).deleted
        assert theirs.projects.roles.delete(self.watcher.id, **kept).deleted
        assert theirs.users.roles.delete(self.clerk.id, user_id=self.lin.id).deleted
        assert theirs.groups.roles.delete(self.clerk.id, group_id=self.crew.id).deleted
        assert theirs.roles.delete(self.clerk.id).deleted
        for group in (self.crew, self.guests):
            assert theirs.groups.delete(group.id).deleted
        for user, browser in zip(self.users, self.browsers, strict=True):
            assert theirs.users.delete(user.id).deleted
            assert browser.get("/api-keys").headers["location"].startswith("/sign-in")
            browser.close()
        assert theirs.invites.delete(self.late.id).deleted
        assert list(theirs.groups.list(limit=1)) == []


class Enterprise:
    """Two projects, machines with keys, a second administrator, limits, alerts and models: made by OpenAI's client."""

    def __init__(self, client: Any) -> None:
        self.organization = client.admin.organization
        self.projects = self.organization.projects
        self.made = [self.projects.create(name=name) for name in ("Research", "Shop")]
        self.research, self.shop = self.made
        accounts = self.projects.service_accounts
        self.projects.update(self.research.id, name="Research and more")
        self.bots = [accounts.create(self.research.id, name=f"bot {number}") for number in range(2)]
        self.more = accounts.api_keys.create(self.bots[0].id, project_id=self.research.id, name="night")
        self.till = accounts.create(self.shop.id, name="till")
        self.deputy = self.organization.admin_api_keys.create(name="deputy", expires_in_seconds=3600)
        rates = self.projects.rate_limits
        rates.update_rate_limit("rl-tiny-1", project_id=self.research.id, max_requests_per_1_day=2)
        self.projects.spend_limit.update(self.shop.id, threshold_amount=1, **MONTH)
        self.organization.spend_limit.update(threshold_amount=1_000_000, **MONTH)
        alert = {"notification_channel": CHANNEL, **MONTH}
        self.alert = self.organization.spend_alerts.create(threshold_amount=900_000, **alert)
        self.project_alert = self.projects.spend_alerts.create(self.research.id, threshold_amount=5, **alert)
        self.projects.model_permissions.update(self.shop.id, mode="allow_list", model_ids=["tiny-1"])


def require_every_list_one_item_a_page(built: Enterprise) -> None:
    """Whatever the style of its pages, a client finds everything in every list, in both orders, and ends."""
    projects, organization, research = built.projects, built.organization, built.research.id
    keys = {built.bots[0].api_key.id, built.bots[1].api_key.id, built.more.id}
    assert {each.id for each in projects.list(limit=1)} >= {each.id for each in built.made}
    assert {each.id for each in projects.api_keys.list(research, limit=1)} == keys
    assert [each.id for each in projects.service_accounts.list(research, limit=1)] == [bot.id for bot in built.bots]
    admins = [each.id for each in organization.admin_api_keys.list(limit=1)]
    assert built.deputy.id in admins
    assert [each.id for each in organization.admin_api_keys.list(limit=1, order="desc")] == admins[::-1]
    assert [each.id for each in projects.spend_alerts.list(research, limit=1)] == [built.project_alert.id]
    assert built.alert.id in [each.id for each in organization.spend_alerts.list(limit=1, order="desc")]
    records = {each.model: each for each in projects.rate_limits.list_rate_limits(research, limit=1)}
    assert (records["tiny-1"].max_requests_per_1_day, set(records)) == (2, {"tiny-1", "tiny-long"})
    for listed in (projects.list, organization.admin_api_keys.list, organization.spend_alerts.list):
        assert list(listed(after="nobody")) == []
        assert list(listed(limit=0)) == []


def require_what_was_set_to_hold(house: House, built: Enterprise) -> None:
    """Two calls a day, a cent a month, one model: by real calls, answered and refused."""
    for _ in range(2):
        call(house, built.bots[0].api_key.value)
    with pytest.raises(RateLimitError, match="2 requests"):
        call(house, built.more.value)
    with pytest.raises(PermissionDeniedError, match="does not have access to model"):
        call(house, built.till.api_key.value, "tiny-long")
    call(house, built.till.api_key.value)
    built.projects.model_permissions.delete(built.shop.id)
    # 12,000 bytes cost at most 1.2 cents: more than the spend limit has.
    with pytest.raises(RateLimitError, match=r"0\.01"):
        call(house, built.till.api_key.value, "tiny-long", "a" * 12_000)


def require_usage_and_history(built: Enterprise) -> None:
    """What the first bot used and cost, and what the audit log says of its project."""
    usage, since = built.organization.usage, built.research.created_at - 60
    mine = {"start_time": since, "api_key_ids": [built.bots[0].api_key.id]}
    pages = (usage.completions(group_by=["model", "project_id"], **mine), usage.costs(group_by=["line_item"], **mine))
    tokens, money = (result for page in pages for bucket in page.data for result in bucket.results)
    assert (tokens.num_model_requests, tokens.model, tokens.project_id) == (2, "tiny-1", built.research.id)
    assert (money.line_item, money.quantity) == ("tiny-1", tokens.input_tokens + tokens.output_tokens)
    assert money.amount.value > 0
    entries = list(built.organization.audit_logs.list(limit=1, project_ids=[built.research.id]))
    assert {"role.created", "role.assignment.created"} <= {each.type for each in entries}
    assert [each.type for each in entries][-2:] == ["project.updated", "project.created"]
    assert entries[-1].effective_at >= since


def tear_down(built: Enterprise, client: Any) -> None:
    """Delete it all again, the administrator who does it last."""
    theirs = client.admin.organization
    assert theirs.spend_alerts.delete(built.alert.id).deleted
    assert theirs.projects.spend_alerts.delete(built.project_alert.id, project_id=built.research.id).deleted
    assert theirs.spend_limit.delete().deleted
    assert theirs.projects.spend_limit.delete(built.shop.id).deleted
    for bot in built.bots:
        assert theirs.projects.service_accounts.delete(bot.id, project_id=built.research.id).deleted
    for project in built.made:
        assert theirs.projects.archive(project.id).status == "archived"
    assert theirs.admin_api_keys.delete(built.deputy.id).deleted


def test_an_organization_is_built_used_read_back_and_torn_down(
    scripted_house: House, scripted_admin: Admin, strict: OpenAI
) -> None:
    built = Enterprise(strict)
    staff = Staff(scripted_house, strict, built.research.id)
    require_every_list_one_item_a_page(built)
    staff.require_every_list_one_item_a_page()
    staff.require_roles_to_hold()
    require_what_was_set_to_hold(scripted_house, built)
    require_usage_and_history(built)
    with administrator(scripted_house, built.deputy.value) as second:
        staff.tear_down(second)
        tear_down(built, second)
    assert not {each.id for each in built.projects.list(limit=1)} & {each.id for each in built.made}
    with pytest.raises(AuthenticationError):
        call(scripted_house, built.bots[0].api_key.value)
    verified = scripted_admin.ask("GET", "/audit_logs/verify")
    assert (verified["passes"], verified["findings"]) == (True, [])


def test_what_is_described_is_served_by_every_door_and_nothing_else_is_answered(
    scripted_house: House, scripted_admin: Admin
) -> None:
    described = httpx.get(f"{scripted_house.url}/openapi.json").raise_for_status().json()
    # The secrets in its answers must not end this house's own key.
    key = scripted_admin.create_key(name="reader of what is described")["value"]
    paths = {path: methods for path, methods in described["paths"].items() if not path.startswith((ROOT, PROJECT_ROOT))}
    seen = ask_everything(described | {"paths": paths}, scripted_house.url, {"key": key}, 2)
    assert {200, 400} <= seen
    page = httpx.get(f"{scripted_house.url}/docs")
    assert page.status_code == 200
    assert all(path in page.text for path in described["paths"])
    assert "script-src 'self'" in page.headers["content-security-policy"]
