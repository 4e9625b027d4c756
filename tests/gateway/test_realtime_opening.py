"""How a session is opened: who may, what for, and where that is at an upstream."""

import json
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from gateway.given_sockets import SocketStreet, a_socket_street, speaks_realtime
from gateway.scripted import SECRET, the_key
from keyhouse.gateway.realtime_opening import target_of
from keyhouse.gateway.routing import Deployment, Upstream
from keyhouse.wire.realtime_settings import REALTIME, TRANSCRIPTION


async def refused(there: SocketStreet, path: str, **more: Any) -> tuple[int, dict[str, Any]]:
    with pytest.raises(InvalidStatus) as found:
        async with there.connect(path, **more):
            pass
    response = found.value.response
    assert SECRET not in repr(response)
    return response.status_code, json.loads(response.body or b"{}").get("error", {})


@pytest.mark.asyncio
async def test_who_may_not_open_a_session_is_told_by_status_before_there_is_one(tmp_path: Path) -> None:
    seeds = the_key(models='["voice-1","unpriced"]')
    async with a_socket_street(tmp_path, speaks_realtime, seeds) as there:
        found = {
            "nobody": await refused(there, "/v1/realtime?model=voice-1", secret=SECRET[:-1] + "x"),
            "model": await refused(there, "/v1/realtime?model=tiny-1"),
            "none": await refused(there, "/v1/realtime"),
            "intent": await refused(there, "/v1/realtime?model=voice-1&intent=banter"),
            "twice": await refused(there, "/v1/realtime?model=voice-1&model=tiny-1"),
            "empty": await refused(there, "/v1/realtime?model="),
            "a call": await refused(there, "/v1/realtime?call_id=rtc_1"),
            "alone": await refused(there, "/v1/realtime?intent=transcription&model=tiny-1"),
            "elsewhere": await refused(there, "/v1/chat/completions"),
            "nowhere": await refused(there, "/console"),
            "browser": await refused(
                there, "/v1/realtime?model=voice-1", subprotocols=["realtime", f"openai-insecure-api-key.{SECRET}"]
            ),
        }
        assert there.lines == []
    assert {name: status for name, (status, _) in found.items()} == {
        "nobody": 401,
        "model": 403,
        "none": 400,
        "intent": 400,
        "twice": 400,
        "empty": 400,
        "a call": 400,
        "alone": 403,
        "elsewhere": 404,
        "nowhere": 403 if found["nowhere"][0] == 403 else 404,
        "browser": 400,
    }
    assert found["model"][1]["code"] == "model_not_found"


@pytest.mark.asyncio
async def test_a_key_without_the_permission_opens_no_session(tmp_path: Path) -> None:
    async with a_socket_street(tmp_path, speaks_realtime, the_key(permissions='{"responses":"write"}')) as there:
        status, error = await refused(there, "/v1/realtime?model=voice-1")
    assert (status, error["code"]) == (403, "missing_scope")


@pytest.mark.parametrize(
    ("api_version", "kind", "target"),
    [
        (None, REALTIME, "/realtime?model=a%2Fb"),
        (None, TRANSCRIPTION, "/realtime?intent=transcription"),
        ("v1", REALTIME, "/realtime?deployment=a%2Fb&api-version=v1"),
        ("v1", TRANSCRIPTION, "/realtime?intent=transcription&deployment=a%2Fb&api-version=v1"),
    ],
)
def test_a_session_is_opened_where_the_upstream_has_it(api_version: str | None, kind: str, target: str) -> None:
    upstream = Upstream("there", "https://there.example/v1", api_version=api_version)
    assert target_of(Deployment(upstream, "a/b"), kind) == target
