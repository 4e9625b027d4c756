"""The meter on a response passes every byte and knows what was used, whatever the cuts."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyhouse.core.errors import Code, Refusal
from keyhouse.core.money import Counts
from keyhouse.wire.responses_meter import Kept, ResponsesMeter, read_answer, read_kept

USAGE = {
    "input_tokens": 7,
    "input_tokens_details": {"cached_tokens": 2},
    "output_tokens": 5,
    "output_tokens_details": {"reasoning_tokens": 1},
    "total_tokens": 12,
}


def event(kind: str, **fields: object) -> bytes:
    data = json.dumps({"type": kind, **fields}, separators=(",", ":"), ensure_ascii=False)
    return f"event: {kind}\ndata: {data}\n\n".encode()


def response(status: str, **fields: object) -> dict[str, object]:
    return {"id": "resp_1", "object": "response", "status": status, "usage": None, **fields}


OUTPUT = [{"type": "reasoning", "id": "rs_1"}, {"type": "message", "id": "msg_1"}, {"type": "odd"}]
GOLDEN = b"".join(
    [
        event("response.created", response=response("in_progress"), sequence_number=0),
        event("response.in_progress", response=response("in_progress"), sequence_number=1),
        b": ping\n\n",
        event("response.reasoning_summary_text.delta", delta="Hm", sequence_number=2),
        event("response.output_text.delta", delta="Hé", sequence_number=3),
        event("response.output_text.delta", delta="llo", sequence_number=4),
        event("response.output_text.done", text="Héllo", sequence_number=5),
        event(
            "response.completed",
            response=response("completed", usage=USAGE, output=OUTPUT, service_tier="default"),
            sequence_number=6,
        ),
    ]
)
# As llama.cpp's server writes it: no sequence numbers, and figures of its own beside the response.
LLAMA_USAGE = {
    "input_tokens": 14,
    "output_tokens": 1,
    "total_tokens": 15,
    "input_tokens_details": {"cached_tokens": 13},
}
LLAMA = b"".join(
    [
        event("response.created", response={"id": "resp_G", "object": "response", "status": "in_progress"}),
        event("response.output_text.delta", item_id="msg_V", delta=" dream"),
        event(
            "response.completed", response={"id": "resp_G", "output": [], "usage": LLAMA_USAGE}, timings={"cache_n": 13}
        ),
    ]
)


def a_meter(secret: bytes | None = None) -> ResponsesMeter:
    return ResponsesMeter(wants_usage=True, most=Counts(90), secret=secret)


def feed(meter: ResponsesMeter, data: bytes, cuts: list[int]) -> bytes:
    out, begin = b"", 0
    for cut in [*sorted(cuts), len(data)]:
        out += meter.feed(data[begin:cut])
        begin = cut
    return out + meter.end()


@pytest.mark.parametrize("cut", range(len(GOLDEN)))
def test_cut_at_every_byte_every_byte_passes_and_the_same_is_read(cut: int) -> None:
    meter = a_meter()
    assert feed(meter, GOLDEN, [cut]) == GOLDEN
    assert meter.reading is not None
    assert (meter.reading.counts, meter.reading.tier, meter.is_done) == (Counts(7, 2, 0, 5, 1), "default", True)
    assert meter.made == [("response", "resp_1"), ("item", "rs_1"), ("item", "msg_1")]


@given(st.lists(st.integers(0, len(LLAMA)), max_size=12))
@settings(deadline=None)
def test_a_stream_of_llama_cpp_is_read_however_it_is_cut(cuts: list[int]) -> None:
    meter = a_meter()
    assert feed(meter, LLAMA, cuts) == LLAMA
    assert meter.reading is not None
    assert (meter.reading.counts, meter.made) == (Counts(14, 13, output=1), [("response", "resp_G")])


@given(st.binary(max_size=400), st.lists(st.integers(0, 400), max_size=6))
def test_garbage_passes_unchanged_and_is_survived(data: bytes, cuts: list[int]) -> None:
    assert feed(a_meter(), data, [cut for cut in cuts if cut <= len(data)]) == data


@pytest.mark.parametrize("end", ["response.incomplete", "response.failed", "response.cancelled"])
def test_every_end_of_a_response_is_one(end: str) -> None:
    meter = a_meter()
    meter.feed(event(end, response=response("incomplete", usage=USAGE)))
    assert meter.is_done
    assert meter.reading is not None
    assert meter.reading.counts.output == 5


def test_an_id_is_known_from_the_first_event_that_has_it() -> None:
    meter = a_meter()
    meter.feed(event("response.queued", response=response("queued")))
    assert (meter.made, meter.response_id) == ([("response", "resp_1")], "resp_1")
    meter.made.clear()
    meter.feed(event("response.in_progress", response=response("in_progress")))
    assert meter.made == []


@pytest.mark.parametrize(
    "kind",
    [
        "response.output_text.delta",
        "response.refusal.delta",
        "response.reasoning_text.delta",
        "response.function_call_arguments.delta",
        "response.custom_tool_call_input.delta",
        "response.code_interpreter_call_code.delta",
        "response.something_new.delta",
    ],
)
def test_whatever_the_model_writes_counts_as_output(kind: str) -> None:
    meter = a_meter()
    meter.feed(event(kind, delta="x" * 30))
    assert meter.counts == Counts(90, output=10)


def test_a_delta_that_is_no_text_counts_by_its_size() -> None:
    meter = a_meter()
    meter.feed(event("response.shell_call_output_content.delta", delta={"stdout": "x" * 17}))
    assert meter.counts.output == 10


def test_pieces_that_come_only_finished_count_too_and_not_twice() -> None:
    meter = a_meter()
    meter.feed(event("response.output_text.done", text="x" * 30) + event("response.refusal.done", refusal="y" * 30))
    assert meter.counts.output == 20
    meter.feed(event("response.output_text.delta", delta="x" * 57))
    assert meter.counts.output == 20


def test_an_end_without_usage_counts_the_output_it_shows() -> None:
    meter = a_meter()
    output = [{"text": "x" * 50}]
    meter.feed(event("response.completed", response=response("completed", output=output)))
    assert (meter.reading, meter.is_done) == (None, True)
    assert meter.counts.output == -(-len(json.dumps(output, separators=(",", ":"))) // 3)


@pytest.mark.parametrize(
    "usage", [{"input_tokens": -7}, {"input_tokens": "7"}, "lots", {"input_tokens": 7, "output_tokens": 10**30}, 7]
)
def test_usage_that_cannot_be_true_is_said_to_be_so(usage: object) -> None:
    meter = a_meter()
    meter.feed(event("response.completed", response=response("completed", usage=usage)))
    assert meter.reading is not None
    assert meter.reading.is_clamped
    assert read_answer(json.dumps({"usage": usage}).encode()) == meter.reading


def test_a_stream_that_broke_off_ends_with_an_error_in_the_form_of_this_endpoint() -> None:
    meter = a_meter()
    meter.feed(GOLDEN[: GOLDEN.index(b"event: response.completed")])
    refusal = Refusal(Code.UPSTREAM_TIMEOUT, "The upstream stopped.", hint="Try again.")
    said = meter.broken_off(refusal, "req_1").decode()
    assert said.startswith("event: error\ndata: ")
    assert said.endswith("\n\n")
    assert json.loads(said.splitlines()[1].removeprefix("data: ")) == {
        "type": "error",
        "code": "upstream_timeout",
        "message": "The upstream stopped. Try again.",
        "param": None,
        "sequence_number": 6,
        "reason": "upstream_timeout",
    }


def test_the_upstreams_own_error_passes_and_is_not_the_end_of_an_answer() -> None:
    meter = a_meter()
    said = event("error", code="server_error", message="no", param=None, sequence_number=1)
    assert meter.feed(said) == said
    assert not meter.is_done


def test_the_upstreams_credential_is_cut_out() -> None:
    meter = a_meter(b"sk-canary")
    assert meter.feed(event("response.output_text.delta", delta="it is sk-canary")) == event(
        "response.output_text.delta", delta="it is [removed]"
    )


def test_a_whole_answer_says_what_the_upstream_keeps_of_it() -> None:
    answer = json.dumps(response("completed", output=OUTPUT)).encode()
    made = [("response", "resp_1"), ("item", "rs_1"), ("item", "msg_1")]
    assert read_kept(answer) == Kept("resp_1", "completed", made)
    assert read_kept(json.dumps(response("queued", output=7)).encode()) == Kept(
        "resp_1", "queued", [("response", "resp_1")]
    )
    for nothing in (b"", b"[]", b"\xff", b'{"id":7,"status":7}', b"[" * 100_000):
        assert read_kept(nothing) == Kept(None, None, [])


@given(st.binary(max_size=200))
def test_a_body_of_any_bytes_is_survived(body: bytes) -> None:
    read_answer(body)
    read_kept(body)
