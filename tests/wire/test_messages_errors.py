"""Refusals as Anthropic's clients read them."""

import json

import pytest

from keyhouse.core.errors import Code, Refusal
from keyhouse.wire import errors
from keyhouse.wire.messages_errors import ANTHROPIC, body


@pytest.mark.parametrize("code", Code)
def test_every_refusal_has_anthropics_form_with_the_status_it_has_everywhere(code: Code) -> None:
    refusal = Refusal(code, "No.", hint="Wait.", facts={"unit": "usd"}, param="model")
    status, headers, content = errors.answer(refusal, "req_1", ANTHROPIC)
    said = json.loads(content)
    assert set(said) == {"type", "error", "request_id"}
    assert (said["type"], said["request_id"]) == ("error", "req_1")
    assert said["error"] | {"type": ""} == {
        "type": "",
        "message": "No. Wait.",
        "reason": str(code),
        "param": "model",
        "details": {"unit": "usd"},
    }
    assert status == errors.form(refusal).status
    assert {(b"request-id", b"req_1"), (b"x-request-id", b"req_1")} <= set(headers)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (Code.PARAMETER_INVALID, "invalid_request_error"),
        (Code.KEY_REVOKED, "authentication_error"),
        (Code.PERMISSION_MISSING, "permission_error"),
        (Code.MODEL_UNKNOWN, "not_found_error"),
        (Code.BODY_TOO_LARGE, "request_too_large"),
        (Code.LIMIT_RATE, "rate_limit_error"),
        (Code.LIMIT_QUOTA, "billing_error"),
        (Code.INTERNAL, "api_error"),
        (Code.UPSTREAM_TIMEOUT, "timeout_error"),
        (Code.LEDGER_UNAVAILABLE, "overloaded_error"),
    ],
)
def test_types_are_anthropics_own(code: Code, kind: str) -> None:
    assert json.loads(body(Refusal(code, "No."), "req_1"))["error"]["type"] == kind


def test_a_used_up_budget_is_not_to_be_tried_again() -> None:
    _, headers, _ = errors.answer(Refusal(Code.LIMIT_QUOTA, "No."), "req_1", ANTHROPIC)
    assert (b"x-should-retry", b"false") in headers
