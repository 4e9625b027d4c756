"""The audit log over HTTP: OpenAI's shapes to a strict client, every filter, both directions, and is it whole."""

from collections.abc import Iterator
from typing import Any

import pytest
from openai import OpenAI
from sqlalchemy import text

from admin.town import NOW, Town, refusal, run
from keyhouse.admin.audit_shapes import events_of
from keyhouse.core.errors import Code
from keyhouse.store.audit import Event


@pytest.fixture
def sdk(town: Town) -> Iterator[OpenAI]:
    with town.sdk() as client:
        yield client


def history(town: Town) -> dict[str, Any]:
    """Things that `org-1`'s owner did, a second apart; the ids they are about."""
    ids = {}
    steps = (
        ("project", "/projects", {"name": "Research"}),
        ("account", "/projects/proj_1/service_accounts", {"name": "bot"}),
        ("key", "/projects/proj_1/api_keys", {"name": "app"}),
        ("limit", "/limits", {"scope": {"type": "organization"}, "unit": "usd", "window": "month", "amount": "1"}),
    )
    for name, path, body in steps:
        town.clock.turn(seconds=1)
        answer = town.ask("POST", path, body=body)
        assert answer.status_code == 200, answer.text
        ids[name] = answer.json()["id"]
    town.clock.turn(seconds=1)
    assert town.ask("POST", f"/projects/proj_1/api_keys/{ids['key']}/rotate", body={}).status_code == 200
    return ids


def listed(town: Town, query: str = "", key: str | None = None) -> list[dict[str, Any]]:
    answer = town.ask("GET", f"/audit_logs?limit=100&{query}", key=key)
    assert answer.status_code == 200, answer.text
    entries: list[dict[str, Any]] = answer.json()["data"]
    return entries


def test_a_strict_client_reads_the_log_one_entry_a_page_newest_first(town: Town, sdk: OpenAI) -> None:
    ids = history(town)
    found = list(sdk.admin.organization.audit_logs.list(limit=1))
    assert [entry.id for entry in found] == [entry["id"] for entry in listed(town)]
    rotated, limit, key, _first_key, account, project = found[:6]
    assert (rotated.type, (rotated.model_extra or {})["event"]) == ("api_key.updated", "api_key.rotated")
    assert rotated.api_key_updated is not None
    assert rotated.api_key_updated.id == ids["key"]
    assert (limit.type, (limit.model_extra or {})["details"]["amount"]) == ("rate_limit.updated", "1.00")
    assert key.api_key_created is not None
    assert key.api_key_created.id == ids["key"]
    assert (key.project.id, key.project.name) == ("proj_1", "Main") if key.project else False
    assert account.service_account_created is not None
    assert account.service_account_created.data is not None
    assert account.service_account_created.data.role == "member"
    assert project.project_created is not None
    assert project.project_created.data is not None
    assert project.project_created.data.title == "Research"
    assert project.effective_at == NOW + 1
    actor = project.actor
    assert actor is not None
    assert actor.type == "api_key"
    assert actor.api_key is not None
    assert actor.api_key.user is not None
    assert (actor.api_key.type, actor.api_key.user.email) == ("user", "user-1@example.com")
    by_session = found[-1].actor
    assert by_session is not None
    assert by_session.session is not None
    assert by_session.session.user is not None
    assert by_session.session.user.id == "user-1"


def test_each_filter_lets_through_only_what_it_names(town: Town, sdk: OpenAI) -> None:
    ids = history(town)
    everything = listed(town)
    key_id = next(entry["actor"]["api_key"]["id"] for entry in everything if entry["actor"]["type"] == "api_key")

    def events(query: str) -> list[str]:
        return [entry["event"] for entry in listed(town, query)]

    assert events(f"resource_ids[]={ids['key']}") == ["api_key.rotated", "api_key.created"]
    assert events(f"resource_ids={ids['limit']}&resource_ids={ids['project']}") == ["limit.set", "project.created"]
    assert events("event_types[]=api_key.updated") == ["api_key.rotated"]
    assert events("event_types[]=api_key.rotated,limit.set") == ["api_key.rotated", "limit.set"]
    assert events(f"project_ids[]={ids['project']}") == ["project.created"]
    assert events("event_types[]=nothing.happened") == []
    assert events("tenant_only=true") == []
    assert len(events(f"actor_ids[]={key_id}")) == 6
    assert len(events("actor_ids[]=user-1")) == 7
    assert len(events("actor_emails[]=reader@example.com")) == 1
    assert len(events("actor_emails[]=Reader@Example.com")) == 1
    assert events(f"effective_at[gte]={NOW + 4}&effective_at[lt]={NOW + 5}") == ["limit.set"]
    assert events(f"effective_at[gt]={NOW + 4}") == ["api_key.rotated"]
    assert events(f"effective_at[gt]={NOW}&effective_at[lte]={NOW + 1}") == ["project.created"]
    strict = sdk.admin.organization.audit_logs.list(
        effective_at={"gte": NOW + 1, "lt": NOW + 2}, event_types=["project.created"], project_ids=[ids["project"]]
    )
    assert [entry.id for entry in strict] == [listed(town, f"resource_ids={ids['project']}")[0]["id"]]
    assert refusal(town.ask("GET", "/audit_logs?effective_at[gte]=soon"))[:2] == (400, "effective_at[gte]")


def test_before_gives_what_is_just_newer(town: Town) -> None:
    history(town)
    ids = [entry["id"] for entry in listed(town)]
    page = town.ask("GET", f"/audit_logs?before={ids[4]}&limit=2").json()
    assert [entry["id"] for entry in page["data"]] == ids[2:4]
    assert page["has_more"] is True
    page = town.ask("GET", f"/audit_logs?before={ids[2]}&limit=2").json()
    assert ([entry["id"] for entry in page["data"]], page["has_more"]) == (ids[:2], False)
    between = town.ask("GET", f"/audit_logs?after={ids[0]}&before={ids[3]}").json()["data"]
    assert [entry["id"] for entry in between] == ids[1:3]
    for query in ("limit=0", "after=after", "before=before"):
        page = town.ask("GET", f"/audit_logs?{query}").json()
        assert (page["data"], page["has_more"], page["last_id"]) == ([], False, None)


def test_what_openai_calls_one_thing_may_be_several_here() -> None:
    assert events_of(("api_key.created",)) == (Event.ADMIN_API_KEY_CREATED, Event.API_KEY_CREATED)
    assert events_of(("api_key.rotated",)) == (Event.API_KEY_ROTATED,)


def test_another_organization_and_a_member_see_nothing_of_it(town: Town) -> None:
    history(town)
    theirs = {entry["resource_id"] for entry in listed(town, key=town.stranger)}
    assert not theirs & {entry["resource_id"] for entry in listed(town)}
    for path in ("/audit_logs", "/audit_logs/verify"):
        assert refusal(town.ask("GET", path, key=town.member)) == (403, None, Code.NOT_PERMITTED)


def test_whether_the_log_is_whole_can_be_asked(town: Town) -> None:
    history(town)
    found = town.ask("GET", "/audit_logs/verify").json()
    assert (found["passes"], found["findings"]) == (True, [])
    assert found["entries"] == len(listed(town))
    assert found["head"].startswith(f"{found['entries']}:")
    statement = "UPDATE audit_events SET address = '192.0.2.9' WHERE organization_id = 'org-1' AND sequence = 2"
    run(town.database.write(lambda connection: connection.execute(text(statement)).rowcount))
    found = town.ask("GET", "/audit_logs/verify").json()
    assert found["passes"] is False
    assert "entry 2" in found["findings"][0]
    assert town.ask("GET", "/audit_logs/verify", key=town.stranger).json()["passes"] is True
