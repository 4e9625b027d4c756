"""Making admin keys: one way for the set-up, for those who have a session or an admin key, and by command.

An admin key does what its owner may at that moment, so that making one gives nobody more than they have.
"""

from typing import Final

from keyhouse.control.fields import read_email, read_expiry, read_name
from keyhouse.control.issuing import IssuedKey, NewKey, issue_key
from keyhouse.core.authority import Task, may
from keyhouse.core.clock import Clock, Entropy
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.secret import Kind
from keyhouse.store import grants, people
from keyhouse.store.audit import Event
from keyhouse.store.engine import Actor, Change, Connection, Database
from keyhouse.store.people import Member

LIFE_SECONDS_MAX: Final = 31_536_000
"""A year, as at OpenAI; without an end a key lives until it is revoked."""

_OWNERS_NAMED: Final = 3


def new_admin_key(
    organization_id: str, owner_id: str, name: str, expires_at_ms: int | None = None, *, now_ms: int
) -> NewKey:
    """What an admin key is made of; raises Refusal(PARAMETER_INVALID) for a name or an end that it cannot have."""
    ends_at_ms = read_expiry(expires_at_ms, now_ms)
    if ends_at_ms is not None and ends_at_ms > now_ms + LIFE_SECONDS_MAX * 1000:
        raise Refusal(
            Code.PARAMETER_INVALID,
            "An admin key lives for a year at most.",
            hint="Choose an earlier end, or none.",
            param="expires_at",
        )
    return NewKey(Kind.ADMIN, organization_id, None, owner_id, read_name(name), expires_at_ms=ends_at_ms)


def issue_admin_key(change: Change, new: NewKey, entropy: Entropy, pepper: bytes, **details: str) -> IssuedKey:
    """Make it, within a change that says so; `details` are told besides."""
    issued = issue_key(change.connection, new, change.now_ms, entropy, pepper)
    told = {"name": new.name, "expires_at_ms": new.expires_at_ms} | details
    change.record(Event.ADMIN_API_KEY_CREATED, issued.key.id, details=told)
    change.announce(issued.key.id)
    return issued


class ByCommand:
    """Makes admin keys for whoever may read the master key, where no admin key is at hand."""

    def __init__(self, database: Database, clock: Clock, entropy: Entropy, pepper: bytes) -> None:
        self._database = database
        self._clock = clock
        self._entropy = entropy
        self._pepper = pepper

    async def create(self, email: str, name: str, expires_at_ms: int | None) -> tuple[IssuedKey, Member]:
        """A new admin key of whoever signs in with this address, who must be allowed to make one; and that person.

        Raises Refusal(NOT_FOUND, NOT_PERMITTED, PARAMETER_INVALID).
        """
        address = read_email(email)
        found = await self._database.read(lambda connection: _owner(connection, address))
        organization_id, user_id = found.organization_id, found.user_id
        new = new_admin_key(organization_id, user_id, name, expires_at_ms, now_ms=self._clock.now_ms())

        def write(change: Change) -> IssuedKey:
            # Asked again where nobody can take the role away meanwhile.
            people.find_member(change.connection, organization_id, user_id, for_share=True)
            _owner(change.connection, address)
            return issue_admin_key(change, new, self._entropy, self._pepper, owner=found.email)

        return await self._database.change(Actor("system", organization_id, "", "", ""), write), found


def _owner(connection: Connection, email: str) -> Member:
    """Who signs in with this address, if they may make admin keys."""
    found = people.find_sign_in(connection, email)
    if found is None:
        raise Refusal(
            Code.NOT_FOUND, f"Nobody signs in as {email}.", hint="Give the address as it is on the page of members."
        )
    member = found.member
    held = grants.list_grants(connection, member.organization_id, member.user_id)
    if not may(member.role, held, Task.ADMIN_KEYS):
        owners = people.list_owners(connection, member.organization_id)[:_OWNERS_NAMED]
        raise Refusal(
            Code.NOT_PERMITTED,
            f"{email} may not make admin keys: that takes the permission {Task.ADMIN_KEYS}.",
            hint=f"Make it for an owner: {', '.join(owner.email for owner in owners)}.",
        )
    return member
