"""Completions cost their prompts and as many answers as are made, shown or not."""

import json

import pytest

from keyhouse.core.bound import worst_case
from keyhouse.core.errors import Code, Refusal
from keyhouse.wire.body import Names
from keyhouse.wire.completions import read_completions


def body(**fields: object) -> bytes:
    return json.dumps({"model": "tiny-1", "prompt": "Hello", **fields}).encode()


def test_what_bears_on_the_cost_is_read() -> None:
    raw = body(stream=True, stream_options={"include_usage": True}, max_tokens=7, suffix="end", service_tier="flex")
    ask = read_completions(raw).ask
    assert (ask.model, ask.stream, ask.wants_usage, ask.output_tokens_max) == ("tiny-1", True, True, 7)
    assert (ask.input_bytes, ask.unbounded, ask.service_tier, ask.choices) == (len(raw), None, "flex", 1)


@pytest.mark.parametrize(
    ("fields", "choices"),
    [
        ({}, 1),
        ({"prompt": None}, 1),
        ({"prompt": []}, 1),
        ({"prompt": [1, 2, 3]}, 1),
        ({"n": 3}, 3),
        ({"n": 2, "best_of": 5}, 5),
        ({"prompt": ["a", "b"], "n": 2}, 4),
        ({"prompt": [[1], [2], [3]], "best_of": 2}, 6),
    ],
)
def test_each_prompt_is_answered_as_often_as_n_or_best_of_says(fields: dict[str, object], choices: int) -> None:
    ask = read_completions(body(max_tokens=10, **fields)).ask
    assert ask.choices == choices
    assert worst_case(ask, None).tokens(10) == len(body(max_tokens=10, **fields)) + 64 + 10 * choices


@pytest.mark.parametrize("name", ["n_cmpl", "use_beam_search", "prompt_embeds", "input_extra"])
def test_what_the_length_does_not_bound_is_named(name: str) -> None:
    assert read_completions(body(**{name: 1})).ask.unbounded == name
    assert read_completions(body(prompt=[{"prompt_string": "a"}])).ask.unbounded == "prompt"


@pytest.mark.parametrize(
    ("raw", "code", "param"),
    [
        (b'{"prompt":"a"}', Code.PARAMETER_MISSING, "model"),
        (body(prompt=1), Code.PARAMETER_INVALID, "prompt"),
        (body(n=0), Code.PARAMETER_INVALID, "n"),
        (body(best_of=1000), Code.PARAMETER_INVALID, "best_of"),
        (body(max_tokens=0), Code.PARAMETER_INVALID, "max_tokens"),
        (body(max_tokens=-1), Code.PARAMETER_INVALID, "max_tokens"),
        (body(max_completion_tokens=9), Code.PARAMETER_UNKNOWN, "max_completion_tokens"),
        (body(n_predict=9), Code.PARAMETER_UNKNOWN, "n_predict"),
        (body(Best_Of=9), Code.PARAMETER_UNKNOWN, "Best_Of"),
    ],
)
def test_what_cannot_be_read_is_refused_by_its_name(raw: bytes, code: Code, param: str) -> None:
    with pytest.raises(Refusal) as caught:
        read_completions(raw)
    assert (caught.value.code, caught.value.param) == (code, param)


def test_nothing_but_the_echo_can_be_asked_for_and_is_sent_as_it_came() -> None:
    asked = read_completions(body(max_tokens=0, echo=True))
    assert asked.ask.output_tokens_max == 1
    assert json.loads(asked.written(Names("tiny-1"), 1))["max_tokens"] == 0


def test_a_maximum_is_written_where_a_limit_needs_one() -> None:
    assert json.loads(read_completions(body()).written(Names("tiny-1"), 20))["max_tokens"] == 20
    assert json.loads(read_completions(body(max_tokens=50)).written(Names("tiny-1"), 20))["max_tokens"] == 20
    assert "max_tokens" not in json.loads(read_completions(body()).written(Names("tiny-1"), None))


def test_usage_is_asked_for_where_a_stream_did_not() -> None:
    written = json.loads(read_completions(body(stream=True)).written(Names("tiny-1"), None))
    assert written["stream_options"] == {"include_usage": True}
    assert "stream_options" not in json.loads(read_completions(body()).written(Names("tiny-1"), None))
