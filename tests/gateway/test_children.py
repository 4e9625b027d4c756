"""Child keys over HTTP: made with less, paid out of the parent's limits, dead when the parent is."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import update

from gateway.scripted import SECRET, USAGE, Street, Wire, a_budget, a_street, the_key
from keyhouse.control.keys import KeyChange, Keys
from keyhouse.core.errors import Code
from keyhouse.store import schema
from keyhouse.store.engine import Actor

OWNER = Actor("session", "org-1", "user-1", "user-1@example.com", "owner")


async def answer(wire: Wire) -> None:
    await wire.answer({"id": "1", "object": "chat.completion", "choices": [], "usage": USAGE})


async def children(
    street: Street, method: str = "POST", tail: str = "", secret: str = SECRET, **body: Any
) -> httpx.Response:
    return await street.http.request(
        method,
        f"/v1/keys/children{tail}",
        json=body if method == "POST" else None,
        headers={"authorization": f"Bearer {secret}"},
    )


async def mint(street: Street, **body: Any) -> dict[str, Any]:
    made = await children(street, **body)
    assert made.status_code == 200, made.text
    child: dict[str, Any] = made.json()
    return child


def reason(got: httpx.Response) -> tuple[int, str]:
    return got.status_code, got.json()["error"]["reason"]


def verbs(street: Street) -> Keys:
    """The control plane of the same gateway."""
    return Keys(street.database, street.clock, bytes, b"p" * 32, street.authenticator.forget)


@pytest.mark.asyncio
async def test_a_childs_calls_are_its_own_and_count_on_its_parents_limits(tmp_path: Path) -> None:
    # A call costs 17 nano-USD and reserves at most some hundreds: the parent's budget is enough for three at a time.
    async with a_street(tmp_path, answer, a_budget(10_000)) as street:
        child = await mint(street, name="run 7", budget_usd="0.000005")
        assert child["parent_id"] == "key_1"
        assert (await street.ask(child["value"])).status_code == 200
        call = await street.the_call()
        assert (call.key_id, call.charged_nano_usd) == (child["id"], 17)
        await street.ask()
        await street.commit.settled()
        rows = await street.database.read(lambda c: c.execute(schema.limit_periods.select()).mappings().all())
        by_limit = {row["limit_id"]: row["settled"] for row in rows}
        assert by_limit.pop("limit_1") == 34
        assert list(by_limit.values()) == [17]


@pytest.mark.asyncio
async def test_children_together_never_spend_more_than_their_parent_may(tmp_path: Path) -> None:
    async with a_street(tmp_path, answer, a_budget(2_000)) as street:
        values = [(await mint(street, budget_usd="0.000002"))["value"] for _ in range(4)]
        answers = await asyncio.gather(*(street.ask(value) for value in values * 5))
        refused = [got for got in answers if got.status_code == 429]
        assert refused
        assert "key_1, which made this one, is limited to" in refused[0].json()["error"]["message"]
        await street.commit.settled()
        rows = await street.database.read(lambda c: c.execute(schema.limit_periods.select()).mappings().all())
        (parents,) = [row for row in rows if row["limit_id"] == "limit_1"]
        assert parents["settled"] + parents["reserved"] <= 2_000


@pytest.mark.asyncio
async def test_a_child_has_no_more_than_its_parent(tmp_path: Path) -> None:
    parent = the_key(permissions='{"child_keys": "write", "chat_completions": "write"}', models='["tiny-1"]')
    async with a_street(tmp_path, answer, parent) as street:
        for body in ({"permissions": "all"}, {"permissions": {"embeddings": "read"}}, {"models": ["unpriced"]}):
            assert reason(await children(street, **body)) == (400, Code.PARAMETER_INVALID), body
        child = await mint(street, permissions={"chat_completions": "write"}, models=["tiny-1"])
        assert (await street.ask(child["value"])).status_code == 200
        assert reason(await street.ask(child["value"], model="unpriced")) == (403, Code.MODEL_NOT_ALLOWED)
        assert reason(await children(street, secret=child["value"])) == (403, Code.PERMISSION_MISSING)
        whole = await mint(street)
        assert (whole["permissions"], whole["models"]) == (
            {"child_keys": "write", "chat_completions": "write"},
            ["tiny-1"],
        )
        assert reason(await children(street, secret=whole["value"])) == (403, Code.PERMISSION_MISSING)


@pytest.mark.asyncio
async def test_what_is_taken_from_the_parent_is_taken_from_the_child(tmp_path: Path) -> None:
    async with a_street(tmp_path, answer) as street:
        child = await mint(street)
        assert (await street.ask(child["value"])).status_code == 200
        await verbs(street).update(OWNER, "key_1", KeyChange(models=("unpriced",)))
        assert reason(await street.ask(child["value"])) == (403, Code.MODEL_NOT_ALLOWED)
        await verbs(street).update(OWNER, "key_1", KeyChange(models=None, ip_allowlist=("10.0.0.0/8",)))
        assert reason(await street.ask(child["value"])) == (401, Code.ADDRESS_NOT_ALLOWED)


@pytest.mark.asyncio
async def test_a_child_is_dead_the_moment_its_parent_is(tmp_path: Path) -> None:
    async with a_street(tmp_path, answer) as street:
        child = await mint(street)
        assert (await street.ask(child["value"])).status_code == 200
        await verbs(street).disable(OWNER, "key_1")
        assert reason(await street.ask(child["value"])) == (401, Code.KEY_DISABLED)
        await verbs(street).enable(OWNER, "key_1")
        assert (await street.ask(child["value"])).status_code == 200
        # Revoked elsewhere, and this gateway has not heard of it: the reserving transaction reads the parent again.
        gone = update(schema.keys).where(schema.keys.c.id == "key_1").values(revoked_at_ms=street.clock.now_ms())
        await street.database.write(lambda c: c.execute(gone).rowcount)
        assert reason(await street.ask(child["value"])) == (401, Code.KEY_REVOKED)
        assert len(await street.calls()) == 2


@pytest.mark.asyncio
async def test_a_child_ends_by_itself_and_never_after_its_parent(tmp_path: Path) -> None:
    async with a_street(tmp_path, answer) as street:
        now = street.clock.now_ms() // 1000
        child = await mint(street, expires_in_seconds=60)
        assert child["expires_at"] == now + 60
        await verbs(street).update(OWNER, "key_1", KeyChange(expires_at_ms=(now + 100) * 1000))
        assert (await mint(street, expires_in_seconds=3_600))["expires_at"] == now + 100
        street.clock.turn(seconds=60)
        assert reason(await street.ask(child["value"])) == (401, Code.KEY_EXPIRED)
        for seconds in (0, 86_401):
            got = await children(street, expires_in_seconds=seconds)
            assert got.json()["error"]["param"] == "expires_in_seconds"


@pytest.mark.asyncio
async def test_a_parent_lists_and_revokes_its_own_children_and_no_other_key(tmp_path: Path) -> None:
    async with a_street(tmp_path, answer) as street:
        one, two = await mint(street, name="one"), await mint(street, name="two")
        listed = (await children(street, "GET")).json()["data"]
        assert {each["name"] for each in listed} == {"one", "two"}
        assert all("value" not in each for each in listed)
        assert (await children(street, "DELETE", f"/{one['id']}")).json()["deleted"] is True
        assert reason(await street.ask(one["value"])) == (401, Code.KEY_REVOKED)
        for other in (one["id"], "key_1", "key_nothing"):
            assert reason(await children(street, "DELETE", f"/{other}")) == (404, Code.NOT_FOUND)
        assert [each["id"] for each in (await children(street, "GET")).json()["data"]] == [two["id"]]
        assert reason(await children(street, "PUT")) == (405, Code.METHOD_NOT_ALLOWED)
        assert reason(await children(street, "DELETE", "/")) == (404, Code.ENDPOINT_UNKNOWN)


@pytest.mark.asyncio
async def test_only_a_key_with_the_permission_has_children(tmp_path: Path) -> None:
    async with a_street(tmp_path, answer, the_key(permissions='{"chat_completions": "write"}')) as street:
        for method in ("GET", "POST"):
            assert reason(await children(street, method)) == (403, Code.PERMISSION_MISSING)
        assert reason(await children(street, "DELETE", "/key_2")) == (403, Code.PERMISSION_MISSING)
