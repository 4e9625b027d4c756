"""What a verification asks: read whole, or refused by the parameter at fault."""

import json
from typing import Any

import pytest

from keyhouse.core.errors import Code, Refusal
from keyhouse.core.limit import Unit
from keyhouse.core.permissions import Access, Resource
from keyhouse.wire.verification import read_verification


def read(**fields: Any) -> Any:
    return read_verification(json.dumps({"key": "sk-kh_x"} | fields).encode())


def test_without_a_cost_it_is_one_request() -> None:
    asked = read()
    assert (asked.is_consuming, asked.grants, asked.model, asked.ip) == (True, (), None, None)
    assert {unit: amount for unit, amount in asked.cost.items() if amount} == {Unit.REQUESTS: 1}


def test_a_cost_in_units_is_what_the_ledger_needs() -> None:
    need = read(cost={"usd": "0.01", "tokens": 500, "images": "2", "audio_seconds": 3, "characters": 4}).need()
    assert (need.nano_usd(0), need.tokens(0), need.tokens_estimate) == (10_000_000, 500, 500)
    assert (need.images, need.audio_seconds, need.characters, need.unbounded) == (2, 3, 4, None)


def test_a_cost_of_nothing_only_looks() -> None:
    assert not read(cost={"requests": 0}).is_consuming


def test_permissions_are_those_of_a_key() -> None:
    asked = read(permissions={"models": "read", "chat_completions": "write", "audio": "none"})
    assert asked.grants == ((Resource.CHAT_COMPLETIONS, Access.WRITE), (Resource.MODELS, Access.READ))


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({"key": None}, Code.PARAMETER_INVALID, "key"),
        ({"key": ""}, Code.PARAMETER_INVALID, "key"),
        ({"key": "x" * 501}, Code.PARAMETER_INVALID, "key"),
        ({"model": ""}, Code.PARAMETER_INVALID, "model"),
        ({"permissions": "all"}, Code.PARAMETER_INVALID, "permissions"),
        ({"permissions": {"chat": "write"}}, Code.PARAMETER_INVALID, "permissions"),
        ({"cost": {"requests": 2}}, Code.PARAMETER_INVALID, "cost.requests"),
        ({"cost": {"requests": 0, "tokens": 1}}, Code.PARAMETER_INVALID, "cost.requests"),
        ({"cost": {"tokens": -1}}, Code.PARAMETER_INVALID, "cost.tokens"),
        ({"cost": {"tokens": True}}, Code.PARAMETER_INVALID, "cost.tokens"),
        ({"cost": {"usd": "1e9"}}, Code.PARAMETER_INVALID, "cost.usd"),
        ({"cost": {"concurrency": 1}}, Code.PARAMETER_INVALID, "cost"),
        ({"cost": {"euros": 1}}, Code.PARAMETER_INVALID, "cost"),
        ({"cost": {"usd": "1000.000000001"}}, Code.PARAMETER_INVALID, "cost.usd"),
        ({"cost": {"tokens": 2**63 - 1}}, Code.PARAMETER_INVALID, "cost.tokens"),
        ({"model": "a\0"}, Code.PARAMETER_INVALID, "model"),
        ({"ip": "\0"}, Code.PARAMETER_INVALID, "ip"),
        ({"ip": "1" * 300}, Code.PARAMETER_INVALID, "ip"),
        ({"scope": "x"}, Code.PARAMETER_UNKNOWN, "scope"),
    ],
)
def test_a_wrong_field_is_refused_by_its_name(fields: dict[str, Any], code: Code, param: str) -> None:
    with pytest.raises(Refusal) as caught:
        read(**fields)
    assert (caught.value.code, caught.value.param) == (code, param)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'"key"', b"\xff", b"[" * 100_000])
def test_what_is_not_an_object_is_refused(body: bytes) -> None:
    with pytest.raises(Refusal) as caught:
        read_verification(body)
    assert caught.value.code is Code.BODY_NOT_JSON


def test_a_missing_key_is_named() -> None:
    with pytest.raises(Refusal) as caught:
        read_verification(b"{}")
    assert (caught.value.code, caught.value.param) == (Code.PARAMETER_MISSING, "key")


def test_the_key_is_not_in_its_repr() -> None:
    assert "sk-kh_x" not in repr(read())
