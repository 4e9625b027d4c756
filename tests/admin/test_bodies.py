"""Bodies: whatever is sent, the answer is a value or a refusal."""

from functools import partial

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from admin.town import refusal_of
from keyhouse.admin.bodies import decode, read_amount, read_by, read_choice
from keyhouse.admin.key_secrets import Rotation
from keyhouse.admin.keys import KeyFields, NewKey
from keyhouse.admin.limits import ScopedLimit
from keyhouse.admin.projects import NewProject
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.limit import Unit, Window
from keyhouse.core.permissions import parse_permissions

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
CODES = {Code.BODY_NOT_JSON, Code.PARAMETER_INVALID, Code.PARAMETER_MISSING, Code.PARAMETER_UNKNOWN}
FIELDS = ("name", "permissions", "models", "ip_allowlist", "expires_at", "limits", "scope", "unit", "window", "amount")


@given(st.binary(max_size=200) | st.dictionaries(st.sampled_from(FIELDS), JSON).map(msgspec.json.encode))
def test_anything_at_all_is_read_or_refused(body: bytes) -> None:
    for shape in (NewKey, KeyFields, Rotation, ScopedLimit, NewProject):
        refused = refusal_of(partial(decode, body, shape))
        assert refused is None or (refused.code in CODES and refused.message)


def test_no_body_is_an_empty_object() -> None:
    assert decode(b"", Rotation) == Rotation(86_400)


def test_a_field_that_is_unknown_is_ignored_on_openais_routes_only() -> None:
    assert decode(b'{"name": "x", "geography": "EU"}', NewProject) == NewProject("x")
    with pytest.raises(Refusal) as refused:
        decode(b'{"name": "x", "geography": "EU"}', NewKey)
    assert (refused.value.code, refused.value.param) == (Code.PARAMETER_UNKNOWN, "geography")


@given(st.integers(0, 2**63 - 1))
def test_an_amount_survives_being_a_number_or_text(nano: int) -> None:
    text = f"{nano // 10**9}.{nano % 10**9:09d}"
    for raw in (text, f'"{text}"'):
        assert read_amount(Unit.USD, msgspec.Raw(raw.encode()), "amount") == nano
    assert read_amount(Unit.TOKENS, msgspec.Raw(str(nano).encode()), "amount") == nano


@given(JSON)
def test_any_amount_is_read_or_refused(value: object) -> None:
    for unit in Unit:
        refused = refusal_of(partial(read_amount, unit, msgspec.Raw(msgspec.json.encode(value)), "amount"))
        assert refused is None or (refused.code, refused.param) == (Code.PARAMETER_INVALID, "amount")


@pytest.mark.parametrize("raw", [b'"\xff"', b"\xff", b'"1\xc3"'])
def test_an_amount_that_is_no_text_is_refused_by_its_field(raw: bytes) -> None:
    refused = refusal_of(partial(read_amount, Unit.USD, msgspec.Raw(raw), "amount"))
    assert refused is not None
    assert (refused.code, refused.param) == (Code.PARAMETER_INVALID, "amount")


def test_a_choice_that_is_none_names_all_there_are() -> None:
    assert read_choice(Window, "day", "window") is Window.DAY
    with pytest.raises(Refusal) as refused:
        read_choice(Window, "year", "window")
    assert all(window in refused.value.hint for window in Window)


def test_a_readers_own_words_reach_the_caller_with_the_field() -> None:
    with pytest.raises(Refusal, match="everything") as refused:
        read_by(parse_permissions, "everything", "permissions")
    assert refused.value.param == "permissions"
