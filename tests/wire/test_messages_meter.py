"""A stream of a message passes byte for byte, whatever the cuts, and what it used is known."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyhouse.core.errors import Code, Refusal
from keyhouse.core.money import Counts
from keyhouse.wire.messages_meter import MessagesMeter


def event(kind: str, **fields: object) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields}, ensure_ascii=False)}\n\n".encode()


def start(**usage: object) -> bytes:
    return event("message_start", message={"id": "msg_1", "role": "assistant", "content": [], "usage": usage})


def delta(kind: str, text: str) -> bytes:
    return event("content_block_delta", index=0, delta={"type": f"{kind}_delta", kind: text})


BEGUN = start(input_tokens=3, cache_read_input_tokens=100, cache_creation_input_tokens=20, output_tokens=1)
SAID = (
    event("content_block_start", index=0, content_block={"type": "text", "text": ""})
    + delta("text", "Hé")
    + delta("text", "y")
)
ENDED = event("content_block_stop", index=0) + event(
    "message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 5}
)
GOLDEN = BEGUN + event("ping") + SAID + event("some_day_new", a=[1]) + b": comment\n\n" + ENDED + event("message_stop")


def a_meter(**more: bytes) -> MessagesMeter:
    return MessagesMeter(wants_usage=False, most=Counts(900), secret=more.get("secret"))


def feed(meter: MessagesMeter, data: bytes, cuts: list[int]) -> bytes:
    out, begin = b"", 0
    for cut in [*sorted(cuts), len(data)]:
        out += meter.feed(data[begin:cut])
        begin = cut
    return out + meter.end()


@pytest.mark.parametrize("cut", range(len(GOLDEN)))
def test_wherever_a_stream_is_cut_every_byte_passes_and_the_same_is_counted(cut: int) -> None:
    meter = a_meter()
    assert feed(meter, GOLDEN, [cut]) == GOLDEN
    assert meter.reading is not None
    assert (meter.reading.counts, meter.reading.is_clamped) == (Counts(123, 100, 20, 5), False)
    assert meter.is_done


@pytest.mark.parametrize("cut", range(len(GOLDEN)))
def test_a_stream_that_ends_early_is_never_taken_for_whole(cut: int) -> None:
    meter = a_meter()
    passed = meter.feed(GOLDEN[:cut])
    assert GOLDEN.startswith(passed)
    if len(BEGUN) <= cut < len(GOLDEN) - len(ENDED) - len(event("message_stop")):
        assert meter.reading is None
        assert meter.counts.input == 123
        assert meter.counts.output >= 1
    assert not meter.is_done


@given(st.binary(max_size=400), st.lists(st.integers(0, 400), max_size=6))
@settings(deadline=None)
def test_garbage_passes_unchanged_and_is_survived(data: bytes, cuts: list[int]) -> None:
    assert feed(a_meter(), data, [cut for cut in cuts if cut <= len(data)]) == data


def test_text_thinking_and_the_arguments_of_tools_count_while_usage_is_missing() -> None:
    meter = a_meter()
    meter.feed(delta("text", "x" * 30) + delta("thinking", "y" * 30) + delta("partial_json", "{" * 30))
    assert meter.counts == Counts(900, output=30)


def test_a_stream_without_a_beginning_is_not_believed() -> None:
    meter = a_meter()
    meter.feed(delta("text", "abc") + ENDED)
    assert meter.reading is not None
    assert meter.reading.is_clamped
    assert meter.counts == Counts(900, output=5)


@pytest.mark.parametrize("figure", [-1, 1.5, "5", None, True, [5], 10**30])
def test_nonsense_in_the_last_usage_is_not_believed(figure: object) -> None:
    meter = a_meter()
    meter.feed(BEGUN + SAID + event("message_delta", delta={}, usage={"output_tokens": figure}))
    if figure is None:
        assert meter.reading is None
        assert meter.counts == Counts(123, 100, 20, 2)
        return
    assert meter.reading is not None
    assert meter.reading.is_clamped
    assert meter.counts.input == 123


def test_the_upstreams_credential_is_cut_out() -> None:
    meter = a_meter(secret=b"sk-up")
    assert b"sk-up" not in feed(meter, delta("text", "it is sk-up") + ENDED, [60])


def test_a_stream_that_broke_off_says_so_and_is_not_ended() -> None:
    last = a_meter().broken_off(Refusal(Code.UPSTREAM_BROKEN, "It broke."), "req_1")
    name, data, rest = last.split(b"\n", 2)
    assert (name, rest) == (b"event: error", b"\n")
    said = json.loads(data.removeprefix(b"data: "))
    assert (said["type"], said["error"]["type"], said["request_id"]) == ("error", "api_error", "req_1")
