"""OpenAI's own client, unchanged and strict about every field, through every list with one object a page."""

from collections.abc import Iterator
from typing import Any

import pytest
from openai import BadRequestError, NotFoundError, OpenAI, PermissionDeniedError

from admin.town import NOW, Town, run
from keyhouse.control.keys import KeyDraft


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


def test_an_error_is_the_sdks_own_exception_with_its_request_id(town: Town, sdk: OpenAI) -> None:
    with pytest.raises(NotFoundError, match="proj_2") as missing:
        sdk.admin.organization.projects.retrieve("proj_2")
    assert missing.value.type == "invalid_request_error"
    assert (missing.value.request_id or "").startswith("req_")
    with town.sdk(town.reader) as reader, pytest.raises(PermissionDeniedError, match="owner"):
        reader.admin.organization.projects.create(name="mine")
