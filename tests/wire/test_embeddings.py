"""Embeddings cost their input, which the body's length bounds, and nothing else."""

import json

import pytest

from keyhouse.core.bound import worst_case
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.money import Counts, Price, Rate
from keyhouse.wire.body import Names
from keyhouse.wire.embeddings import read_embeddings, read_embeddings_answer

PRICE = Price(1, (Rate(1_000, 1_000, 1_000, 9_000),))


def body(**fields: object) -> bytes:
    return json.dumps({"model": "tiny-1", "input": "Hello", **fields}).encode()


@pytest.mark.parametrize("given", ["Hello", ["Hello", "World"], [1, 2, 3], [[1], [2, 3]]])
def test_the_worst_case_is_the_bodys_length_and_no_output(given: object) -> None:
    raw = body(input=given, encoding_format="base64", dimensions=8)
    asked = read_embeddings(raw)
    need = worst_case(asked.ask, PRICE)
    assert (need.input_tokens, need.output_tokens_max, need.unbounded) == (len(raw) + 64, 0, None)
    assert need.nano_usd(need.output_tokens_max) == len(raw) + 64
    assert json.loads(asked.written(Names("up"), 0)) == json.loads(raw) | {"model": "up"}


@pytest.mark.parametrize(
    ("fields", "part"),
    [({"input": [{"image": "x"}]}, "input"), ({"input": {"a": 1}}, "input"), ({"messages": []}, "messages")],
)
def test_what_the_length_does_not_bound_is_named(fields: dict[str, object], part: str) -> None:
    assert read_embeddings(body(**fields)).ask.unbounded == part


@pytest.mark.parametrize(
    ("raw", "code", "param"),
    [
        (b'{"model":"m"}', Code.PARAMETER_MISSING, "input"),
        (b'{"input":"a"}', Code.PARAMETER_MISSING, "model"),
        (body(model=""), Code.PARAMETER_INVALID, "model"),
        (body(input=None), Code.PARAMETER_INVALID, "input"),
        (body(Input="b"), Code.PARAMETER_UNKNOWN, "Input"),
        (body(max_tokens=1), Code.PARAMETER_UNKNOWN, "max_tokens"),
    ],
)
def test_what_cannot_be_read_is_refused_by_its_name(raw: bytes, code: Code, param: str) -> None:
    with pytest.raises(Refusal) as caught:
        read_embeddings(raw)
    assert (caught.value.code, caught.value.param) == (code, param)


@pytest.mark.parametrize(
    ("usage", "counts", "is_clamped"),
    [
        ({"prompt_tokens": 7, "total_tokens": 7}, Counts(7), False),
        ({"prompt_tokens": 7, "total_tokens": 9}, Counts(7), True),
        ({"prompt_tokens": 7, "completion_tokens": 1}, Counts(7), True),
        ({"prompt_tokens": -7}, Counts(), True),
    ],
)
def test_usage_that_speaks_of_output_is_not_believed(usage: object, counts: Counts, is_clamped: bool) -> None:
    reading = read_embeddings_answer(json.dumps({"usage": usage}).encode())
    assert reading is not None
    assert (reading.counts, reading.is_clamped) == (counts, is_clamped)


def test_an_answer_without_usage_says_nothing() -> None:
    assert read_embeddings_answer(b'{"data":[]}') is None
