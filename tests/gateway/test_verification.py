"""Keys verified for people's own APIs: always an answer, and the same books."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from sqlalchemy import Connection, insert, update

from gateway.given_responses import OTHER_ORGANIZATION, OTHER_PROJECT, others
from gateway.scripted import PEPPER, SECRET, Street, Wire, a_budget, a_street, the_key
from given import NOON, a_limit, an_opening, seeded_entropy
from keyhouse.core.call import Basis, Closing, State
from keyhouse.core.errors import Code
from keyhouse.core.key import Standing, why_dead
from keyhouse.core.limit import Unit, Window
from keyhouse.core.secret import Kind, digest, mint
from keyhouse.gateway.verification import CODES
from keyhouse.store import schema
from keyhouse.wire.verification import read_verification

ADMIN = mint(Kind.ADMIN, "key_9999999999", seeded_entropy(99)).value


async def never(wire: Wire) -> None:
    raise AssertionError("a verification asks no upstream")


def an_admin_key(connection: Connection) -> None:
    key = {"kind": "admin", "organization_id": "org-1", "owner_id": "user-1", "name": "admin", "permissions": '"all"'}
    connection.execute(insert(schema.keys).values(id="key_9", created_at_ms=NOON, created_by="user-1", **key))
    secret = {"version": 1, "pepper_version": 1, "last_four": "x9Fa", "created_at_ms": NOON, "created_by": "user-1"}
    connection.execute(insert(schema.key_secrets).values(key_id="key_9", digest=digest(ADMIN, PEPPER), **secret))


async def post(street: Street, body: dict[str, Any], asker: str = ADMIN) -> httpx.Response:
    return await street.http.post("/v1/keys/verify", json=body, headers={"authorization": f"Bearer {asker}"})


async def verify(street: Street, **body: Any) -> dict[str, Any]:
    answer = await post(street, {"key": SECRET} | body)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


@pytest.mark.asyncio
async def test_a_valid_key_is_told_with_its_limits_and_charged_as_one_call(tmp_path: Path) -> None:
    async with a_street(tmp_path, never, an_admin_key, a_budget(1_000_000_000)) as street:
        told = await verify(street, cost={"usd": "0.25", "tokens": 7}, model="tiny-1", ip="192.0.2.7")
        call = await street.the_call()
        assert (told["valid"], told["code"], told["reason"], told["call_id"]) == (True, "VALID", None, call.id)
        assert (told["key"]["id"], told["key"]["name"]) == ("key_1", "first")
        assert told["key"]["owner"] == {"type": "user", "id": "user-1"}
        (limit,) = told["limits"]
        assert (limit["unit"], limit["amount"], limit["left"]) == ("usd", "1.00", "0.75")
    assert (call.endpoint, call.model, call.key_id, call.address) == ("/v1/keys/verify", "tiny-1", "key_1", "192.0.2.7")
    assert (call.state, call.basis, call.charged_nano_usd, call.input_tokens, call.status) == (
        ("settled", "stated", 250_000_000, 7, 200)
    )


@pytest.mark.asyncio
async def test_twenty_at_once_against_a_limit_of_seven_are_seven(tmp_path: Path) -> None:
    def limit(connection: Connection) -> None:
        a_limit(connection, 7, unit=Unit.REQUESTS, window=Window.DAY)

    async with a_street(tmp_path, never, an_admin_key, limit) as street:
        told = await asyncio.gather(*(verify(street) for _ in range(20)))
        assert len(await street.calls()) == 7
        codes = [each["code"] for each in told]
        assert (codes.count("VALID"), codes.count("USAGE_EXCEEDED")) == (7, 13)
        refused = next(each for each in told if not each["valid"])
        assert (refused["call_id"], refused["reason"]) == (None, Code.LIMIT_QUOTA)
        assert (refused["details"]["needed"], refused["details"]["left"]) == ("1", "0")
        # A model call finds the same counter full.
        assert (await street.ask()).status_code == 429


@pytest.mark.asyncio
async def test_looking_consumes_nothing(tmp_path: Path) -> None:
    async with a_street(tmp_path, never, an_admin_key, a_budget(5)) as street:
        told = await verify(street, cost={"requests": 0})
        assert (told["valid"], told["call_id"]) == (True, None)
        assert [limit["left"] for limit in told["limits"]] == ["0.000000005"]
        assert await street.calls() == []


REFUSALS: dict[str, tuple[Any, dict[str, Any], Code]] = {
    "REVOKED": (the_key(revoked_at_ms=NOON), {}, Code.KEY_REVOKED),
    "EXPIRED": (the_key(expires_at_ms=NOON), {}, Code.KEY_EXPIRED),
    "DISABLED": (the_key(disabled_at_ms=NOON), {}, Code.KEY_DISABLED),
    "FORBIDDEN": (the_key(access_lost_at_ms=NOON), {}, Code.KEY_ACCESS_LOST),
    "INSUFFICIENT_PERMISSIONS": (
        the_key(permissions='{"models": "read"}'),
        {"permissions": {"models": "read", "chat_completions": "read"}},
        Code.PERMISSION_MISSING,
    ),
    "RATE_LIMITED": (a_budget(0, window=Window.MINUTE), {"cost": {"usd": 1}}, Code.LIMIT_RATE_TOO_LARGE),
    "USAGE_EXCEEDED": (a_budget(999_999_999), {"cost": {"usd": 1}}, Code.LIMIT_QUOTA),
}


@pytest.mark.asyncio
@pytest.mark.parametrize("code", REFUSALS)
async def test_a_refused_key_is_told_why_and_consumes_nothing(tmp_path: Path, code: str) -> None:
    seed, body, reason = REFUSALS[code]
    async with a_street(tmp_path, never, seed, an_admin_key) as street:
        told = await verify(street, **body)
        assert (told["valid"], told["code"], told["reason"]) == (False, code, reason)
        assert (told["key"]["id"], told["call_id"]) == ("key_1", None)
        assert told["message"]
        assert await street.calls() == []


@pytest.mark.parametrize("field", Standing.__struct_fields__)
def test_whatever_a_key_died_of_is_an_answer(field: str) -> None:
    dead = why_dead(Standing(**{field: NOON}), NOON)
    assert dead in CODES


@pytest.mark.asyncio
async def test_an_address_or_a_model_off_the_list_is_forbidden(tmp_path: Path) -> None:
    seed = the_key(ip_allowlist='["192.0.2.0/24"]', models='["tiny-1"]')
    async with a_street(tmp_path, never, seed, an_admin_key) as street:
        for body in ({}, {"ip": "203.0.113.7"}, {"ip": "nonsense"}, {"ip": "192.0.2.7", "model": "big-1"}):
            assert (await verify(street, **body))["code"] == "FORBIDDEN", body
        assert (await verify(street, ip="192.0.2.7", model="tiny-1"))["valid"]


@pytest.mark.asyncio
async def test_a_secret_whose_overlap_has_ended_is_rotated_and_says_since_when(tmp_path: Path) -> None:
    def end(connection: Connection) -> None:
        changed = update(schema.key_secrets).where(schema.key_secrets.c.key_id == "key_1")
        connection.execute(changed.values(ends_at_ms=NOON))

    async with a_street(tmp_path, never, an_admin_key, end) as street:
        told = await verify(street)
        called = await street.ask()
    assert told["code"] == "ROTATED"
    for message in (told["message"], called.json()["error"]["message"]):
        assert "ended on 24 November 2026 at 12:00 UTC" in message


@pytest.mark.asyncio
async def test_what_is_no_key_of_this_organization_is_not_found(tmp_path: Path) -> None:
    unknown = mint(Kind.USER, "key_0123456789", seeded_entropy(5)).value
    async with a_street(tmp_path, never, an_admin_key, others) as street:
        for key in (OTHER_ORGANIZATION, unknown, SECRET[:-1] + ("A" if SECRET[-1] != "A" else "B"), ADMIN, "x' OR 1=1"):
            told = await verify(street, key=key)
            assert (told["valid"], told["code"], told["key"], told["limits"]) == (False, "NOT_FOUND", None, [])
        assert await street.calls() == []


@pytest.mark.asyncio
async def test_who_may_ask(tmp_path: Path) -> None:
    def keys_only(connection: Connection) -> None:
        changed = update(schema.keys).where(schema.keys.c.id == "key_3")
        connection.execute(changed.values(permissions='{"keys": "write"}'))

    no_grant = the_key(permissions='{"chat_completions": "write", "keys": "read"}')
    async with a_street(tmp_path, never, no_grant, an_admin_key, others, keys_only) as street:
        asked = {"key": SECRET}
        assert (await post(street, asked, OTHER_PROJECT)).json()["valid"]
        answer = await post(street, asked, SECRET)
        assert (answer.status_code, answer.json()["error"]["reason"]) == (403, Code.PERMISSION_MISSING)
        assert (await post(street, asked, OTHER_ORGANIZATION)).json()["code"] == "NOT_FOUND"
        answer = await post(street, asked, "nothing")
        assert answer.status_code == 401
        assert len(await street.calls()) == 1


@pytest.mark.asyncio
async def test_an_admin_key_that_has_just_verified_calls_no_model(tmp_path: Path) -> None:
    async with a_street(tmp_path, never, an_admin_key) as street:
        assert (await verify(street))["valid"]
        answer = await street.ask(ADMIN)
        assert (answer.status_code, answer.json()["error"]["reason"]) == (401, Code.KEY_WRONG_KIND)


@pytest.mark.asyncio
async def test_a_wrong_body_is_400_and_the_ledger_away_is_503(tmp_path: Path) -> None:
    async with a_street(tmp_path, never, an_admin_key) as street:
        answer = await post(street, {"key": SECRET, "cost": {"tokens": -1}})
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, "cost.tokens")
        street.ledger.is_stopping = True
        answer = await post(street, {"key": SECRET})
        assert (answer.status_code, answer.json()["error"]["reason"]) == (503, Code.STOPPING)


@pytest.mark.asyncio
async def test_a_verification_whose_gateway_dies_is_charged_what_was_stated(tmp_path: Path) -> None:
    async with a_street(tmp_path, never, a_budget(1_000)) as street:
        need = read_verification(msgspec.json.encode({"key": "x", "cost": {"usd": "0.0000007"}})).need()
        hold = street.ledger.hold(an_opening(price_id=None), need)
        await hold.__aenter__()
        await street.commit.close(Closing("call_1", State.ORPHANED, Basis.RESERVED))
        assert (await street.the_call()).charged_nano_usd == 700
