"""Service accounts through OpenAI's own client, strict about every field, and what its client cannot ask."""

from collections.abc import Iterator

import pytest
from openai import BadRequestError, NotFoundError, OpenAI

from admin.town import NOW, Town, refusal
from keyhouse.core.errors import Code
from keyhouse.core.secret import parse


@pytest.fixture
def sdk(town: Town) -> Iterator[OpenAI]:
    with town.sdk() as client:
        yield client


def test_one_is_created_with_a_key_whose_value_is_shown_once(town: Town, sdk: OpenAI) -> None:
    accounts = sdk.admin.organization.projects.service_accounts
    made = accounts.create("proj_1", name="deploy bot", extra_body={"owner_id": "user-2", "role": "owner"})
    assert (made.object, made.name, made.role) == ("organization.project.service_account", "deploy bot", "member")
    assert made.created_at == NOW
    assert made.api_key is not None
    assert made.api_key.object == "organization.project.service_account.api_key"
    secret = parse(made.api_key.value)
    assert secret is not None
    assert secret.key_id == made.api_key.id
    found = accounts.retrieve(made.id, project_id="proj_1")
    assert (found.id, found.name, found.role, found.created_at) == (made.id, "deploy bot", "member", NOW)
    for path in (f"service_accounts/{made.id}", "service_accounts", f"api_keys/{made.api_key.id}", "api_keys"):
        assert made.api_key.value not in town.ask("GET", f"/projects/proj_1/{path}").text


def test_its_keys_are_listed_among_the_projects_with_it_as_their_owner(sdk: OpenAI) -> None:
    made = sdk.admin.organization.projects.service_accounts.create("proj_1", name="deploy bot")
    assert made.api_key is not None
    key = sdk.admin.organization.projects.api_keys.retrieve(made.api_key.id, project_id="proj_1")
    assert key.owner.type == "service_account"
    assert key.owner.service_account is not None
    owner = key.owner.service_account
    assert (owner.id, owner.name, owner.role, owner.created_at) == (made.id, "deploy bot", "member", NOW)
    assert key.owner.user is None
    assert made.api_key.id in {each.id for each in sdk.admin.organization.projects.api_keys.list("proj_1")}


def test_one_without_a_key_is_given_one_with_scopes(town: Town, sdk: OpenAI) -> None:
    accounts = sdk.admin.organization.projects.service_accounts
    made = accounts.create("proj_1", name="bot", create_service_account_only=True)
    assert (made.role, made.api_key) == ("none", None)
    key = accounts.api_keys.create(made.id, project_id="proj_1", name="ci", scopes=["api.model.read"])
    assert (key.object, key.name) == ("organization.project.service_account.api_key", "ci")
    shown = town.ask("GET", f"/projects/proj_1/api_keys/{key.id}").json()
    assert shown["permissions"] == {"models": "read"}
    plain = accounts.api_keys.create(made.id, project_id="proj_1")
    assert plain.name == "Secret Key"
    assert town.ask("GET", f"/projects/proj_1/api_keys/{plain.id}").json()["permissions"] == "all"
    with pytest.raises(BadRequestError, match="leave it out") as empty:
        accounts.api_keys.create(made.id, project_id="proj_1", scopes=[])
    assert empty.value.param == "scopes"
    with pytest.raises(BadRequestError, match="not a scope"):
        accounts.api_keys.create(made.id, project_id="proj_1", scopes=["api.everything.eat"])


def test_one_is_renamed_and_deleted_with_its_keys(town: Town, sdk: OpenAI) -> None:
    accounts = sdk.admin.organization.projects.service_accounts
    made = accounts.create("proj_1", name="bot")
    assert made.api_key is not None
    renamed = accounts.update(made.id, project_id="proj_1", name="robot", role="owner")
    assert (renamed.name, renamed.role) == ("robot", "owner")
    town.changed.clear()
    gone = accounts.delete(made.id, project_id="proj_1")
    assert (gone.object, gone.id, gone.deleted) == ("organization.project.service_account.deleted", made.id, True)
    assert town.changed == [made.api_key.id]
    with pytest.raises(NotFoundError):
        accounts.retrieve(made.id, project_id="proj_1")
    with pytest.raises(NotFoundError):
        accounts.delete(made.id, project_id="proj_1")
    with pytest.raises(NotFoundError):
        sdk.admin.organization.projects.api_keys.retrieve(made.api_key.id, project_id="proj_1")
    key = town.ask("GET", f"/projects/proj_1/api_keys/{made.api_key.id}?include_revoked=true").json()
    assert (key["status"], key["owner_project_access"]) == ("revoked", "inactive")


def test_paging_one_by_one_gives_each_once_in_order(sdk: OpenAI) -> None:
    accounts = sdk.admin.organization.projects.service_accounts
    made = [accounts.create("proj_1", name=f"bot {number}").id for number in range(4)]
    seen = [account.id for account in accounts.list("proj_1", limit=1)]
    assert sorted(seen) == sorted(made)
    assert seen == [account.id for account in accounts.list("proj_1", limit=100)]
    assert [account.id for account in accounts.list("proj_1", after="nothing")] == []


def test_revoking_a_single_one_of_its_keys_is_an_error_and_disabling_it_is_not(town: Town) -> None:
    made = town.ask("POST", "/projects/proj_1/service_accounts", body={"name": "bot"}).json()
    path = f"/projects/proj_1/api_keys/{made['api_key']['id']}"
    assert refusal(town.ask("DELETE", path)) == (400, "api_key_id", Code.PARAMETER_INVALID)
    assert town.ask("GET", path).json()["status"] == "active"
    assert town.ask("POST", f"{path}/disable").json()["status"] == "disabled"
    rotated = town.ask("POST", f"{path}/rotate", body={"overlap_seconds": 0}).json()
    assert rotated["value"].startswith("sk-svcacct-kh_")


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({}, "name", Code.PARAMETER_MISSING),
        ({"name": ""}, "name", Code.PARAMETER_INVALID),
        ({"name": 5}, "name", Code.PARAMETER_INVALID),
        ({"name": "x", "create_service_account_only": "yes"}, "create_service_account_only", Code.PARAMETER_INVALID),
    ],
)
def test_a_wrong_body_is_refused_by_the_field(town: Town, body: object, param: str, code: Code) -> None:
    assert refusal(town.ask("POST", "/projects/proj_1/service_accounts", body=body)) == (400, param, code)
    assert town.rows("service_accounts") == []


def test_one_and_its_keys_are_made_once_for_one_idempotency_key(town: Town) -> None:
    path, headers = "/projects/proj_1/service_accounts", {"idempotency-key": "build-7"}
    made, again = (town.ask("POST", path, body={"name": "bot"}, headers=headers).json() for _ in range(2))
    assert made == again
    assert made["api_key"]["value"]
    path += f"/{made['id']}/api_keys"
    other = town.ask("POST", path, body={}, headers=headers)
    assert refusal(other) == (409, "Idempotency-Key", Code.CONFLICT)
    headers = {"idempotency-key": "build-8"}
    first, second = (town.ask("POST", path, body={}, headers=headers).json() for _ in range(2))
    assert first == second
    assert len(town.rows("service_accounts")) == 1
