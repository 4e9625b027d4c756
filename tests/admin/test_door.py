"""The door: a mistake of ours lets nobody in, and says so in OpenAI's shape."""

from admin.town import Town, refusal
from keyhouse.core.errors import Code


def test_a_database_that_fails_lets_nobody_in_and_tells_no_secrets(town: Town) -> None:
    town.execute(lambda c: c.exec_driver_sql("ALTER TABLE key_secrets RENAME TO gone"))
    answer = town.ask("GET", "/projects")
    assert refusal(answer) == (500, None, Code.INTERNAL)
    assert answer.headers["x-request-id"] in answer.json()["error"]["message"]
    assert "key_secrets" not in answer.text


def test_a_route_that_fails_says_so_too(town: Town) -> None:
    town.execute(lambda c: c.exec_driver_sql("ALTER TABLE usage_hour RENAME TO gone"))
    answer = town.ask("GET", "/costs?start_time=0&end_time=1")
    assert refusal(answer) == (500, None, Code.INTERNAL)
    assert answer.headers["cache-control"] == "no-store"
    assert "usage_hour" not in answer.text


def test_the_audit_log_names_the_admin_key_and_the_address(town: Town) -> None:
    town.ask("POST", "/projects", body={"name": "x"})
    event = town.rows("audit_events")[-1]
    assert (event["event"], event["actor_type"], event["address"]) == ("project.created", "api_key", "127.0.0.1")
    assert event["actor_id"].startswith("key_")
