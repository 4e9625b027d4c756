"""What lets a key do more than before."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.test_policy import KEY
from given import NOON
from keyhouse.core.key import ApiKey
from keyhouse.core.permissions import ALL, CHAT_ONLY, READ_ONLY
from keyhouse.core.widening import widens

BASE: dict[str, Any] = {
    "permissions": READ_ONLY,
    "models": ("a", "b"),
    "endpoints": ("/v1/chat", "/v1/models"),
    "ip_allowlist": ("10.0.0.0/8", "2001:db8::/32"),
    "expires_at_ms": NOON,
}
WIDER: dict[str, list[Any]] = {
    "permissions": [ALL, CHAT_ONLY],
    "models": [None, ("a", "c")],
    "endpoints": [None, ("/v1/chatter",), ("/v1",)],
    "ip_allowlist": [(), ("11.0.0.1/32",), ("10.0.0.0/7",), ("10.0.0.0/8", "::/0"), ("0.0.0.0/0",)],
    "expires_at_ms": [None, NOON + 1],
}
NO_WIDER: dict[str, list[Any]] = {
    "permissions": [READ_ONLY, READ_ONLY.meet(CHAT_ONLY)],
    "models": [("b", "a"), ("a",)],
    "endpoints": [("/v1/models",), ("/v1/chat/completions", "/v1/chat")],
    "ip_allowlist": [("10.0.0.0/8",), ("10.9.0.0/16", "2001:db8::1/128")],
    "expires_at_ms": [NOON, NOON - 1],
}
UNBOUND: dict[str, Any] = {
    "permissions": ALL,
    "models": None,
    "endpoints": None,
    "ip_allowlist": (),
    "expires_at_ms": None,
}


def a_key(**changes: Any) -> ApiKey:
    return msgspec.structs.replace(KEY, **BASE | changes)


@pytest.mark.parametrize(("field", "value"), [(field, value) for field in WIDER for value in WIDER[field]])
def test_more_of_one_thing_is_more(field: str, value: Any) -> None:
    assert widens(a_key(), a_key(**{field: value}))
    assert widens(a_key(), a_key(**{field: value}, name="other"))


@pytest.mark.parametrize(("field", "value"), [(field, value) for field in NO_WIDER for value in NO_WIDER[field]])
def test_as_much_or_less_is_not_more(field: str, value: Any) -> None:
    assert not widens(a_key(), a_key(**{field: value}, name="other"))


@pytest.mark.parametrize("field", UNBOUND)
def test_nothing_is_more_than_everything(field: str) -> None:
    unbound = a_key(**{field: UNBOUND[field]})
    assert not widens(unbound, a_key())
    assert not widens(unbound, unbound)


KEYS = st.fixed_dictionaries(
    {field: st.sampled_from([BASE[field], UNBOUND[field], *WIDER[field], *NO_WIDER[field]]) for field in BASE}
).map(lambda fields: a_key(**fields))


@given(KEYS, KEYS, KEYS)
def test_what_is_no_more_than_what_is_no_more_is_no_more(first: ApiKey, second: ApiKey, third: ApiKey) -> None:
    if not widens(first, second) and not widens(second, third):
        assert not widens(first, third)
