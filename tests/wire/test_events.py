"""Events on a WebSocket: read as one thing by everybody, refused in OpenAI's forms."""

import msgspec
import pytest

from keyhouse.core.errors import Code, Refusal
from keyhouse.wire.events import read_event, realtime_error, responses_error


def test_an_event_goes_up_once_under_each_name_with_every_value_as_it_came() -> None:
    raw = b'{ "type": "a", "x":1.50, "x" : [ 2 ], "na\\u006de":"\\u00e9" }'
    assert read_event(raw).written(event_id=b'"e"') == b'{"type":"a","x":[ 2 ],"name":"\\u00e9","event_id":"e"}'


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"[]", b"1", b'{"type":1}', b"{}", b'{"type":"a","x":"\xff"}', b'{"type":' + b"[" * 100_000]
)
def test_what_is_no_event_is_refused(raw: bytes) -> None:
    with pytest.raises(Refusal) as found:
        read_event(raw)
    assert found.value.code is Code.BODY_NOT_JSON


@pytest.mark.parametrize("name", ["Type", "SESSION", "Response", "Event_ID"])
def test_a_name_that_some_servers_take_for_another_is_refused(name: str) -> None:
    with pytest.raises(Refusal) as found:
        read_event(msgspec.json.encode({"type": "session.update", name: {}}))
    assert (found.value.code, found.value.param) == (Code.PARAMETER_UNKNOWN, name)


def test_a_refusal_is_an_error_event_of_either_api() -> None:
    refusal = Refusal(Code.LIMIT_QUOTA, "No.", hint="Wait.", facts={"left": "0"})
    spoken = msgspec.json.decode(realtime_error(refusal, "event_1", "mine"))
    assert spoken == {
        "type": "error",
        "event_id": "event_1",
        "error": {
            "message": "No. Wait.",
            "type": "insufficient_quota",
            "param": None,
            "code": "insufficient_quota",
            "reason": "limit_quota",
            "details": {"left": "0"},
            "event_id": "mine",
        },
    }
    written = msgspec.json.decode(responses_error(refusal, "lane"))
    assert (written["type"], written["status"], written["stream_id"]) == ("error", 429, "lane")
    assert "stream_id" not in msgspec.json.decode(responses_error(refusal, None))
