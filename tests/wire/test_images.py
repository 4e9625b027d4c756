"""Images: how many are in the request, what each is at most is the model's, and the upstream says what they were."""

import json
from typing import Any

import pytest

from keyhouse.core.bound import Ceilings, worst_case
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.money import Counts, Price, Rate
from keyhouse.wire.body import Names
from keyhouse.wire.form import FormReader
from keyhouse.wire.images import ImagesMeter, read_edit_form, read_generation, read_images_answer

TOKENS = Price(1, (Rate(1_000, 500, 1_000, 2_000),))
EACH = Price(2, (Rate(0, 0, 0, 0),), image=40_000)
PICTURE = "data:image/png;base64," + "A" * 1_000
USAGE = {"input_tokens": 7, "output_tokens": 50, "total_tokens": 57, "input_tokens_details": {"text_tokens": 7}}
MOST = Counts(100, output=400, images=2, image_output=400)


def body(**fields: Any) -> bytes:
    return json.dumps({"model": "m", "prompt": "a cat", **fields}).encode()


def form(*fields: tuple[str, str | None, str]) -> FormReader:
    reader = FormReader("multipart/form-data; boundary=b", "ours")
    for name, filename, value in fields:
        file = "" if filename is None else f'; filename="{filename}"'
        reader.feed(f'--b\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n{value}\r\n'.encode())
    reader.feed(b"--b--\r\n")
    return reader


def finished(**fields: Any) -> bytes:
    return f"event: x\ndata: {json.dumps({'type': 'image_generation.completed', **fields})}\n\n".encode()


def test_images_by_tokens_need_the_models_maximum_and_count_it_for_each() -> None:
    raw = body(n=3, stream=True, partial_images=2)
    ask = read_generation(raw).ask
    assert worst_case(ask, TOKENS).unbounded == "output"
    need = worst_case(ask, TOKENS, Ceilings(1_000))
    assert (need.unbounded, need.images, need.output_tokens_max) == (None, 3, 0)
    made = 3 * (1_000 + 2 * 100)
    assert need.most == Counts(3 * len(raw) + 64, output=made, images=3, image_output=made)
    assert need.nano_usd(0) == need.most.input + 2 * made


def test_images_by_their_price_need_nothing_but_their_number_and_are_no_tokens() -> None:
    need = worst_case(read_generation(body(n=3)).ask, EACH)
    assert (need.unbounded, need.nano_usd(0), need.most.output) == (None, 120, 0)
    assert worst_case(read_generation(body()).ask, None).most.output == 0


def test_pictures_in_a_request_count_by_the_models_maximum_and_not_by_their_bytes() -> None:
    raw = body(n=2, images=[{"image_url": PICTURE}, {"file_id": "file-1"}], mask={"file_id": "file-2"})
    ask = read_generation(raw).ask
    assert ask.references == (("images", "file-1"), ("images", "file-2"))
    assert worst_case(ask, TOKENS, Ceilings(10)).unbounded == "image_url"
    need = worst_case(ask, TOKENS, Ceilings(10, image_tokens=20))
    assert need.unbounded is None
    assert 2 * 3 * 20 < need.most.input < 2 * (3 * 20 + 200)


def test_pictures_in_a_form_count_the_same() -> None:
    pictures = [("image[]", "a.png", "A" * 5_000), ("image[]", "b.png", "B" * 5_000), ("mask", "m.png", "M")]
    read = read_edit_form(form(("model", None, "m"), ("n", None, "2"), ("prompt", None, "a cat"), *pictures).end())
    need = worst_case(read.ask, TOKENS, Ceilings(10, image_tokens=20))
    assert (need.unbounded, need.images, need.most.output) == (None, 2, 20)
    assert need.most.input == 2 * (3 * 20 + len("modelmn2prompta cat")) + 64


@pytest.mark.parametrize(
    ("fields", "part"),
    [
        ({"output_format": "gif"}, "output_format"),
        ({"output_format": "svg"}, "output_format"),
        ({"svg": {}}, "svg"),
        ({"frame_count": 16}, "frame_count"),
        ({"output_format": "webp"}, None),
    ],
)
def test_what_is_more_than_one_picture_is_named(fields: dict[str, Any], part: str | None) -> None:
    assert read_generation(body(**fields)).ask.unbounded == part


def test_a_file_that_nobody_knows_is_named() -> None:
    assert read_edit_form(form(("model", None, "m"), ("video", "v", "x")).end()).ask.unbounded == "video"
    assert read_edit_form(form(("model", None, "m"), ("output_format", None, "gif")).end()).ask.unbounded


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({"model": None}, Code.PARAMETER_INVALID, "model"),
        ({"n": 0}, Code.PARAMETER_INVALID, "n"),
        ({"n": 129}, Code.PARAMETER_INVALID, "n"),
        ({"n": "2"}, Code.PARAMETER_INVALID, "n"),
        ({"N": 2}, Code.PARAMETER_UNKNOWN, "N"),
        ({"partial_images": 4}, Code.PARAMETER_INVALID, "partial_images"),
        ({"max_tokens": 4}, Code.PARAMETER_UNKNOWN, "max_tokens"),
    ],
)
def test_what_cannot_be_read_is_refused_by_its_name(fields: dict[str, Any], code: Code, param: str) -> None:
    with pytest.raises(Refusal) as caught:
        read_generation(body(**fields))
    assert (caught.value.code, caught.value.param) == (code, param)


@pytest.mark.parametrize(
    "fields",
    [
        [("prompt", None, "x")],
        [("model", None, "m"), ("model", None, "x")],
        [("model", None, "m"), ("n", None, "2"), ("n", None, "9")],
        [("model", None, "m"), ("n[]", None, "9")],
        [("model", None, "m"), ("n", None, "0")],
    ],
)
def test_a_form_that_could_be_read_in_two_ways_is_refused(fields: list[tuple[str, str | None, str]]) -> None:
    with pytest.raises(Refusal):
        read_edit_form(form(*fields).end())


def test_what_was_read_of_a_form_is_what_goes_up() -> None:
    read = read_edit_form(form(("model", None, "m"), ("n", None, "02"), ("stream", None, "True")).end())
    content = b"".join(read.written(Names("up"), None).pieces)
    assert b'name="n"\r\n\r\n2\r\n' in content
    assert b'name="stream"\r\n\r\ntrue\r\n' in content
    assert b'name="model"\r\n\r\nup\r\n' in content


def test_an_answer_is_its_usage_and_its_images() -> None:
    reading = read_images_answer(json.dumps({"data": [{"b64_json": "A"}, {}], "usage": USAGE}).encode())
    assert reading is not None
    assert (reading.counts, reading.is_clamped) == (Counts(7, output=50, images=2, image_output=50), False)
    assert read_images_answer(b'{"data":[{}]}') is None
    assert read_images_answer(b"<html>") is None


def test_the_upstream_says_which_tokens_are_images_and_which_are_text() -> None:
    usage = {
        "input_tokens": 70,
        "output_tokens": 50,
        "input_tokens_details": {"text_tokens": 10, "image_tokens": 60},
        "output_tokens_details": {"text_tokens": 8, "image_tokens": 42},
    }
    reading = read_images_answer(json.dumps({"data": [{}], "usage": usage}).encode())
    assert reading is not None
    once = Counts(70, output=50, images=1, image_input=60, image_output=42)
    assert (reading.counts, reading.is_clamped) == (once, False)
    meter = ImagesMeter(wants_usage=True, most=MOST)
    meter.feed(finished(usage=usage) * 2)
    assert meter.counts == Counts(140, output=100, images=2, image_input=120, image_output=84)


def test_a_stream_passes_as_it_came_and_each_image_brings_its_usage() -> None:
    partial = b'event: p\ndata: {"type":"image_generation.partial_image","b64_json":"AAAA"}\n\n'
    meter = ImagesMeter(wants_usage=True, most=MOST)
    first = partial + finished(b64_json="AAAA", usage=USAGE)
    assert meter.feed(first) == first
    assert (meter.is_done, meter.counts) == (False, Counts(7, output=400, images=2, image_output=400))
    meter.feed(finished(usage=USAGE))
    assert (meter.is_done, meter.counts) == (True, Counts(14, output=100, images=2, image_output=100))
    assert meter.reading is not None


def test_a_stream_without_usage_is_charged_all_it_may_be() -> None:
    meter = ImagesMeter(wants_usage=True, most=MOST)
    meter.feed(finished(b64_json="A" * 100))
    assert (meter.counts, meter.reading) == (MOST, None)


def test_an_image_of_many_megabytes_in_one_event_is_metered_in_time() -> None:
    meter = ImagesMeter(wants_usage=True, most=MOST)
    event = finished(b64_json="A" * 20_000_000, usage=USAGE)
    passed = b"".join(meter.feed(event[at : at + 16_384]) for at in range(0, len(event), 16_384))
    assert passed == event
    assert meter.reading is not None
