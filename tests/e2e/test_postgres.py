"""Two gateways on one PostgreSQL database: one set of keys, one set of books."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from e2e.admin import Admin
from e2e.processes import House, eventually

BODY = {"model": "keyhouse-demo", "messages": [{"role": "user", "content": "Hello"}]}


@pytest.fixture
def houses(tmp_path: Path, postgres_url: str) -> Iterator[tuple[House, House]]:
    """Two gateways that share nothing but the database and a copy of the master key."""
    made = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        house = House(tmp_path / name)
        house.environment["KEYHOUSE_DATABASE__URL"] = postgres_url
        made.append(house)
    first, second = made
    second.established = first.init()
    second.data.mkdir()
    shutil.copy(first.data / "master.key", second.data / "master.key")
    try:
        yield first.start(), second.start()
    finally:
        for house in made:
            house.stop()


def call(house: House, secret: str) -> httpx.Response:
    return httpx.post(f"{house.url}/v1/chat/completions", json=BODY, headers={"authorization": f"Bearer {secret}"})


def test_a_key_made_on_one_gateway_works_on_the_other_until_it_is_revoked(houses: tuple[House, House]) -> None:
    with Admin(houses[0]) as admin:
        key = admin.create_key()
        assert [call(house, key["value"]).status_code for house in houses] == [200, 200]
        admin.revoke(key["id"])
        for house in houses:
            answer = call(house, key["value"])
            assert (answer.status_code, answer.json()["error"]["reason"]) == (401, "key_revoked")


def test_what_one_gateway_changes_of_a_key_the_other_forgets_at_once(houses: tuple[House, House]) -> None:
    first, second = houses
    with Admin(first) as admin:
        key = admin.create_key()
        assert call(second, key["value"]).status_code == 200
        path = f"/projects/{admin.project_id}/api_keys/{key['id']}"
        # Which models it may call is not read anew by the reserving transaction: it is remembered for ten seconds,
        # unless its change is heard.
        for models, status in ((["another"], 403), (None, 200)):
            admin.ask("POST", path, body={"models": models})
            eventually(lambda status=status: call(second, key["value"]).status_code == status, "not heard", 3.0)  # type: ignore[misc]


def test_a_budget_holds_across_both_and_the_books_agree(houses: tuple[House, House], postgres_url: str) -> None:
    first, _ = houses
    with Admin(first) as admin:
        key = admin.create_key()
        admin.limit(("key", key["id"]), "requests", "day", "5")
        answers: list[Any] = [call(house, key["value"]) for _ in range(5) for house in houses]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429] * 5
    verified = first.command("ledger", "verify", "--database", postgres_url)
    assert (verified.status, verified.talk) == (0, "")
    assert "The books agree." in verified.output
