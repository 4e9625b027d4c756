"""Usage is believed within reason."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyhouse.core.money import Counts
from keyhouse.wire.usage import RESPONSES, TOKENS_MAX, counted, output_tokens_in, read_answer, read_usage


def read(**usage: object) -> object:
    found = read_usage(json.dumps(usage).encode())
    return None if found is None else (found.counts, found.is_clamped)


def test_every_count_of_openais_usage_is_read() -> None:
    given_details = {"cached_tokens": 2, "cache_write_tokens": 1, "audio_tokens": 0}
    made = {"reasoning_tokens": 4, "accepted_prediction_tokens": 1}
    usage = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}
    assert read(**usage, prompt_tokens_details=given_details, completion_tokens_details=made) == (
        Counts(7, 2, 1, 5, 4),
        False,
    )


def test_the_responses_api_spells_the_same_usage_otherwise() -> None:
    usage = {
        "input_tokens": 7,
        "input_tokens_details": {"cached_tokens": 2, "cache_write_tokens": 1},
        "output_tokens": 5,
        "output_tokens_details": {"reasoning_tokens": 4},
        "total_tokens": 12,
    }
    answer = json.dumps({"usage": usage, "service_tier": "flex"}).encode()
    found = read_answer(answer, RESPONSES)
    assert found is not None
    assert (found.counts, found.is_clamped, found.tier) == (Counts(7, 2, 1, 5, 4), False, "flex")
    absurd = read_usage(json.dumps(usage | {"output_tokens": -3}).encode(), spelling=RESPONSES)
    assert absurd is not None
    assert (absurd.counts, absurd.is_clamped) == (Counts(7, 2, 1), True)
    odd = read_usage(json.dumps(usage | {"output_tokens": "5"}).encode(), spelling=RESPONSES)
    assert odd is not None
    assert (odd.counts, odd.is_clamped) == (Counts(7, 2, 1), True)


def test_reasoning_left_out_of_the_output_is_found_in_the_total() -> None:
    made = {"reasoning_tokens": 40}
    assert read(prompt_tokens=7, completion_tokens=5, total_tokens=52, completion_tokens_details=made) == (
        Counts(7, output=45, reasoning=40),
        False,
    )


@pytest.mark.parametrize(
    ("usage", "counts"),
    [
        ({"prompt_tokens": -1, "completion_tokens": 5}, Counts(0, output=5)),
        ({"prompt_tokens": 1.5, "completion_tokens": 2.0}, Counts(2, output=2)),
        ({"prompt_tokens": True, "completion_tokens": "5"}, Counts()),
        ({"prompt_tokens": 7, "completion_tokens": 10**40}, Counts(7, output=TOKENS_MAX)),
        ({"prompt_tokens": 7, "prompt_tokens_details": {"cached_tokens": 8}}, Counts(7, cached_input=7)),
        ({"prompt_tokens": 7, "prompt_tokens_details": {"image_tokens": 8}}, Counts(7)),
        ({"prompt_tokens": 7, "prompt_tokens_details": {"image_tokens": 4, "audio_tokens": 4}}, Counts(7)),
        ({"prompt_tokens": 7, "total_tokens": 10**12}, Counts(7)),
        ({"completion_tokens": 5}, Counts(output=5)),
        ({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}, Counts()),
        ({"prompt_tokens": 0, "completion_tokens": 5}, Counts(output=5)),
        ({}, Counts()),
    ],
)
def test_what_cannot_be_true_is_brought_into_reason_and_said_to_be(usage: dict[str, object], counts: Counts) -> None:
    assert read(**usage) == (counts, True)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["prompt_tokens", "completion_tokens", "total_tokens", "prompt_tokens_details", "cached_tokens"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=8,
)


@given(JSON)
def test_no_usage_is_ever_negative_or_absurd(usage: object) -> None:
    found = read_usage(json.dumps(usage).encode())
    if found is not None:
        counts = found.counts
        assert 0 <= counts.cached_input + counts.cache_write <= counts.input <= TOKENS_MAX
        assert 0 <= counts.reasoning <= counts.output <= 2 * TOKENS_MAX


@given(st.binary(max_size=200))
def test_a_body_of_any_bytes_is_survived(body: bytes) -> None:
    read_answer(body)
    read_answer(b'{"usage":' + body + b"}")


def test_what_was_counted_fills_in_what_the_upstream_left_out() -> None:
    assert counted(None, Counts(90), 5) == Counts(90, output=5)
    assert counted(read_usage(b'{"prompt_tokens":7,"completion_tokens":1}'), Counts(90), 5) == Counts(7, output=5)
    assert counted(read_usage(b'{"completion_tokens":9}'), Counts(90), 5) == Counts(90, output=9)


def test_output_is_counted_by_events_or_by_text_whichever_is_more() -> None:
    assert [output_tokens_in(0, 4), output_tokens_in(30, 4), output_tokens_in(1)] == [4, 10, 1]
