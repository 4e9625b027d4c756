"""What the errors that callers of models meet mean, a sentence each: the same as in docs/errors.md."""

from collections.abc import Mapping
from typing import Final

import msgspec

from keyhouse.core.errors import Code, Refusal
from keyhouse.wire.errors import form

MEANINGS: Final[Mapping[Code, str]] = {
    Code.KEY_UNKNOWN: "No such key was issued here.",
    Code.KEY_MALFORMED: "The key's form or checksum is wrong: a character was lost or changed on the way.",
    Code.KEY_ROTATED: "The key was rotated and this secret's overlap has ended. Use the newer secret.",
    Code.KEY_REVOKED: "The key was revoked, for good.",
    Code.KEY_EXPIRED: "The key's end has passed.",
    Code.KEY_DISABLED: "Somebody disabled the key. An owner can enable it again.",
    Code.KEY_OWNER_GONE: "Whoever the key belongs to is no longer a member.",
    Code.PROJECT_ARCHIVED: "The key's project was archived.",
    Code.ADDRESS_NOT_ALLOWED: "The key may only be used from addresses on its list.",
    Code.PERMISSION_MISSING: "The key lacks the permission named, or is a child key that asks for a child.",
    Code.MODEL_NOT_ALLOWED: "The key may not use this model.",
    Code.MODEL_UNKNOWN: "No model has this name here.",
    Code.LIMIT_RATE: "A limit per minute is full. It fits again after `retry-after-ms`.",
    Code.LIMIT_QUOTA: (
        "A budget or another limit longer than a minute is used up. `details` says which, what was needed and what is "
        "left. Not to be retried."
    ),
    Code.PRICE_UNKNOWN: "A limit in usd applies and the most this request can cost is not known.",
    Code.LEDGER_UNAVAILABLE: "The ledger cannot be written. Nothing was forwarded.",
    Code.UPSTREAM_BROKEN: (
        "The upstream answered something that cannot be passed on, or refused Keyhouse's own credential."
    ),
    Code.UPSTREAM_TIMEOUT: "The upstream did not answer in time.",
    Code.UPSTREAM_UNAVAILABLE: "The upstream cannot be reached.",
}


class Meaning(msgspec.Struct, frozen=True):
    """One error: its status, its `code` on the wire, its `reason`, and what that means."""

    status: int
    code: str
    reason: str
    text: str


def meanings() -> tuple[Meaning, ...]:
    """Every error of the list, as the wire shows it."""
    found = []
    for code, text in MEANINGS.items():
        shape = form(Refusal(code, ""))
        found.append(Meaning(shape.status, shape.code or "", str(code), text.replace("`", "")))
    return tuple(found)
