"""What a template makes of tools is never longer than what was reserved for it."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyhouse.wire.rewriting import growth, growth_of_calls

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def compact(value: Any) -> bytes:
    return msgspec.json.encode(value)


def as_jinja(text: str) -> str:
    """As Jinja's `tojson` escapes it."""
    for mark in "<>&'":
        text = text.replace(mark, f"\\u{ord(mark):04x}")
    return text


def written_anew(value: Any) -> list[bytes]:
    """As templates write it: plain, with spaces, indented, with escapes."""
    return [
        as_jinja(json.dumps(value, indent=indent, ensure_ascii=is_ascii)).encode()
        for indent in (None, 2, 4)
        for is_ascii in (True, False)
    ]


@given(values)
def test_a_value_grows_by_no_more_than_is_said(value: Any) -> None:
    raw = compact(value)
    assert max(map(len, written_anew(json.loads(raw)))) <= len(raw) + growth(raw)


@pytest.mark.parametrize(
    "raw",
    [
        b"[" + b"1," * 20_000 + b"1]",
        b"[" * 450 + b"1" + b"]" * 450,
        b'{"enum":["\xc3\xa9","\xf0\x9f\x98\x80","\xe4\xbd\xa0"]}',
        b'["<<<>>>&&\'\'","\\\\","\\"],[,:","{{{{"]',
        b"[1e15,-1E15,1e1,-1e+15,[1e15]]",
        b'{"a":{},"b":[],"c":[[[[{"d":[1,2,{"e":null}]}]]]]}',
    ],
)
def test_lists_in_lists_escapes_and_floats_count(raw: bytes) -> None:
    assert max(map(len, written_anew(json.loads(raw)))) <= len(raw) + growth(raw)


def test_what_a_tool_usually_is_grows_by_little() -> None:
    """What is reserved too much keeps others from being served."""
    city = {"type": "string", "description": "The city, such as Paris, France."}
    parameters = {"type": "object", "properties": {"city": city}, "required": ["city"], "additionalProperties": False}
    tool = {"type": "function", "function": {"name": "get_weather", "parameters": parameters, "strict": True}}
    raw = compact([tool] * 10)
    longest = max(map(len, written_anew([tool] * 10)))
    assert longest <= len(raw) + growth(raw) < 1.3 * longest


@given(values)
def test_arguments_of_calls_are_read_within_their_text(value: Any) -> None:
    calls = [{"id": "call_1", "function": {"name": "f", "arguments": compact(value).decode()}}]
    raw = compact(calls)
    calls[0]["function"]["arguments"] = value  # type: ignore[index]
    assert max(map(len, written_anew(calls))) <= len(raw) + growth_of_calls(msgspec.Raw(raw))


def test_brackets_that_lead_nowhere_take_nothing_back() -> None:
    assert growth(b"]]]]}}}}") >= 0
    assert growth(b"[1,1,1,1]" + b"]" * 1_000) >= growth(b"[1,1,1,1]")
    assert growth(b"]" * 1_000 + b"[1,1,1,1]") >= 0
    assert (growth(None), growth(msgspec.Raw()), growth(b"")) == (0, 0, 0)
