"""What errors mean, a sentence or two each: the same as in docs/errors.md."""

from collections.abc import Mapping
from typing import Final

import msgspec

from keyhouse.core.errors import Code, Refusal
from keyhouse.wire.errors import form

GROUPS: Final[Mapping[str, Mapping[Code, str]]] = {
    "Who asks": {
        Code.ADDRESS_NOT_ALLOWED: "The key may only be used from addresses on its list.",
        Code.CREDENTIAL_MISSING: "No API key was sent. Send `Authorization: Bearer sk-kh_...`.",
        Code.CREDENTIAL_TWICE: "More than one credential was sent. Send exactly one.",
        Code.KEY_ACCESS_LOST: (
            "The roles of the key's owner no longer allow calls in its project; with the role back, the key works"
            " again."
        ),
        Code.KEY_DISABLED: (
            "Somebody disabled the key, or a report of a leak. An owner of the project can enable it again; its own"
            " owner only if they disabled it."
        ),
        Code.KEY_EXPIRED: "The key's end has passed.",
        Code.KEY_MALFORMED: "The key's form or checksum is wrong: a character was lost or changed on the way.",
        Code.KEY_OWNER_GONE: "Whoever the key belongs to is no longer a member.",
        Code.KEY_REVOKED: "The key was revoked, for good.",
        Code.KEY_ROTATED: "The key was rotated and this secret's overlap has ended. Use the newer secret.",
        Code.KEY_UNKNOWN: "No such key was issued here.",
        Code.KEY_WRONG_KIND: "An admin key calls the Admin API only, an API key models only.",
        Code.PROJECT_ARCHIVED: "The key's project was archived.",
    },
    "What is asked": {
        Code.BODY_BROKEN: "The body ended before its end, or its chunks are not in HTTP's form.",
        Code.BODY_NOT_FORM: "The body is not `multipart/form-data` that can be read, where only that is taken.",
        Code.BODY_NOT_JSON: "The body is not a JSON object in UTF-8.",
        Code.BODY_TIMEOUT: "The body did not arrive within 60 seconds, a form within 300.",
        Code.BODY_TOO_LARGE: "The body is larger than is accepted.",
        Code.ENDPOINT_UNKNOWN: "There is nothing at this path.",
        Code.HEAD_AMBIGUOUS: (
            "The request's head can be read in more than one way, so that a proxy and Keyhouse might not see the "
            "same request: a body framed twice, `Connection` that names framing or credentials, a `Host` that is "
            "no host. The connection is closed."
        ),
        Code.HEAD_TOO_LARGE: "Address and headers are larger than 32 KB together. The connection is closed.",
        Code.METHOD_NOT_ALLOWED: "The path exists, with another method (`Allow`).",
        Code.PARAMETER_INVALID: "A parameter (`param`) has a value that cannot be used.",
        Code.PARAMETER_MISSING: "A parameter (`param`) is required.",
        Code.PARAMETER_UNKNOWN: "A parameter (`param`) does not exist.",
        Code.SESSION_EXPIRED: (
            "A WebSocket was open for an hour, silent for ten minutes, or its client did not read for two. Open "
            "another one."
        ),
    },
    "What the key may": {
        Code.ENDPOINT_NOT_ALLOWED: "The key may be used for the endpoints on its list only.",
        Code.MODEL_NOT_ALLOWED: "The key may not use this model.",
        Code.MODEL_UNKNOWN: "No model has this name here.",
        Code.PERMISSION_MISSING: "The key lacks the permission named, or is a child key that asks for a child.",
    },
    "What fits the limits": {
        Code.LIMIT_RATE: "A limit per minute is full. It fits again after `retry-after-ms`.",
        Code.LIMIT_RATE_TOO_LARGE: "This request alone is more than a limit per minute allows; waiting does not help.",
        Code.LIMIT_QUOTA: (
            "A budget or another limit longer than a minute is used up. `details` says which, what was needed and"
            " what is left. Not to be retried."
        ),
        Code.PRICE_UNKNOWN: "A limit in usd applies and the most this request can cost is not known.",
    },
    "Where calls go": {
        Code.BODIES_FULL: (
            "Large requests that are being read fill the 400 MB that there are for all of them. Nothing was "
            "forwarded; it fits again in a moment."
        ),
        Code.LEDGER_UNAVAILABLE: "The ledger cannot be written. Nothing was forwarded.",
        Code.STOPPING: (
            "This gateway is stopping. Nothing was forwarded; another one, or the next start, serves the call."
        ),
        Code.UPSTREAM_BROKEN: (
            "The upstream answered something that cannot be passed on, or refused Keyhouse's own credential."
        ),
        Code.UPSTREAM_TIMEOUT: "The upstream did not answer in time.",
        Code.UPSTREAM_UNAVAILABLE: "The upstream cannot be reached.",
        Code.INTERNAL: "A fault in Keyhouse. The request id finds it in the log.",
    },
    "Accounts and administration": {
        Code.CONFLICT: "What was asked does not fit the present state.",
        Code.NOT_FOUND: "There is no such object in this organization, or none that this key's project made.",
        Code.NOT_PERMITTED: "Your role does not allow this; the message says who can.",
        Code.SETUP_DONE: "Keyhouse is set up already.",
        Code.INVITE_INVALID: (
            "The invite was used, taken back, has expired, or offers more than whoever made it has now. Ask for a"
            " new one."
        ),
        Code.RESET_LINK_INVALID: (
            "The link for a new password was used, has expired, or whoever made it may no longer. Ask an owner "
            "for a new one."
        ),
        Code.SETUP_LINK_INVALID: "The one-time link was used or is older than 15 minutes.",
        Code.PROOF_REQUIRED: "A page needs somebody who gave their password within the last ten minutes.",
        Code.REPORTS_THROTTLED: "Too many reports of leaked secrets in the last minute. Send several in one.",
        Code.SESSION_REQUIRED: "A page needs somebody signed in.",
        Code.SIGNATURE_WRONG: "A report of leaked secrets is not signed by GitHub, where only those are taken.",
        Code.SIGN_IN_THROTTLED: "Too many sign-ins failed. Wait as long as it says.",
        Code.SIGN_IN_WRONG: "E-mail or password is wrong.",
        Code.CROSS_SITE: "A form was sent from another site, or is too old.",
    },
}
"""All of them, in the order in which a call meets them."""


class Meaning(msgspec.Struct, frozen=True):
    """One error: its status, its `code` on the wire if it has one, its `reason`, and what that means."""

    status: int
    code: str
    reason: str
    text: str


def meanings() -> tuple[tuple[str, tuple[Meaning, ...]], ...]:
    """Every error, as the wire shows it, in groups with a title."""
    return tuple(
        (title, tuple(_meaning(code, text) for code, text in group.items())) for title, group in GROUPS.items()
    )


def _meaning(code: Code, text: str) -> Meaning:
    shape = form(Refusal(code, ""))
    return Meaning(shape.status, shape.code or "", str(code), text.replace("`", ""))
