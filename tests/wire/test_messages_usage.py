"""What an upstream says it used is taken as far as it makes sense, and grows."""

import json

import pytest

from keyhouse.core.money import Counts
from keyhouse.wire.messages_usage import GrowingUsage, read_messages_answer
from keyhouse.wire.usage import TOKENS_MAX, Reading

FULL = {
    "input_tokens": 3,
    "cache_creation_input_tokens": 20,
    "cache_read_input_tokens": 100,
    "cache_creation": {"ephemeral_5m_input_tokens": 5, "ephemeral_1h_input_tokens": 15},
    "output_tokens": 7,
    "output_tokens_details": {"thinking_tokens": 4},
    "service_tier": "standard",
}


def read(usage: object) -> Reading | None:
    return read_messages_answer(json.dumps({"type": "message", "usage": usage}).encode())


def test_plain_read_and_written_input_together_are_the_input() -> None:
    assert read(FULL) == Reading(Counts(123, 100, 20, 7, 4), tier="default")


def test_llama_cpps_usage_is_whole() -> None:
    assert read({"cache_read_input_tokens": 13, "input_tokens": 1, "output_tokens": 5}) == Reading(Counts(14, 13, 0, 5))


@pytest.mark.parametrize(
    ("more", "tier"),
    [({"service_tier": "priority"}, "priority"), ({"speed": "fast"}, "fast"), ({"service_tier": 7}, None)],
)
def test_the_tier_that_answered_is_told(more: dict[str, object], tier: str | None) -> None:
    reading = read(FULL | more)
    assert reading is not None
    assert (reading.tier, reading.is_clamped) == (tier, False)


@pytest.mark.parametrize(
    ("usage", "counts"),
    [
        (FULL | {"input_tokens": -1}, Counts(120, 100, 20, 7, 4)),
        (FULL | {"output_tokens": 1.5}, Counts(123, 100, 20, 2, 2)),
        (FULL | {"output_tokens": "many"}, Counts(123, 100, 20, 0, 0)),
        (FULL | {"output_tokens": True}, Counts(123, 100, 20, 0, 0)),
        (FULL | {"output_tokens": 10**30}, Counts(123, 100, 20, TOKENS_MAX, 4)),
        (FULL | {"cache_read_input_tokens": TOKENS_MAX}, Counts(TOKENS_MAX + 23, TOKENS_MAX, 20, 7, 4)),
        (FULL | {"output_tokens_details": {"thinking_tokens": 70}}, Counts(123, 100, 20, 7, 7)),
        ({"output_tokens": 5}, Counts(output=5)),
        ({"input_tokens": 5}, Counts(5)),
        ([], Counts()),
        ("none", Counts()),
    ],
)
def test_nonsense_is_brought_into_reason_and_said_to_be_so(usage: object, counts: Counts) -> None:
    assert read(usage) == Reading(
        counts, is_clamped=True, tier="default" if isinstance(usage, dict) and len(usage) > 1 else None
    )


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"usage":null}', b'{"content":[]}', b"\xff"])
def test_an_answer_without_usage_says_nothing(body: bytes) -> None:
    assert read_messages_answer(body) is None


def test_of_figures_that_come_more_than_once_the_largest_counts() -> None:
    usage = GrowingUsage()
    assert usage.reading is None
    usage.take(b'{"input_tokens":9,"cache_read_input_tokens":4,"output_tokens":1}')
    usage.take(b'{"output_tokens":6}')
    usage.take(b'{"input_tokens":0,"output_tokens":5}')
    usage.take(b"null")
    assert usage.reading == Reading(Counts(13, 4, 0, 6))
