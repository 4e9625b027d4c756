"""What people do with their own account, and how someone who forgot their password comes in again.

Keyhouse sends no mail. Whoever may change people makes a link for someone who cannot do more than they can, and gives
it to them; a lone owner makes one with the command, where Keyhouse runs. A new password ends every session.
"""

from collections.abc import Callable
from typing import Final

import msgspec

from keyhouse.control.authority import ORGANIZATION, Task, act, require, require_covered
from keyhouse.control.fields import read_name
from keyhouse.control.people import locked_member
from keyhouse.core.authority import ORGANIZATION_ROLES
from keyhouse.core.clock import Clock
from keyhouse.core.errors import Code, Refusal
from keyhouse.identity.passwords import Passwords, acceptable
from keyhouse.identity.reset_links import Claim, is_genuine, make_token, read_claim
from keyhouse.identity.sessions import Session
from keyhouse.identity.throttle import Throttle
from keyhouse.store import grants, people, sessions
from keyhouse.store.audit import Event
from keyhouse.store.engine import Actor, Change, Connection, Database
from keyhouse.store.people import Account, Member

LIFETIME_MS: Final = 30 * 60_000
"""How long a link for a new password works."""


class ResetLink(msgspec.Struct, frozen=True):
    """A link just made: for whom, until when, and its token, which is shown this once."""

    email: str
    until_ms: int
    token: str

    def __repr__(self) -> str:
        return f"ResetLink({self.email!r})"

    __str__ = __repr__


class Accounts:
    """The verbs on accounts. `reset_key` signs links."""

    def __init__(
        self, database: Database, clock: Clock, passwords: Passwords, throttle: Throttle, reset_key: bytes
    ) -> None:
        self._database = database
        self._clock = clock
        self._passwords = passwords
        self._throttle = throttle
        self._reset_key = reset_key

    async def change_password(self, session: Session, present: str, new: str, address: str) -> None:
        """Put a new password in place of the present one, and end all of this person's sessions.

        Raises Refusal(SIGN_IN_WRONG, SIGN_IN_THROTTLED, PARAMETER_INVALID).
        """
        attempt = await self._throttle.admit(session.email, address)
        account = await self._database.read(lambda c: people.find_account(c, session.email))
        known = None if account is None else account.password_hash
        if account is None or not await self._passwords.verify(known, present):
            raise Refusal(Code.SIGN_IN_WRONG, "The present password is wrong.", hint="It is the one you sign in with.")
        await self._throttle.succeeded(attempt)
        acceptable(new, email=session.email, organization=session.organization_name)
        password_hash = await self._passwords.hash(new)

        def write(change: Change) -> None:
            self._replace(change, session.email, account, password_hash)
            change.record(Event.PASSWORD_CHANGED, session.user_id)

        await self._database.change(session.actor(address), write)

    async def rename(self, session: Session, name: str, address: str) -> None:
        """Give this person another name, or none: then they are called by their address.

        Raises Refusal(PARAMETER_INVALID).
        """
        wanted = read_name(name) if name.strip() else ""

        def write(change: Change) -> None:
            before = locked_member(change, session.user_id).name
            people.update_name(change.connection, session.user_id, wanted)
            change.record(Event.USER_UPDATED, session.user_id, details={"name": {"from": before, "to": wanted}})

        await self._database.change(session.actor(address), write)

    async def end_session(self, session: Session, session_id: str, address: str) -> None:
        """End one of this person's own sessions. Raises Refusal(NOT_FOUND) for another's, or one that has ended."""
        try:
            id_hash = bytes.fromhex(session_id)
        except ValueError:
            raise _no_session() from None

        def end(connection: Connection, now_ms: int) -> int:
            if not sessions.update_one_ended(connection, session.user_id, id_hash, now_ms):
                raise _no_session()
            return 1

        await self._end(session, address, end)

    async def end_sessions(self, session: Session, address: str, *, kept: bytes = b"") -> None:
        """End all of this person's sessions, but the one with the hash `kept`."""

        def end(connection: Connection, now_ms: int) -> int:
            return sessions.update_sessions_ended(connection, session.user_id, now_ms, kept=kept)

        await self._end(session, address, end)

    async def make_reset_link(self, actor: Actor, user_id: str) -> ResetLink:
        """A link by which a member chooses a new password, once, within `LIFETIME_MS`.

        Raises Refusal(NOT_PERMITTED, also for someone who may do more than the actor, NOT_FOUND).
        """

        def write(change: Change) -> ResetLink:
            member = locked_member(change, user_id)
            _require_no_more(change.connection, change.actor, member)
            account = people.find_account(change.connection, member.email)
            until_ms = change.now_ms + LIFETIME_MS
            claim = Claim(user_id, member.organization_id, change.actor.user_id, until_ms)
            known = None if account is None else account.password_hash
            change.record(Event.PASSWORD_RESET_LINK_MADE, user_id, details={"expires_at_ms": until_ms})
            return ResetLink(member.email, until_ms, make_token(self._reset_key, claim, known))

        return await act(self._database, actor, Task.USERS, write)

    async def offer(self, token: str) -> Member:
        """Whose password this link changes; raises Refusal(RESET_LINK_INVALID) that says why it changes none."""
        now_ms = self._clock.now_ms()
        member, _ = await self._database.read(lambda c: self._offer(c, token, now_ms))
        return member

    async def reset_password(self, token: str, new: str, address: str) -> str:
        """Choose a new password by this link, which ends it and every session; the e-mail address to sign in with.

        Raises Refusal(RESET_LINK_INVALID, PARAMETER_INVALID).
        """
        member = await self.offer(token)
        organization = await self._database.read(lambda c: people.get_organization(c, member.organization_id))
        acceptable(new, email=member.email, organization=organization.name)
        password_hash = await self._passwords.hash(new)
        actor = Actor("session", member.organization_id, member.user_id, member.email, member.role, address=address)

        def write(change: Change) -> None:
            # Asked again where nobody can come between: of two who send the form at once, one is told that it is used.
            people.find_sign_in(change.connection, member.email, for_update=True)
            _, account = self._offer(change.connection, token, change.now_ms)
            self._replace(change, member.email, account, password_hash)
            claim = read_claim(token)
            made_by = "the command" if claim is None or not claim.maker_id else claim.maker_id
            change.record(Event.PASSWORD_CHANGED, member.user_id, details={"by_link_of": made_by})

        await self._database.change(actor, write)
        return member.email

    def _offer(self, connection: Connection, token: str, now_ms: int) -> tuple[Member, Account]:
        claim = read_claim(token)
        member = None if claim is None else people.find_member(connection, claim.organization_id, claim.user_id)
        account = None if member is None else people.find_account(connection, member.email)
        if claim is None or member is None or account is None:
            raise _invalid("This is not a link for a new password.")
        if not is_genuine(self._reset_key, token, account.password_hash):
            raise _invalid("This link was used already, or is not one for a new password.")
        if now_ms >= claim.until_ms:
            raise _invalid("This link has expired.")
        if member.gone_at_ms is not None:
            raise _invalid("You are no longer a member here.")
        if claim.maker_id:
            _require_maker(connection, claim, member)
        return member, account

    def _replace(self, change: Change, email: str, account: Account, password_hash: str) -> None:
        found = people.find_sign_in(change.connection, email, for_update=True)
        if found is None or found.password_hash != account.password_hash:
            raise Refusal(Code.CONFLICT, "The password was changed a moment ago.", hint="Sign in with the new one.")
        people.update_password_hash(change.connection, account.user_id, password_hash)
        sessions.update_sessions_ended(change.connection, account.user_id, change.now_ms)

    async def _end(self, session: Session, address: str, end: Callable[[Connection, int], int]) -> None:
        def write(change: Change) -> None:
            ended = end(change.connection, change.now_ms)
            change.record(Event.LOGOUT_SUCCEEDED, session.user_id, details={"sessions": ended})

        await self._database.change(session.actor(address), write)


def link_by_command(connection: Connection, email: str, reset_key: bytes, now_ms: int) -> ResetLink:
    """A link for whoever may read the master key; only reads, so that it works beside a running server.

    Raises Refusal(NOT_FOUND) if nobody signs in with this address.
    """
    found = people.find_sign_in(connection, email)
    if found is None:
        raise Refusal(
            Code.NOT_FOUND, f"Nobody signs in as {email}.", hint="Give the address as it is on the page of members."
        )
    member = found.member
    claim = Claim(member.user_id, member.organization_id, "", now_ms + LIFETIME_MS)
    return ResetLink(member.email, claim.until_ms, make_token(reset_key, claim, found.password_hash))


def _require_no_more(connection: Connection, actor: Actor, member: Member) -> None:
    """Go on only if this member can do nothing that the actor cannot; raises Refusal(NOT_PERMITTED)."""
    require_covered(actor, ORGANIZATION_ROLES[member.role])
    for held in grants.list_grants(connection, member.organization_id, member.user_id):
        require_covered(actor, held.tasks, held.project_id)


def _require_maker(connection: Connection, claim: Claim, member: Member) -> None:
    """Raise Refusal(RESET_LINK_INVALID) unless who made the link may still change this person."""
    maker = people.find_member(connection, claim.organization_id, claim.maker_id)
    if maker is None or maker.gone_at_ms is not None:
        raise _invalid("Whoever made this link is no longer here.")
    held = grants.list_grants(connection, claim.organization_id, maker.user_id)
    actor = Actor("session", claim.organization_id, maker.user_id, maker.email, maker.role, grants=held)
    try:
        require(actor, Task.USERS, ORGANIZATION)
        _require_no_more(connection, actor, member)
    except Refusal as refusal:
        if refusal.code is not Code.NOT_PERMITTED:
            raise
        raise _invalid("Whoever made this link may no longer change your account.") from None


def _invalid(why: str) -> Refusal:
    return Refusal(Code.RESET_LINK_INVALID, why, hint="Ask an owner of your organization for a new link.")


def _no_session() -> Refusal:
    return Refusal(Code.NOT_FOUND, "This session is not yours, or has ended.", hint="Reload the list.")
