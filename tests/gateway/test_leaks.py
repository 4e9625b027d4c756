"""Reports of leaked secrets: the key is stopped at once, and nobody learns from the answer whether there is one."""

from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from sqlalchemy import select, update

from core.test_leak_signatures import published, signed
from gateway.scripted import SECRET, Street, Wire, a_street
from given import seeded_entropy
from keyhouse.control.leaks import Leaks
from keyhouse.core.errors import Code
from keyhouse.core.leak_signatures import read_signatures
from keyhouse.core.secret import Kind, mint
from keyhouse.gateway.report_throttle import REQUESTS_OF_ONE_MAX
from keyhouse.store import schema
from keyhouse.wire.leaks import LeakReport

UNKNOWN = mint(Kind.USER, "key_0123456789", seeded_entropy(5)).value
FOUND = {"token": SECRET, "type": "keyhouse_api_key", "url": "https://git.example/blob/1/a.py", "source": "content"}


async def answer(wire: Wire) -> None:
    await wire.answer({"id": "1", "object": "chat.completion", "choices": [], "usage": {"prompt_tokens": 1}})


async def report(street: Street, *reports: object, **headers: str) -> httpx.Response:
    return await street.http.post("/v1/leaks", json=list(reports), headers=headers)


async def events(street: Street) -> list[dict[str, Any]]:
    rows = await street.database.read(lambda c: c.execute(select(schema.audit_events)).mappings().all())
    return [dict(row) for row in rows]


@pytest.mark.asyncio
async def test_a_reported_key_is_disabled_at_once_and_recorded_with_where_it_was(tmp_path: Path) -> None:
    async with a_street(tmp_path, answer) as street:
        assert (await street.ask()).status_code == 200
        told = await report(street, FOUND)
        assert (told.status_code, told.content) == (204, b"")
        refused = await street.ask()
        assert (refused.status_code, refused.json()["error"]["reason"]) == (401, Code.KEY_DISABLED)
        (entry,) = await events(street)
        details = msgspec.json.decode(entry["details"])
    assert (entry["event"], entry["resource_id"], entry["actor_type"]) == ("api_key.leaked", "key_1", "system")
    assert (details["url"], details["source"], details["version"]) == (FOUND["url"], "content", 1)
    assert SECRET not in entry["details"]


@pytest.mark.asyncio
async def test_the_answer_says_nothing_and_what_is_no_living_secret_leaves_no_trace(tmp_path: Path) -> None:
    async with a_street(tmp_path, answer) as street:
        wrong = SECRET[:-1] + ("A" if SECRET[-1] != "A" else "B")
        answers = [await report(street, {"token": token}) for token in (UNKNOWN, wrong, "", "sk-proj-x", SECRET)]
        again = await report(street, FOUND, FOUND, {"token": UNKNOWN, "more": [1]})
        empty = await report(street)
        for each in (*answers, again, empty):
            assert (each.status_code, each.content) == (204, b"")
            assert set(each.headers) - {"x-request-id", "date", "server"} == set()
        assert len(await events(street)) == 1
        assert await street.calls() == []


@pytest.mark.asyncio
async def test_an_ended_secret_of_a_key_stops_nothing(tmp_path: Path) -> None:
    async with a_street(tmp_path, answer) as street:
        ended = update(schema.key_secrets).values(ends_at_ms=street.clock.now_ms())
        await street.database.write(lambda c: c.execute(ended).rowcount)
        assert (await report(street, FOUND)).status_code == 204
        assert await events(street) == []


@pytest.mark.asyncio
async def test_an_installation_may_revoke_instead(tmp_path: Path) -> None:
    async with a_street(tmp_path, answer) as street:
        leaks = Leaks(street.database, b"p" * 32, "revoke", street.authenticator.forget)
        assert await leaks.report([LeakReport(SECRET)], "192.0.2.1") == 1
        assert (await street.ask()).json()["error"]["reason"] == Code.KEY_REVOKED


@pytest.mark.asyncio
async def test_a_body_that_is_no_list_of_reports_is_400_and_too_many_reports_are_429(tmp_path: Path) -> None:
    async with a_street(tmp_path, answer) as street:
        for body in ('{"token": "x"}', "[1]", "[{}]", '[{"token": 1}]', "x"):
            told = await street.http.post("/v1/leaks", content=body)
            assert told.status_code == 400, body
        for _ in range(REQUESTS_OF_ONE_MAX - 5):
            assert (await report(street)).status_code == 204
        told = await report(street, FOUND)
        assert (told.status_code, told.json()["error"]["reason"]) == (429, Code.REPORTS_THROTTLED)
        assert int(told.headers["retry-after-ms"]) <= 60_000
        assert (await street.ask()).status_code == 200
        street.clock.turn(minutes=1)
        assert (await report(street, FOUND)).status_code == 204
        assert (await street.ask()).status_code == 401


@pytest.mark.asyncio
async def test_where_githubs_keys_are_known_only_what_it_signed_is_taken(tmp_path: Path) -> None:
    own, other = generate_private_key(SECP256R1()), generate_private_key(SECP256R1())
    async with a_street(tmp_path, answer, signatures=read_signatures(published(one=own))) as street:
        body = msgspec.json.encode([FOUND])
        right = {"github-public-key-identifier": "one", "github-public-key-signature": signed(own, body)}
        for wrong in (
            {},
            {"github-public-key-identifier": "one"},
            right | {"github-public-key-identifier": "two"},
            right | {"github-public-key-signature": signed(other, body)},
            right | {"github-public-key-signature": signed(own, body + b" ")},
            right | {"github-public-key-signature": "not base64"},
        ):
            told = await street.http.post("/v1/leaks", content=body, headers=wrong)
            assert (told.status_code, told.json()["error"]["reason"]) == (401, Code.SIGNATURE_WRONG), wrong
        assert (await street.ask()).status_code == 200
        assert (await street.http.post("/v1/leaks", content=body, headers=right)).status_code == 204
        assert (await street.ask()).json()["error"]["reason"] == Code.KEY_DISABLED
