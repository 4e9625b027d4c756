"""Every refusal has OpenAI's shape, and only what waiting can mend is retried."""

import json

import pytest

from keyhouse.core.errors import Code, Refusal
from keyhouse.wire.errors import answer, event, form


@pytest.mark.parametrize("code", list(Code))
def test_every_code_has_a_status_a_type_and_openais_shape(code: Code) -> None:
    status, headers, content = answer(Refusal(code, "What happened.", hint="What to do.", internal="secret"), "req_1")
    error = json.loads(content)["error"]
    assert 400 <= status <= 599
    assert error["message"] == "What happened. What to do."
    assert (error["reason"], error["type"] != "") == (code, True)
    assert {"message", "type", "param", "code"} <= set(error)
    assert b"secret" not in content
    assert (b"x-request-id", b"req_1") in headers


@pytest.mark.parametrize(
    ("code", "status", "wire_code", "headers"),
    [
        (Code.LIMIT_RATE, 429, "rate_limit_exceeded", {b"retry-after-ms": b"1500", b"retry-after": b"2"}),
        (Code.LIMIT_RATE_TOO_LARGE, 429, "rate_limit_exceeded", {b"x-should-retry": b"false"}),
        (Code.LIMIT_QUOTA, 429, "insufficient_quota", {b"x-should-retry": b"false", b"retry-after": b"2"}),
        (Code.LEDGER_UNAVAILABLE, 503, "ledger_unavailable", {b"retry-after": b"2"}),
        (Code.KEY_REVOKED, 401, "invalid_api_key", {b"www-authenticate": b"Bearer"}),
    ],
)
def test_who_may_try_again_is_told_when(code: Code, status: int, wire_code: str, headers: dict[bytes, bytes]) -> None:
    found_status, found, content = answer(Refusal(code, "x", retry_after_ms=1_500), "req_1")
    assert (found_status, json.loads(content)["error"]["code"]) == (status, wire_code)
    assert headers.items() <= dict(found).items()


def test_a_stream_that_fails_ends_with_an_error_that_sdks_raise() -> None:
    text = event(Refusal(Code.UPSTREAM_BROKEN, "It broke."))
    assert text.startswith(b"data: ")
    assert text.endswith(b"\n\n")
    assert json.loads(text[6:])["error"]["message"] == "It broke."
    assert form(Refusal(Code.UPSTREAM_BROKEN, "")).status == 502
