"""Projects through OpenAI's own client, strict about every field."""

from collections.abc import Iterator

import pytest
from openai import ConflictError, OpenAI

from admin.town import NOW, Town, refusal
from keyhouse.core.errors import Code


@pytest.fixture
def sdk(town: Town) -> Iterator[OpenAI]:
    with town.sdk() as client:
        yield client


def test_a_project_is_created_renamed_listed_and_archived(sdk: OpenAI) -> None:
    projects = sdk.admin.organization.projects
    made = projects.create(name="Research", external_key_id="cost-7", extra_body={"residency": "EU", "role": "owner"})
    assert (made.name, made.status, made.external_key_id, made.archived_at) == ("Research", "active", "cost-7", None)
    assert made.created_at == NOW
    renamed = projects.update(made.id, name="Studies")
    assert (renamed.name, renamed.external_key_id) == ("Studies", "cost-7")
    assert projects.retrieve(made.id) == renamed
    archived = projects.archive(made.id)
    assert (archived.status, archived.archived_at) == ("archived", NOW)
    assert made.id not in {project.id for project in projects.list()}
    assert made.id in {project.id for project in projects.list(include_archived=True)}
    with pytest.raises(ConflictError):
        projects.update(made.id, name="again")
    with pytest.raises(ConflictError, match="default project"):
        projects.archive("proj_1")


def test_paging_one_by_one_gives_every_project_once_in_order(sdk: OpenAI) -> None:
    projects = sdk.admin.organization.projects
    made = ["proj_1", *(projects.create(name=f"p{number}").id for number in range(4))]
    seen = [project.id for project in projects.list(limit=1)]
    assert sorted(seen) == sorted(made)
    assert seen == [project.id for project in projects.list(limit=100)]


def test_an_archived_project_is_as_it_was_and_what_is_in_it_can_only_be_ended(town: Town) -> None:
    project = town.ask("POST", "/projects", body={"name": "Old"}).json()["id"]
    place = f"/projects/{project}"
    key = town.ask("POST", f"{place}/api_keys", body={"name": "app"}).json()["id"]
    bot = town.ask("POST", f"{place}/service_accounts", body={"name": "bot"}).json()["id"]
    town.ask("POST", f"{place}/users", body={"user_id": "user-member", "role": "member"})
    role = {"role_name": "watcher", "permissions": ["api.organization.projects.usage.read"]}
    own = town.ask("POST", f"/v1{place}/roles", body=role).json()["id"]
    alert = {"threshold_amount": 5, "currency": "USD", "interval": "month"}
    alert |= {"notification_channel": {"type": "email", "recipients": ["ada@example.com"]}}
    alert_id = town.ask("POST", f"{place}/spend_alerts", body=alert).json()["id"]
    assert town.ask("POST", f"{place}/archive").status_code == 200
    before = town.everything()
    for path, body in (
        (f"{place}/api_keys/{key}", {"name": "other"}),
        (f"{place}/api_keys/{key}/rotate", {}),
        (f"{place}/api_keys/{key}/enable", {}),
        (f"{place}/service_accounts/{bot}", {"name": "other"}),
        (f"{place}/service_accounts/{bot}/api_keys", {}),
        (f"{place}/users/user-member", {"role": "owner"}),
        (f"{place}/spend_alerts/{alert_id}", alert | {"threshold_amount": 6}),
        (f"/v1{place}/roles/{own}", {"role_name": "other"}),
    ):
        assert refusal(town.ask("POST", path, body=body))[0::2] == (409, Code.CONFLICT), path
    assert town.everything() == before
    for path in ("api_keys/" + key, "service_accounts/" + bot, "users/user-member", "spend_alerts/" + alert_id):
        assert town.ask("DELETE", f"{place}/{path}").status_code == 200, path
    assert town.ask("DELETE", f"/v1{place}/roles/{own}").status_code == 200
