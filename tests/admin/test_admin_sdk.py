"""OpenAI's own client, unchanged and strict about every field, through every list with one object a page."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from openai import BadRequestError, ConflictError, NotFoundError, OpenAI, PermissionDeniedError

from admin.town import NOW, Town, run
from keyhouse.control.keys import KeyDraft
from keyhouse.core.secret import Kind, parse, redact


@pytest.fixture
def sdk(town: Town) -> Iterator[OpenAI]:
    with town.sdk() as client:
        yield client


def some_keys(town: Town, count: int) -> list[str]:
    """Keys made in this order, a second apart; their ids."""
    made = []
    for number in range(count):
        town.clock.turn(seconds=1)
        made.append(run(town.keys.create(town.actor(), KeyDraft(name=f"app {number}", project_id="proj_1"))).key.id)
    return made


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


def test_paging_one_by_one_gives_every_key_once_newest_first(town: Town, sdk: OpenAI) -> None:
    made = some_keys(town, 5)
    keys = sdk.admin.organization.projects.api_keys
    for limit in (1, 2, 5, 100):
        # The fixture's own key is the oldest.
        assert [key.id for key in keys.list("proj_1", limit=limit)] == [*reversed(made), "key_1"]


def test_keys_made_in_the_same_millisecond_are_each_listed_once(town: Town, sdk: OpenAI) -> None:
    made = {town.project_key()[0] for _ in range(7)} | {"key_1"}
    seen = [key.id for key in sdk.admin.organization.projects.api_keys.list("proj_1", limit=1)]
    assert sorted(seen) == sorted(made)


def test_paging_one_by_one_gives_every_admin_key_once_in_the_order_asked_for(town: Town, sdk: OpenAI) -> None:
    for _ in range(3):
        town.clock.turn(seconds=1)
        town.admin_key()
    keys = sdk.admin.organization.admin_api_keys
    rising = list(keys.list(limit=1))
    assert len(rising) == 6
    assert all(one.created_at <= two.created_at for one, two in pairwise(rising))
    assert [key.id for key in keys.list(limit=1, order="desc")] == [key.id for key in reversed(rising)]
    assert [key.id for key in keys.list(limit=100)] == [key.id for key in rising]


def test_an_empty_page_is_a_fair_answer(town: Town, sdk: OpenAI) -> None:
    """OpenAI's own tests ask for no objects, and behind objects that are not there."""
    some_keys(town, 2)
    organization = sdk.admin.organization
    pages: list[Any] = [
        organization.projects.list(limit=0),
        organization.projects.list(after="after"),
        organization.projects.api_keys.list("proj_1", limit=0),
        organization.projects.api_keys.list("proj_1", after="after"),
        organization.admin_api_keys.list(limit=0),
        organization.admin_api_keys.list(after="after"),
    ]
    for page in pages:
        assert page.data == []
        assert page.has_more is False
    for path in ("/limits?limit=0", "/limits?after=after"):
        answer = town.ask("GET", path).json()
        assert answer == {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}


def test_every_list_names_its_first_and_last_object(town: Town) -> None:
    some_keys(town, 3)
    for path in ("/projects", "/projects/proj_1/api_keys", "/admin_api_keys"):
        page = town.ask("GET", f"{path}?limit=2").json()
        assert page["object"] == "list"
        assert (page["first_id"], page["last_id"]) == (page["data"][0]["id"], page["data"][-1]["id"])


def test_a_key_is_read_and_deleted_as_openai_does(town: Town, sdk: OpenAI) -> None:
    (key_id,) = some_keys(town, 1)
    keys = sdk.admin.organization.projects.api_keys
    key = keys.retrieve(key_id, project_id="proj_1")
    assert (key.name, key.owner.type, key.owner_project_access, key.last_used_at) == ("app 0", "user", "active", None)
    assert key.owner.user is not None
    assert (key.owner.user.id, key.owner.user.email, key.owner.user.role) == ("user-1", "user-1@example.com", "owner")
    assert key.created_at == NOW + 1
    gone = keys.delete(key_id, project_id="proj_1")
    assert (gone.id, gone.deleted) == (key_id, True)
    assert town.changed[-1] == key_id
    for again in (keys.retrieve, keys.delete):
        with pytest.raises(NotFoundError, match="revoked"):
            again(key_id, project_id="proj_1")
    assert key_id not in {each.id for each in keys.list("proj_1")}
    answer = town.ask("GET", f"/projects/proj_1/api_keys/{key_id}?include_revoked=true").json()
    assert (answer["status"], answer["revoked_at"]) == ("revoked", NOW + 1)
    listed = town.ask("GET", "/projects/proj_1/api_keys?include_revoked=true").json()["data"]
    assert key_id in {each["id"] for each in listed}


def test_openais_own_update_sets_scopes_and_expiry(town: Town, sdk: OpenAI) -> None:
    (key_id,) = some_keys(town, 1)
    keys = sdk.admin.organization.projects.api_keys
    key = keys.update(key_id, project_id="proj_1", expires_in_seconds=60, scopes=["api.files.read"])
    assert key.expires_at == NOW + 1 + 60
    assert (key.model_extra or {})["permissions"] == {"files": "read"}
    for scopes, permissions in (([], "all"), (["api.all.read"], "read_only")):
        again = keys.update(key_id, project_id="proj_1", scopes=scopes)
        assert (again.model_extra or {})["permissions"] == permissions
        assert again.expires_at == NOW + 61
    calls = keys.update(key_id, project_id="proj_1", scopes=["model.request", "api.model.read", "api.files.write"])
    granted = (calls.model_extra or {})["permissions"]
    assert (granted["chat_completions"], granted["models"], granted["files"]) == ("write", "read", "write")
    assert "batches" not in granted
    with pytest.raises(BadRequestError, match="api.everything") as refused:
        keys.update(key_id, project_id="proj_1", scopes=["api.everything"])
    assert refused.value.param == "scopes"


def test_the_owners_access_filters_the_list(town: Town, sdk: OpenAI) -> None:
    some_keys(town, 3)
    keys = sdk.admin.organization.projects.api_keys
    town.execute(
        lambda c: c.exec_driver_sql("UPDATE api_keys SET owner_id = 'user-member' WHERE id = 'key_1'")  # is there
    )
    town.execute(
        lambda c: c.exec_driver_sql("UPDATE memberships SET removed_at_ms = 1 WHERE user_id = 'user-member'")  # is gone
    )
    assert [key.id for key in keys.list("proj_1", owner_project_access="inactive", limit=1)] == ["key_1"]
    active = [key.id for key in keys.list("proj_1", owner_project_access="active", limit=1)]
    assert len(active) == 3
    assert "key_1" not in active
    assert len(list(keys.list("proj_1", owner_project_access="any"))) == 4
    assert keys.retrieve("key_1", project_id="proj_1").owner_project_access == "inactive"


def test_an_admin_keys_value_is_in_the_answer_that_made_it_and_nowhere_else(town: Town, sdk: OpenAI) -> None:
    keys = sdk.admin.organization.admin_api_keys
    made = keys.create(name="terraform", expires_in_seconds=3600)
    secret = parse(made.value)
    assert secret is not None
    assert (secret.kind, secret.key_id) == (Kind.ADMIN, made.id)
    assert made.redacted_value == redact(made.value)
    assert made.expires_at == NOW + 3600
    assert (made.owner.id, made.owner.role) == ("user-1", "owner")
    found = keys.retrieve(made.id)
    assert "value" not in (found.model_extra or {})
    assert made.value not in town.ask("GET", "/admin_api_keys?limit=100").text
    with town.sdk(made.value) as other:
        assert other.admin.organization.projects.retrieve("proj_1").id == "proj_1"
        gone = other.admin.organization.admin_api_keys.delete(made.id)  # its own
        assert (gone.id, gone.deleted) == (made.id, True)
        with pytest.raises(Exception, match="revoked") as refused:
            other.admin.organization.projects.retrieve("proj_1")
        assert getattr(refused.value, "status_code", None) == 401
    with pytest.raises(NotFoundError):
        keys.retrieve(made.id)


@pytest.mark.parametrize("seconds", [0, -1, 31_536_001])
def test_an_admin_key_may_last_from_a_second_to_a_year(sdk: OpenAI, seconds: int) -> None:
    with pytest.raises(BadRequestError) as refused:
        sdk.admin.organization.admin_api_keys.create(name="x", expires_in_seconds=seconds)
    assert refused.value.param == "expires_in_seconds"


def test_an_error_is_the_sdks_own_exception_with_its_request_id(town: Town, sdk: OpenAI) -> None:
    with pytest.raises(NotFoundError, match="proj_2") as missing:
        sdk.admin.organization.projects.retrieve("proj_2")
    assert missing.value.type == "invalid_request_error"
    assert (missing.value.request_id or "").startswith("req_")
    with town.sdk(town.reader) as reader, pytest.raises(PermissionDeniedError, match="owner"):
        reader.admin.organization.projects.create(name="mine")
