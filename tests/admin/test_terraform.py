"""What OpenAI's Terraform provider asks of the Admin API (openai/terraform-provider-openai 1.x), resource by resource.

The provider is pointed here by its `base_url`. It creates what a configuration names, reads everything before each
plan, and calls the API broken where an answer lacks what it must have, or says other than what was configured: a plan
right after an apply has to be empty. A resource that was deleted elsewhere has to be gone to it, by 404 or by the list.
"""

from typing import Any, Final

import msgspec
import pytest

from admin.town import Town

Fields = dict[str, Any]

PROJECT: Final = "/v1/organization/projects/proj_1"
IN_PROJECT: Final = "/v1/projects/proj_1"
CHANNEL: Final = {"type": "email", "recipients": ["b@example.com", "a@example.com"], "subject_prefix": "Ours"}
MONTHLY: Final = {"currency": "USD", "interval": "month"}


LISTS: Final = {
    "/groups": "100",
    "/groups/{group}/roles": "100",
    "/groups/{group}/users": "100",
    "/invites": "100",
    "/projects": "100",
    "/roles": "100",
    "/spend_alerts": "100",
    "/users": "100",
    "/users/user-member/roles": "100",
    f"{PROJECT}/groups": "100",
    f"{PROJECT}/rate_limits": "1000",
    f"{PROJECT}/spend_alerts": "100",
    f"{PROJECT}/users": "100",
    f"{IN_PROJECT}/groups/{{group}}/roles": "100",
    f"{IN_PROJECT}/roles": "100",
    f"{IN_PROJECT}/users/user-member/roles": "100",
}
"""What its data sources read whole, and how much of it they want at once."""


class Resource(msgspec.Struct, frozen=True):
    """One of the provider's resources: where it is made, with what, and where it is read, changed and deleted.

    `{id}` is what `known_by` found in the answer to its making. With `among` it is looked for in a list that is read
    whole, under that name. `names` are fields that answers call otherwise than bodies do.
    """

    made_at: str
    made_with: Fields
    read_at: str
    changed_with: Fields = {}
    changed_at: str = ""
    deleted_by: tuple[str, str] = ("DELETE", "")
    known_by: str = "id"
    among: str = ""
    names: dict[str, str] = {}
    shows: bool = True
    needs: tuple[str, Fields] | None = None


RESOURCES: Final = {
    "openai_group": Resource("/groups", {"name": "crew"}, "/groups/{id}", {"name": "team"}),
    "openai_group_user": Resource(
        "/groups/{group}/users",
        {"user_id": "user-member"},
        "/groups/{group}/users/{id}",
        known_by="user_id",
        shows=False,
    ),
    "openai_group_role": Resource(
        "/groups/{group}/roles", {"role_id": "{role}"}, "/groups/{group}/roles/{role}", known_by="role.id", shows=False
    ),
    "openai_role": Resource(
        "/roles",
        {"role_name": "clerk", "permissions": ["api.groups.write", "api.groups.read"]},
        "/roles/{id}",
        {"role_name": "scribe", "permissions": ["api.groups.read"], "description": "Looks"},
        names={"role_name": "name"},
    ),
    "openai_user_role": Resource(
        "/users/user-member/roles",
        {"role_id": "{role}"},
        "/users/user-member/roles/{role}",
        known_by="role.id",
        shows=False,
    ),
    "openai_invite": Resource(
        "/invites",
        {"email": "late@example.com", "role": "reader", "projects": [{"id": "proj_1", "role": "member"}]},
        "/invites/{id}",
    ),
    "openai_invite without projects": Resource(
        "/invites", {"email": "later@example.com", "role": "owner", "projects": []}, "/invites/{id}"
    ),
    "openai_organization_spend_alert": Resource(
        "/spend_alerts",
        {"threshold_amount": 2000, **MONTHLY, "notification_channel": CHANNEL},
        "/spend_alerts",
        {"threshold_amount": 3000, **MONTHLY, "notification_channel": CHANNEL | {"subject_prefix": None}},
        changed_at="/spend_alerts/{id}",
        among="id",
    ),
    "openai_organization_spend_limit": Resource(
        "/spend_limit",
        {"threshold_amount": 10_000, **MONTHLY},
        "/spend_limit",
        {"threshold_amount": 20_000, **MONTHLY},
        known_by="object",
    ),
    "openai_project": Resource(
        "/projects",
        {"name": "terraform-managed"},
        "/projects",
        {"name": "renamed", "geography": None, "external_key_id": None},
        changed_at="/projects/{id}",
        deleted_by=("POST", "/projects/{id}/archive"),
        among="id",
        names={"geography": "", "external_key_id": ""},
    ),
    "openai_project_spend_alert": Resource(
        f"{PROJECT}/spend_alerts",
        {"threshold_amount": 2000, **MONTHLY, "notification_channel": CHANNEL | {"subject_prefix": None}},
        f"{PROJECT}/spend_alerts",
        {"threshold_amount": 2500, **MONTHLY, "notification_channel": CHANNEL},
        changed_at=f"{PROJECT}/spend_alerts/{{id}}",
        among="id",
    ),
    "openai_project_spend_limit": Resource(
        f"{PROJECT}/spend_limit",
        {"threshold_amount": 500, **MONTHLY},
        f"{PROJECT}/spend_limit",
        {"threshold_amount": 700, **MONTHLY},
        known_by="object",
    ),
    "openai_project_model_permissions": Resource(
        f"{PROJECT}/model_permissions",
        {"mode": "allow_list", "model_ids": ["vendor/tiny-2", "tiny-1"]},
        f"{PROJECT}/model_permissions",
        {"mode": "deny_list", "model_ids": ["tiny-1"]},
        known_by="object",
    ),
    "openai_project_user": Resource(
        f"{PROJECT}/users",
        {"user_id": "user-member", "role": "member"},
        f"{PROJECT}/users",
        {"role": "owner"},
        changed_at=f"{PROJECT}/users/{{id}}",
        among="id",
        names={"user_id": "id"},
    ),
    "openai_project_user by e-mail": Resource(
        f"{PROJECT}/users",
        {"email": "member@example.com", "role": "member"},
        f"{PROJECT}/users/{{id}}",
        {"role": "viewer"},
    ),
    "openai_project_role": Resource(
        f"{IN_PROJECT}/roles",
        {"role_name": "helper", "permissions": ["api.organization.projects.usage.read"], "description": "Helps"},
        f"{IN_PROJECT}/roles/{{id}}",
        {"role_name": "helper", "permissions": ["api.model.request"], "description": None},
        names={"role_name": "name"},
    ),
    "openai_project_user_role": Resource(
        f"{IN_PROJECT}/users/user-member/roles",
        {"role_id": "role-api-project-member"},
        f"{IN_PROJECT}/users/user-member/roles/role-api-project-member",
        known_by="role.id",
        shows=False,
        needs=(f"{PROJECT}/users", {"user_id": "user-member", "role": "viewer"}),
    ),
    "openai_project_group": Resource(
        f"{PROJECT}/groups",
        {"group_id": "{group}", "role": "role-api-project-viewer"},
        f"{PROJECT}/groups",
        deleted_by=("DELETE", f"{PROJECT}/groups/{{id}}"),
        known_by="group_id",
        among="group_id",
        names={"role": ""},
    ),
    "openai_project_group_role": Resource(
        f"{IN_PROJECT}/groups/{{group}}/roles",
        {"role_id": "role-api-project-owner"},
        f"{IN_PROJECT}/groups/{{group}}/roles/role-api-project-owner",
        known_by="role.id",
        shows=False,
    ),
    "openai_project_service_account": Resource(
        f"{PROJECT}/service_accounts",
        {"name": "terraform-managed", "create_service_account_only": True},
        f"{PROJECT}/service_accounts/{{id}}",
        names={"create_service_account_only": ""},
    ),
}


class Provider:
    """Terraform's side: it knows of a resource what its state holds, and asks for the rest."""

    def __init__(self, town: Town, resource: Resource) -> None:
        self._town = town
        self._resource = resource
        self._known: dict[str, str] = {}
        group = self._answer("POST", "/groups", {"name": "helpers"})["id"]
        role = self._answer("POST", "/roles", {"role_name": "lent", "permissions": ["api.groups.read"]})["id"]
        self._known = {"group": group, "role": role}
        if resource.needs is not None:
            self.give(*resource.needs)

    def give(self, path: str, body: Fields) -> Fields:
        """Make something there; the answer."""
        return self._answer("POST", path, self._filled(body))

    def create(self) -> None:
        """Apply, where there is nothing yet."""
        resource = self._resource
        made = self.give(resource.made_at, resource.made_with)
        found: Any = made
        for part in resource.known_by.split("."):
            found = found[part]
        self._known["id"] = found
        self._require_as_configured(made, resource.made_with)

    def update(self) -> None:
        """Apply, where what is configured has changed."""
        resource = self._resource
        changed = self.give(resource.changed_at or resource.read_at, resource.changed_with)
        self._require_as_configured(changed, resource.changed_with)

    def refresh(self, configured: Fields) -> bool:
        """Read it, as before each plan; whether it is there. What is read must be what is configured."""
        resource = self._resource
        path = resource.read_at.format(**self._known)
        if resource.among:
            found = next((one for one in self.listed(path) if one[resource.among] == self._known["id"]), None)
            if found is None or found.get("status") == "archived":
                return False
        else:
            answer = self._town.ask("GET", path)
            if answer.status_code == 404:
                return False
            assert answer.status_code == 200, answer.text
            found = answer.json()
        self._require_as_configured(found, configured)
        return True

    def destroy(self) -> None:
        """Take it away."""
        method, path = self._resource.deleted_by
        self._answer(method, path or self._resource.changed_at or self._resource.read_at, None)

    def listed(self, path: str, limit: str = "1") -> list[Fields]:
        """A list whole, page by page: after the last one's `next`, or id."""
        found: list[Fields] = []
        after: dict[str, str] = {}
        while True:
            page = self._answer("GET", path, None, params={"limit": limit, **after})
            assert isinstance(page["has_more"], bool)
            found += page["data"]
            if not page["has_more"]:
                return found
            assert page["data"]
            after = {"after": page.get("next") or page["data"][-1]["id"]}

    def _answer(self, method: str, path: str, body: object, **options: Any) -> Fields:
        answer = self._town.ask(method, path.format(**self._known), body=body, **options)
        assert answer.status_code == 200, answer.text
        given: Fields = answer.json()
        return given

    def _filled(self, body: Fields) -> Fields:
        return {name: value.format(**self._known) if isinstance(value, str) else value for name, value in body.items()}

    def _require_as_configured(self, answer: Fields, configured: Fields) -> None:
        if not self._resource.shows:
            return
        for name, value in self._filled(configured).items():
            shown = self._resource.names.get(name, name)
            if shown:
                assert answer[shown] == value, f"{name} was configured as {value} and is shown as {answer[shown]}"


@pytest.mark.parametrize("name", RESOURCES)
def test_a_resource_is_applied_without_a_rest_and_taken_away(town: Town, name: str) -> None:
    resource = RESOURCES[name]
    provider = Provider(town, resource)
    provider.create()
    assert provider.refresh(resource.made_with)
    if resource.changed_with:
        provider.update()
        assert provider.refresh(resource.changed_with)
    provider.destroy()
    assert not provider.refresh({})


@pytest.mark.parametrize("path", LISTS)
def test_a_list_is_the_same_at_once_and_page_by_page(town: Town, path: str) -> None:
    for body in ({"email": "late@example.com", "role": "owner"}, {"email": "later@example.com", "role": "reader"}):
        assert town.ask("POST", "/invites", body=body).status_code == 200
    town.ask("POST", f"{PROJECT}/users", body={"user_id": "user-member", "role": "member"})
    provider = Provider(town, RESOURCES["openai_group"])
    for at, body in (
        ("/groups/{group}/users", {"user_id": "user-member"}),
        ("/groups/{group}/roles", {"role_id": "{role}"}),
        (f"{IN_PROJECT}/groups/{{group}}/roles", {"role_id": "role-api-project-viewer"}),
    ):
        provider.give(at, body)
    whole = provider.listed(path, LISTS[path])
    assert whole == provider.listed(path)
    assert whole or "alerts" in path


def test_a_rate_limit_is_changed_found_in_its_list_and_stays(town: Town) -> None:
    """The provider never deletes one; what is not configured is left out of the body."""
    [record] = [one for one in town.ask("GET", f"{PROJECT}/rate_limits").json()["data"] if one["model"] == "tiny-1"]
    wanted = {"max_requests_per_1_minute": 60, "max_tokens_per_1_minute": 9_000, "max_requests_per_1_day": 500}
    answer = town.ask("POST", f"{PROJECT}/rate_limits/{record['id']}", body=wanted)
    assert answer.status_code == 200, answer.text
    [found] = [one for one in town.ask("GET", f"{PROJECT}/rate_limits").json()["data"] if one["id"] == record["id"]]
    assert answer.json().items() >= wanted.items()
    assert found.items() >= wanted.items()


def test_a_user_of_the_organization_is_imported_changed_and_taken_out(town: Town) -> None:
    """The provider makes no users: they are imported by their id."""
    before = town.ask("GET", "/users/user-member").json()
    assert (before["id"], before["role"]) == ("user-member", "member")
    answer = town.ask("POST", "/users/user-member", body={"role": "reader"})
    assert answer.json()["role"] == town.ask("GET", "/users/user-member").json()["role"] == "reader"
    assert town.ask("DELETE", "/users/user-member").status_code == 200
    assert town.ask("GET", "/users/user-member").status_code == 404


@pytest.mark.parametrize("path", ["/certificates", "/data_retention", f"{PROJECT}/hosted_tool_permissions"])
def test_a_resource_that_is_nothing_here_says_why(town: Town, path: str) -> None:
    answer = town.ask("POST", path, body={})
    assert answer.status_code == 404
    assert "Keyhouse" in answer.json()["error"]["message"]
