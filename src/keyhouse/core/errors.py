"""Every refusal by name.

A room that will not do what it was asked raises one `Refusal`. It knows nothing of HTTP:
`wire/errors.py` turns a code into a status for programs, the console into a sentence,
the command into an exit code.
"""

from collections.abc import Mapping
from enum import StrEnum


class Code(StrEnum):
    """What was refused. The value is what operators grep for; it never changes once published."""

    # who asks
    ADDRESS_NOT_ALLOWED = "address_not_allowed"
    CREDENTIAL_MISSING = "credential_missing"
    CREDENTIAL_TWICE = "credential_twice"
    KEY_ACCESS_LOST = "key_access_lost"
    KEY_DISABLED = "key_disabled"
    KEY_EXPIRED = "key_expired"
    KEY_MALFORMED = "key_malformed"
    KEY_OWNER_GONE = "key_owner_gone"
    KEY_REVOKED = "key_revoked"
    KEY_ROTATED = "key_rotated"
    KEY_UNKNOWN = "key_unknown"
    KEY_WRONG_KIND = "key_wrong_kind"
    PROJECT_ARCHIVED = "project_archived"
    PROOF_REQUIRED = "proof_required"
    REPORTS_THROTTLED = "reports_throttled"
    SESSION_REQUIRED = "session_required"
    SIGNATURE_WRONG = "signature_wrong"
    SIGN_IN_THROTTLED = "sign_in_throttled"
    SIGN_IN_WRONG = "sign_in_wrong"
    CROSS_SITE = "cross_site"

    # what is asked
    BODY_BROKEN = "body_broken"
    BODY_NOT_FORM = "body_not_form"
    BODY_NOT_JSON = "body_not_json"
    BODY_TIMEOUT = "body_timeout"
    BODY_TOO_LARGE = "body_too_large"
    ENDPOINT_UNKNOWN = "endpoint_unknown"
    HEAD_AMBIGUOUS = "head_ambiguous"
    HEAD_TOO_LARGE = "head_too_large"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    PARAMETER_INVALID = "parameter_invalid"
    PARAMETER_MISSING = "parameter_missing"
    PARAMETER_UNKNOWN = "parameter_unknown"
    SESSION_EXPIRED = "session_expired"

    # may it
    ENDPOINT_NOT_ALLOWED = "endpoint_not_allowed"
    MODEL_NOT_ALLOWED = "model_not_allowed"
    MODEL_UNKNOWN = "model_unknown"
    PERMISSION_MISSING = "permission_missing"

    # does it fit
    LIMIT_RATE = "limit_rate"
    LIMIT_RATE_TOO_LARGE = "limit_rate_too_large"
    LIMIT_QUOTA = "limit_quota"
    PRICE_UNKNOWN = "price_unknown"

    # where to
    BODIES_FULL = "bodies_full"
    LEDGER_UNAVAILABLE = "ledger_unavailable"
    STOPPING = "stopping"
    UPSTREAM_BROKEN = "upstream_broken"
    UPSTREAM_TIMEOUT = "upstream_timeout"
    UPSTREAM_UNAVAILABLE = "upstream_unavailable"

    # administration
    CONFLICT = "conflict"
    NOT_FOUND = "not_found"
    NOT_PERMITTED = "not_permitted"
    SETUP_DONE = "setup_done"
    INVITE_INVALID = "invite_invalid"
    RESET_LINK_INVALID = "reset_link_invalid"
    SETUP_LINK_INVALID = "setup_link_invalid"

    INTERNAL = "internal"


class Refusal(Exception):  # noqa: N818  it is an answer, not a fault
    """Something was not done.

    `message` says what happened and to which object; `hint` what to do next. Both reach the caller, so
    neither may hold anything the caller must not know; that goes to `internal`, which is only logged.
    `param` names the offending parameter as the caller wrote it. `facts` are numbers for bodies and
    headers. `retry_after_ms` is set where waiting helps.
    """

    def __init__(
        self,
        code: Code,
        message: str,
        *,
        hint: str = "",
        param: str | None = None,
        facts: Mapping[str, str | int | None] | None = None,
        retry_after_ms: int | None = None,
        internal: str = "",
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
        self.param = param
        self.facts: Mapping[str, str | int | None] = facts or {}
        self.retry_after_ms = retry_after_ms
        self.internal = internal

    @property
    def text(self) -> str:
        """Message and hint as one line for people."""
        return f"{self.message} {self.hint}".strip()
