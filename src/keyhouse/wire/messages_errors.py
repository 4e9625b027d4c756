"""Refusals on Anthropic's wire: `{"type": "error", "error": {"type", "message"}, "request_id"}`.

Its clients go by the status, which is the same as on OpenAI's wire, and by the type, which has names of its own.
`reason`, `param` and `details` are added, as they are there.
"""

from typing import Final

import msgspec

from keyhouse.core.errors import Code, Refusal
from keyhouse.wire import errors

_TYPES: Final = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    502: "api_error",
    503: "overloaded_error",
    504: "timeout_error",
}
_OTHERWISE: Final = "invalid_request_error"


def body(refusal: Refusal, request_id: str) -> bytes:
    """The refusal as Anthropic's error object, in JSON."""
    kind = _TYPES.get(errors.form(refusal).status, _OTHERWISE)
    if refusal.code is Code.LIMIT_QUOTA:
        kind = "billing_error"
    error: dict[str, object] = {"type": kind, "message": refusal.text, "reason": str(refusal.code)}
    if refusal.param is not None:
        error["param"] = refusal.param
    if refusal.facts:
        error["details"] = dict(refusal.facts)
    return msgspec.json.encode({"type": "error", "error": error, "request_id": request_id})


ANTHROPIC: Final = errors.Dialect(body, request_id=b"request-id", takes_x_api_key=True)
