"""Refusals on OpenAI's wire: the one place that knows which code is which status.

The shape is OpenAI's, `{"error": {"message", "type", "param", "code"}}`, so that every SDK maps it to its own
exceptions. `reason` is added: Keyhouse's own name of the refusal, which says more than a shared code does.
"""

from collections.abc import Callable
from typing import Final

import msgspec

from keyhouse.core.errors import Code, Refusal
from keyhouse.wire.headers import RATE_LIMITED_UNITS, Headers, go_duration

JSON: Final = (b"content-type", b"application/json")
_INVALID: Final = "invalid_request_error"


class Form(msgspec.Struct, frozen=True):
    """How a refusal looks. `should_retry` False keeps OpenAI's SDKs from trying the same again in vain."""

    status: int
    type: str = _INVALID
    code: str | None = None
    should_retry: bool | None = None


def form(refusal: Refusal) -> Form:  # noqa: C901, PLR0912  one table, which the type checker holds complete
    """The form of a refusal, for every code there is."""
    match refusal.code:
        case (
            Code.CREDENTIAL_MISSING
            | Code.PROOF_REQUIRED
            | Code.SESSION_REQUIRED
            | Code.SIGN_IN_WRONG
            | Code.SIGNATURE_WRONG
        ):
            return Form(401)
        case (
            Code.KEY_DISABLED
            | Code.KEY_EXPIRED
            | Code.KEY_MALFORMED
            | Code.KEY_ACCESS_LOST
            | Code.KEY_OWNER_GONE
            | Code.KEY_REVOKED
            | Code.KEY_ROTATED
            | Code.KEY_UNKNOWN
            | Code.KEY_WRONG_KIND
            | Code.PROJECT_ARCHIVED
        ):
            return Form(401, code="invalid_api_key")
        case Code.ADDRESS_NOT_ALLOWED:
            return Form(401, code="ip_not_authorized")
        case Code.CREDENTIAL_TWICE | Code.BODY_NOT_FORM | Code.BODY_NOT_JSON | Code.BODY_BROKEN | Code.HEAD_AMBIGUOUS:
            return Form(400)
        case Code.PARAMETER_INVALID:
            return Form(400, code="invalid_value")
        case Code.PARAMETER_MISSING:
            return Form(400, code="missing_required_parameter")
        case Code.PARAMETER_UNKNOWN:
            return Form(400, code="unknown_parameter")
        case Code.PRICE_UNKNOWN:
            return Form(400, code="price_unknown")
        case (
            Code.SETUP_LINK_INVALID
            | Code.INVITE_INVALID
            | Code.RESET_LINK_INVALID
            | Code.CROSS_SITE
            | Code.NOT_PERMITTED
            | Code.ENDPOINT_NOT_ALLOWED
        ):
            return Form(403, code=str(refusal.code))
        case Code.PERMISSION_MISSING:
            return Form(403, code="missing_scope")
        case Code.MODEL_NOT_ALLOWED:
            return Form(403, code="model_not_found")
        case Code.MODEL_UNKNOWN:
            return Form(404, code="model_not_found")
        case Code.ENDPOINT_UNKNOWN:
            return Form(404, code="unknown_url")
        case Code.NOT_FOUND:
            return Form(404)
        case Code.METHOD_NOT_ALLOWED:
            return Form(405, code="method_not_allowed")
        case Code.BODY_TIMEOUT:
            return Form(408)
        case Code.SESSION_EXPIRED:
            return Form(408, code="session_expired")
        case Code.CONFLICT | Code.SETUP_DONE:
            return Form(409, code=str(refusal.code), should_retry=False)
        case Code.BODY_TOO_LARGE:
            return Form(413)
        case Code.HEAD_TOO_LARGE:
            return Form(431)
        case Code.LIMIT_RATE:
            return Form(429, _rate_type(refusal), "rate_limit_exceeded")
        case Code.LIMIT_RATE_TOO_LARGE:
            return Form(429, _rate_type(refusal), "rate_limit_exceeded", should_retry=False)
        case Code.LIMIT_QUOTA:
            return Form(429, "insufficient_quota", "insufficient_quota", should_retry=False)
        case Code.SIGN_IN_THROTTLED | Code.REPORTS_THROTTLED:
            return Form(429, "requests", "rate_limit_exceeded")
        case Code.INTERNAL:
            return Form(500, "server_error")
        case Code.UPSTREAM_BROKEN:
            return Form(502, "upstream_error", "upstream_error")
        case Code.BODIES_FULL | Code.LEDGER_UNAVAILABLE | Code.STOPPING:
            return Form(503, "service_unavailable_error", str(refusal.code))
        case Code.UPSTREAM_UNAVAILABLE:
            return Form(503, "upstream_error", "upstream_error")
        case Code.UPSTREAM_TIMEOUT:
            return Form(504, "upstream_error", "upstream_timeout")


def error_object(refusal: Refusal) -> dict[str, object]:
    """The refusal as OpenAI's error object. Its facts follow as `details`, where it has any."""
    shape = form(refusal)
    error: dict[str, object] = {
        "message": refusal.text,
        "type": shape.type,
        "param": refusal.param,
        "code": shape.code,
        "reason": str(refusal.code),
    }
    if refusal.facts:
        error["details"] = dict(refusal.facts)
    return error


def body(refusal: Refusal) -> bytes:
    """The error object in JSON, as it is answered."""
    return msgspec.json.encode({"error": error_object(refusal)})


class Dialect(msgspec.Struct, frozen=True):
    """How the clients of one API are told of a refusal; its status and most headers are the same for all of them.

    `body` makes it an answer's body, given the request's id. `request_id` is the header in which these clients look
    for that id, beside `x-request-id`, and `takes_x_api_key` says that their credential may come in `x-api-key`.
    What a refusal looks like in the middle of a stream is the stream's own (`StreamMeter.broken_off`).
    """

    body: Callable[[Refusal, str], bytes]
    request_id: bytes = b"x-request-id"
    takes_x_api_key: bool = False


OPENAI: Final = Dialect(lambda refusal, _: body(refusal))


def answer(refusal: Refusal, request_id: str, dialect: Dialect = OPENAI) -> tuple[int, Headers, bytes]:
    """Status, headers and body of the answer that tells a program it was refused."""
    shape = form(refusal)
    content = dialect.body(refusal, request_id)
    headers: Headers = [
        JSON,
        (b"content-length", b"%d" % len(content)),
        (b"x-request-id", request_id.encode()),
        (b"openai-version", b"2020-10-01"),
    ]
    if dialect.request_id != b"x-request-id":
        headers.append((dialect.request_id, request_id.encode()))
    if shape.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    if shape.should_retry is not None:
        headers.append((b"x-should-retry", b"true" if shape.should_retry else b"false"))
    retry_after_ms = refusal.retry_after_ms
    if retry_after_ms is None and refusal.code is Code.LEDGER_UNAVAILABLE:
        retry_after_ms = 1_000
    if retry_after_ms is not None and refusal.code is not Code.LIMIT_RATE_TOO_LARGE:
        # `retry-after-ms` is what the SDKs wait for; a long wait is said in whole seconds only.
        if refusal.code is not Code.LIMIT_QUOTA:
            headers.append((b"retry-after-ms", b"%d" % retry_after_ms))
        headers.append((b"retry-after", b"%d" % -(-retry_after_ms // 1_000)))
    if allow := refusal.facts.get("allow"):
        headers.append((b"allow", str(allow).encode()))
    if shape.status == 429:
        headers += _rate_limits(refusal)
    return shape.status, headers, content


def event(refusal: Refusal) -> bytes:
    """The refusal as the last event of a stream that had already begun."""
    return b"data: " + body(refusal) + b"\n\n"


def _rate_type(refusal: Refusal) -> str:
    return "tokens" if refusal.facts.get("unit") == "tokens" else "requests"


def _rate_limits(refusal: Refusal) -> Headers:
    """The `x-ratelimit-*` headers of the limit that refused, where it is one that those headers can tell."""
    facts = refusal.facts
    unit = facts.get("unit")
    if unit not in RATE_LIMITED_UNITS or facts.get("amount") is None:
        return []
    name = str(unit).encode()
    headers = [
        (b"x-ratelimit-limit-" + name, str(facts["amount"]).encode()),
        (b"x-ratelimit-remaining-" + name, str(facts.get("left") or 0).encode()),
    ]
    if refusal.retry_after_ms is not None:
        headers.append((b"x-ratelimit-reset-" + name, go_duration(refusal.retry_after_ms)))
    return headers
