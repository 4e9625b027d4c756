"""Finding what a person named."""

import pytest

from admin.town import Town, run
from cli.conftest import Run
from keyhouse.cli import lookup
from keyhouse.cli.client import Client
from keyhouse.cli.talk import Exit, Failure
from keyhouse.control.keys import KeyDraft


@pytest.fixture
def client(town: Town) -> Client:
    return Client({"KEYHOUSE_URL": town.url, "KEYHOUSE_ADMIN_KEY": town.owner})


def test_without_a_name_it_is_the_default_project(client: Client) -> None:
    assert lookup.project(client, None) == "proj_1"


def test_a_name_that_two_projects_have_is_refused_with_their_ids(town: Town, client: Client) -> None:
    ids = [town.ask("POST", "/projects", body={"name": "twin"}).json()["id"] for _ in range(2)]
    with pytest.raises(Failure) as refused:
        lookup.project(client, "twin")
    assert refused.value.status is Exit.USAGE
    assert all(project_id in refused.value.message for project_id in ids)


def test_a_key_is_found_in_whatever_project_it_is(town: Town, client: Client) -> None:
    project_id = town.ask("POST", "/projects", body={"name": "other"}).json()["id"]
    issued = run(town.keys.create(town.actor(), KeyDraft(name="app", project_id=project_id)))
    town.ask("POST", f"/projects/{project_id}/archive")
    assert lookup.key(client, issued.key.id, None)["project_id"] == project_id
    assert lookup.key_path(client, issued.key.id, None) == f"/projects/{project_id}/api_keys/{issued.key.id}"


def test_a_key_is_not_looked_for_outside_the_project_named(town: Town, client: Client) -> None:
    project_id = town.ask("POST", "/projects", body={"name": "other"}).json()["id"]
    with pytest.raises(Failure) as refused:
        lookup.key(client, "key_1", project_id)
    assert refused.value.status is Exit.NOT_FOUND


def test_a_secret_on_the_command_line_is_refused_and_not_sent_on(town: Town, run: Run) -> None:
    _, value = town.project_key()
    for words in (["keys", "show", value], ["keys", "revoke", value], ["limits", "list", "--key", value]):
        ended = run(words)
        assert (ended.returncode, ended.stdout) == (2, "")
        assert value not in ended.stderr
        assert "rotate" in ended.stderr
