"""The meter gives back what may pass and knows what was used, whatever the cuts."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyhouse.core.money import Counts
from keyhouse.wire.chat_meter import ChatMeter

USAGE = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}


def event(choices: list[object], *, compact: bool = True, **more: object) -> bytes:
    separators = (",", ":") if compact else (", ", ": ")
    return b"data: " + json.dumps({"id": "c", "choices": choices, **more}, separators=separators).encode() + b"\n\n"


def said(text: str, *, compact: bool = True, **more: object) -> bytes:
    return event([{"index": 0, "delta": {"content": text}}], compact=compact, **more)


GOLDEN = b"".join(
    [said("Hé", usage=None), b": ping\n\n", said("y", usage=None), event([], usage=USAGE), b"data: [DONE]\n\n"]
)
PASSED = b"".join([said("Hé"), b": ping\n\n", said("y"), b"data: [DONE]\n\n"])


def feed(meter: ChatMeter, data: bytes, cuts: list[int]) -> bytes:
    out, begin = b"", 0
    for cut in [*sorted(cuts), len(data)]:
        out += meter.feed(data[begin:cut])
        begin = cut
    return out + meter.end()


@given(st.lists(st.integers(0, len(GOLDEN)), max_size=12))
@settings(max_examples=300, deadline=None)
def test_however_a_stream_is_cut_the_same_bytes_pass_and_the_same_is_counted(cuts: list[int]) -> None:
    meter = ChatMeter(wants_usage=False, most=Counts(90))
    assert feed(meter, GOLDEN, cuts) == PASSED
    assert meter.reading is not None
    assert meter.reading.counts == Counts(7, output=5)
    assert meter.is_done


@pytest.mark.parametrize("cut", range(len(GOLDEN)))
def test_a_client_that_asked_for_usage_gets_every_byte(cut: int) -> None:
    assert feed(ChatMeter(wants_usage=True, most=Counts(90)), GOLDEN, [cut]) == GOLDEN


@given(st.binary(max_size=400), st.lists(st.integers(0, 400), max_size=6))
def test_garbage_passes_unchanged_and_is_survived(data: bytes, cuts: list[int]) -> None:
    meter = ChatMeter(wants_usage=True, most=Counts(90))
    assert feed(meter, data, [cut for cut in cuts if cut <= len(data)]) == data


@pytest.mark.parametrize(
    ("came", "passes"),
    [
        (said("a", usage=None), said("a")),
        (said("a", usage=None, compact=False), said("a", compact=False)),
        (b'data: {"usage":null,"choices":[]}\n\n', b'data: {"choices":[]}\n\n'),
        (said(',"usage":null', usage=None), said(',"usage":null')),
        (event([{"index": 0, "delta": {}, "usage": None}]), event([{"index": 0, "delta": {}, "usage": None}])),
        (
            event([{"index": 0, "delta": {}, "usage": None}], usage=None),
            event([{"index": 0, "delta": {}, "usage": None}], usage=None),
        ),
        (said("a", usage=USAGE), said("a", usage=USAGE)),
    ],
)
def test_null_usage_is_cut_only_where_no_other_byte_changes(came: bytes, passes: bytes) -> None:
    assert ChatMeter(wants_usage=False, most=Counts(90)).feed(came) == passes


def test_of_usage_that_comes_more_than_once_the_larger_counts() -> None:
    meter = ChatMeter(wants_usage=False, most=Counts(90))
    for made in (1, 3, 2):
        meter.feed(said("a", usage={"prompt_tokens": 7, "completion_tokens": made}))
    assert meter.reading is not None
    assert meter.reading.counts == Counts(7, output=3)


def test_usage_is_found_in_a_chunk_that_is_odd_otherwise() -> None:
    meter = ChatMeter(wants_usage=False, most=Counts(90))
    meter.feed(event([{"delta": {"content": ["a", "list"]}}], usage=USAGE))
    assert meter.reading is not None
    assert meter.reading.counts.output == 5


def test_reasoning_and_tool_calls_count_as_output() -> None:
    meter = ChatMeter(wants_usage=False, most=Counts(90))
    meter.feed(event([{"delta": {"reasoning_content": "x" * 30}}]) + event([{"delta": {"tool_calls": [{"i": 1}]}}]))
    assert meter.counts == Counts(90, output=13)
