"""Moderations are read for their text and images; what they use is counted here, because nobody says."""

import json

import pytest

from keyhouse.core.bound import Ceilings, worst_case
from keyhouse.core.errors import Code, Refusal
from keyhouse.wire.body import Names
from keyhouse.wire.moderations import MODEL, read_moderations

IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 1_000}}
TEXT = {"type": "text", "text": "Hello"}


def body(**fields: object) -> bytes:
    return json.dumps({"input": "Hello", **fields}).encode()


@pytest.mark.parametrize("given", ["Hello", "", ["a", "b"], [TEXT, TEXT]])
def test_text_is_bounded_by_its_bytes_and_estimated_by_a_quarter_of_them(given: object) -> None:
    raw = body(input=given, model="tiny-1")
    need = worst_case(read_moderations(raw).ask, None)
    assert (need.input_tokens, need.input_tokens_estimate) == (len(raw) + 64, -(-len(raw) // 4))
    assert (need.output_tokens_max, need.unbounded) == (0, None)


def test_a_request_that_names_no_model_gets_openais_and_the_upstream_is_told() -> None:
    asked = read_moderations(body())
    assert asked.ask.model == MODEL
    assert json.loads(asked.written(Names(MODEL), None)) == {"input": "Hello", "model": MODEL}
    assert json.loads(asked.written(Names("mine"), None))["model"] == "mine"


def test_images_count_by_the_models_maximum_or_are_unbounded_without_one() -> None:
    raw = body(input=[TEXT, IMAGE, IMAGE])
    ask = read_moderations(raw).ask
    assert (ask.images_in, ask.media_bytes, ask.unbounded) == (2, 2 * len(json.dumps(IMAGE["image_url"])), None)
    assert worst_case(ask, None).unbounded == "image_url"
    need = worst_case(ask, None, Ceilings(image_tokens=100))
    assert (need.unbounded, need.input_tokens) == (None, len(raw) - ask.media_bytes + 200 + 64)


@pytest.mark.parametrize(
    ("part", "named"),
    [({"type": "video"}, "video"), ({}, "null"), (TEXT | {"file": 1}, "file"), (IMAGE | {"images": []}, "images")],
)
def test_what_the_length_does_not_bound_is_named(part: object, named: str) -> None:
    assert read_moderations(body(input=[TEXT, part])).ask.unbounded == named


@pytest.mark.parametrize(
    ("raw", "code", "param"),
    [
        (b'{"model":"m"}', Code.PARAMETER_MISSING, "input"),
        (body(model=""), Code.PARAMETER_INVALID, "model"),
        (body(input=7), Code.PARAMETER_INVALID, "input"),
        (body(Model="b"), Code.PARAMETER_UNKNOWN, "Model"),
        (body(max_tokens=1), Code.PARAMETER_UNKNOWN, "max_tokens"),
    ],
)
def test_what_cannot_be_read_is_refused_by_its_name(raw: bytes, code: Code, param: str) -> None:
    with pytest.raises(Refusal) as caught:
        read_moderations(raw)
    assert (caught.value.code, caught.value.param) == (code, param)
