"""The door: a mistake of ours lets nobody in, and says so in OpenAI's shape."""

from structlog.testing import capture_logs

from admin.town import Town, refusal
from keyhouse.core.errors import Code
from keyhouse.store.engine import Unavailable


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


class GoneDatabase:
    """A database that does not answer."""

    async def read(self, _question: object) -> None:
        raise Unavailable("the disk is on fire")


def test_a_database_that_does_not_answer_is_503_and_to_be_tried_again(town: Town) -> None:
    town.office.admin_keys._database = GoneDatabase()  # type: ignore[assignment]
    with capture_logs() as logs:
        answer = town.ask("GET", "/projects")
    assert refusal(answer) == (503, None, Code.LEDGER_UNAVAILABLE)
    assert answer.headers["retry-after"] == "1"
    assert "fire" not in answer.text
    assert [line["internal"] for line in logs] == ["the disk is on fire"]


def test_a_full_disk_is_503_and_to_be_tried_again(town: Town) -> None:
    pages = town.execute(lambda c: c.exec_driver_sql("PRAGMA page_count").scalar_one())
    town.execute(lambda c: c.exec_driver_sql(f"PRAGMA max_page_count = {pages}"))
    with capture_logs() as logs:
        answers = [town.ask("POST", "/projects", body={"name": "x" * 100}) for _ in range(200)]
    full = [answer for answer in answers if answer.status_code != 200]
    assert full
    assert {refusal(answer) for answer in full} == {(503, None, Code.LEDGER_UNAVAILABLE)}
    assert {answer.headers["retry-after"] for answer in full} == {"1"}
    assert {line["internal"] for line in logs} == {"database or disk is full"}
    town.execute(lambda c: c.exec_driver_sql("PRAGMA max_page_count = 1000000"))
    assert town.ask("POST", "/projects", body={"name": "x"}).status_code == 200
