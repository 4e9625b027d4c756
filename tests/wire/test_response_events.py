"""`response.create` on a socket is the body of a request, in an envelope."""

import json
from typing import Any

import pytest

from keyhouse.core.errors import Code, Refusal
from keyhouse.core.money import Counts
from keyhouse.wire.body import Names
from keyhouse.wire.events import read_event
from keyhouse.wire.response_events import SERVER_EVENT, Create, LaneMeter


def create(**fields: Any) -> Create:
    return Create(read_event(json.dumps({"type": "response.create", "model": "m", "input": "x"} | fields).encode()))


def test_its_envelope_stays_and_the_rest_is_written_as_a_body_is() -> None:
    read = create(stream_id="a", event_id="e", max_output_tokens=50, x_own=1)
    assert (read.lane, read.asked.ask.output_tokens_max) == ("a", 50)
    assert json.loads(read.written(Names("own"), 20)) == {
        "type": "response.create",
        "event_id": "e",
        "stream_id": "a",
        "model": "own",
        "input": "x",
        "max_output_tokens": 20,
        "x_own": 1,
    }


@pytest.mark.parametrize(
    ("fields", "param"), [({"background": True}, "background"), ({"stream_id": 1}, "stream_id"), ({"n": 2}, None)]
)
def test_what_cannot_be_is_refused_or_named_as_unbounded(fields: dict[str, Any], param: str | None) -> None:
    if param is None:
        assert create(**fields).asked.ask.unbounded == "n"
        return
    with pytest.raises(Refusal) as found:
        create(**fields)
    assert (found.value.code, found.value.param) == (Code.PARAMETER_INVALID, param)


def test_its_events_are_metered_one_by_one_however_they_are_written() -> None:
    meter = LaneMeter(wants_usage=True, most=Counts(input=3))
    assert not meter.has_begun
    meter.see(b'{"type":\r\n\r\n"response.output_text.delta",\n\n"delta":"hello"}')
    assert (meter.has_begun, meter.output_tokens) == (True, 2)
    usage = {"input_tokens": 7, "output_tokens": 5, "total_tokens": 12}
    meter.see(json.dumps({"type": "response.completed", "response": {"id": "r", "usage": usage}}, indent=1).encode())
    assert meter.reading is not None
    assert (meter.reading.counts.tokens, meter.is_done, meter.made) == (12, True, [("response", "r")])


def test_an_error_ends_a_lane_and_a_delta_does_not() -> None:
    assert SERVER_EVENT.decode(b'{"type":"error","stream_id":"a"}').is_end
    assert SERVER_EVENT.decode(b'{"type":"error","stream_id":"a"}').lane == "a"
    assert not SERVER_EVENT.decode(b'{"type":"response.output_text.delta","stream_id":1}').is_end
    assert SERVER_EVENT.decode(b'{"type":"response.output_text.delta","stream_id":1}').lane is None
