"""A call: one attempt forwarded to one upstream, one row in the ledger."""

from collections.abc import Hashable
from enum import StrEnum

import msgspec

from keyhouse.core.money import DEFAULT_TIER, Counts


class State(StrEnum):
    """A call's life. It begins held and closes once, into one of the other three; a closed call never changes.

    held -> settled    it was answered, and charged what it used
    held -> released   no token was used: it costs nothing and counts on no limit
    held -> orphaned   its gateway died: it is charged all it had reserved
    """

    HELD = "held"
    SETTLED = "settled"
    RELEASED = "released"
    ORPHANED = "orphaned"


class Basis(StrEnum):
    """What a charge rests on: the upstream's own usage, what the gateway counted, what was reserved, or what whoever
    asked said it costs, where no upstream is asked.
    """

    UPSTREAM = "upstream"
    COUNTED = "counted"
    RESERVED = "reserved"
    STATED = "stated"


class Opening(msgspec.Struct, frozen=True, gc=False):
    """Who calls what, as it is written before anything is sent.

    `owner_type` is the scope type of the key's owner, `user` or `service_account`. `price_id` is None where the
    price is unknown. `parent_id` is the key that made a child key: its limits count the call, too.
    """

    id: str
    request_id: str
    attempt: int
    organization_id: str
    time_zone: str
    project_id: str
    owner_id: str
    key_id: str
    secret_version: int
    redacted: str
    model: str
    upstream: str
    endpoint: str
    price_id: int | None
    address: str = ""
    agent: str = ""
    owner_type: str = "user"
    parent_id: str | None = None


class Closing(msgspec.Struct, frozen=True, gc=False):
    """How a call ended.

    `charged_nano_usd` is None where the price is unknown. `status` is the HTTP status the client saw, 0 if it
    saw none; `tier` the service tier that answered. `first_byte_ms` and `duration_ms` are counted from the moment
    the call was admitted; `first_byte_ms` is None if no byte came, or if the answer was no stream. `flags` name what
    was odd, such as `usage_clamped`.
    """

    call_id: str
    state: State
    basis: Basis | None = None
    counts: Counts = Counts()
    charged_nano_usd: int | None = 0
    status: int = 0
    first_byte_ms: int | None = None
    duration_ms: int = 0
    flags: str = ""
    tier: str = DEFAULT_TIER


def scopes_of(opening: Opening) -> tuple[tuple[str, str], ...]:
    """What a call's limits may stand on, by scope type and id: its key, the key's owner, project, organization.

    A child key's calls count on its parent's limits, too: what it spends is carved out of those.
    """
    scopes = (
        ("key", opening.key_id),
        (opening.owner_type, opening.owner_id),
        ("project", opening.project_id),
        ("organization", opening.organization_id),
    )
    return scopes if opening.parent_id is None else (*scopes, ("key", opening.parent_id))


def alike_in(opening: Opening) -> Hashable:
    """What calls must have in common to be alike to the limits."""
    key = (opening.key_id, opening.secret_version, opening.parent_id, opening.model)
    return (*key, opening.owner_type, opening.owner_id, opening.project_id, opening.organization_id)
