"""Signing in with a password, and signing out.

An unknown address and a wrong password are the same refusal, after the same work: nothing here tells who
has an account.
"""

from keyhouse.control.fields import read_email
from keyhouse.core.clock import Clock
from keyhouse.core.errors import Code, Refusal
from keyhouse.identity.passwords import Passwords
from keyhouse.identity.sessions import Sessions
from keyhouse.identity.throttle import Throttle
from keyhouse.store import people
from keyhouse.store.audit import Event
from keyhouse.store.engine import Actor, Change, Connection, Database


class SignIn:
    """Turns an address and a password into a session."""

    def __init__(
        self, database: Database, clock: Clock, passwords: Passwords, sessions: Sessions, throttle: Throttle
    ) -> None:
        self._database = database
        self._clock = clock
        self._passwords = passwords
        self._sessions = sessions
        self._throttle = throttle

    async def sign_in(self, email: str, password: str, address: str, agent: str) -> str:
        """The cookie's value of a new session.

        Raises Refusal(SIGN_IN_WRONG), or Refusal(SIGN_IN_THROTTLED) with `retry_after_ms`.
        """
        attempt = await self._throttle.admit(email, address)
        person, first = await self._database.read(lambda connection: _find(connection, email))
        is_right = await self._passwords.verify(None if person is None else person.password_hash, password)
        if person is None or not is_right:
            await self._note_failure(person, first, address)
            raise _wrong()
        fresh_hash = await self._fresh_hash(person, password)
        cookie = self._sessions.new_cookie()
        member = person.member

        def begin(change: Change) -> None:
            # Disabled, removed, or given another password since it was read: then this proof counts no more.
            if people.find_sign_in(change.connection, member.email, for_update=True) != person:
                raise _wrong()
            if fresh_hash is not None:
                people.update_password_hash(change.connection, member.user_id, fresh_hash)
            people.update_last_sign_in(change.connection, member.user_id, change.now_ms)
            self._sessions.insert(
                change.connection, cookie, member.user_id, member.organization_id, address=address, agent=agent
            )
            change.record(Event.LOGIN_SUCCEEDED, member.user_id)

        await self._database.change(_actor(member, address), begin)
        await self._throttle.succeeded(attempt)
        return cookie

    async def confirm(self, cookie: str, password: str, address: str, agent: str) -> str:
        """Prove again who is signed in: the cookie's value of a session that takes the place of this cookie's.

        Raises Refusal(SESSION_REQUIRED, SIGN_IN_WRONG, SIGN_IN_THROTTLED with `retry_after_ms`).
        """
        session = await self._sessions.find(cookie)
        if session is None:
            raise _no_session()
        actor = session.actor(address)
        attempt = await self._throttle.admit(session.email, address)
        account = await self._database.read(lambda connection: people.find_account(connection, session.email))
        if not await self._passwords.verify(None if account is None else account.password_hash, password):
            await self._database.change(actor, lambda change: _record_failure(change, session.user_id))
            raise Refusal(Code.SIGN_IN_WRONG, "The password is wrong.", hint="It is the one you sign in with.")
        fresh = self._sessions.new_cookie()

        def replace(change: Change) -> None:
            connection = change.connection
            if people.find_account(connection, session.email) != account or not self._sessions.end_in(
                connection, cookie
            ):
                raise _no_session()
            self._sessions.insert(
                connection, fresh, session.user_id, session.organization_id, address=address, agent=agent
            )
            change.record(Event.LOGIN_SUCCEEDED, session.user_id, details={"confirmed": True})

        await self._database.change(actor, replace)
        await self._throttle.succeeded(attempt)
        return fresh

    async def sign_out(self, cookie: str, address: str) -> None:
        """End the session of this cookie; nothing happens if there is none."""
        session = await self._sessions.find(cookie)
        if session is None:
            return

        def end(change: Change) -> None:
            self._sessions.end_in(change.connection, cookie)
            change.record(Event.LOGOUT_SUCCEEDED, session.user_id)

        await self._database.change(session.actor(address), end)

    async def _fresh_hash(self, person: people.SignInRow, password: str) -> str | None:
        """The password hashed anew if its hash was made with yesterday's costs."""
        if person.password_hash is None or not self._passwords.needs_rehash(person.password_hash):
            return None
        return await self._passwords.hash(password)

    async def _note_failure(
        self, person: people.SignInRow | None, first: people.Organization | None, address: str
    ) -> None:
        """Record a failed sign-in, of an unknown person under the first organization.

        Both are recorded, so that both take as long. What was typed is not: it may be a password.
        """
        if person is not None:
            actor, subject = _actor(person.member, address), person.member.user_id
        elif first is not None:
            actor, subject = Actor("session", first.id, "", "", "", address=address), ""
        else:
            return
        reason = "unknown_person" if person is None else "wrong_password"
        await self._database.change(actor, lambda change: _record_failure(change, subject, reason))


def _find(connection: Connection, email: str) -> tuple[people.SignInRow | None, people.Organization | None]:
    """Who has this address, and the first organization; both are always read, so that both take as long."""
    first = people.find_first_organization(connection)
    try:
        address = read_email(email)
    except Refusal:
        return None, first
    return people.find_sign_in(connection, address), first


def _actor(member: people.Member, address: str) -> Actor:
    return Actor("session", member.organization_id, member.user_id, member.email, member.role, address=address)


def _record_failure(change: Change, user_id: str, reason: str = "wrong_password") -> None:
    change.record(Event.LOGIN_FAILED, user_id, details={"reason": reason})


def _no_session() -> Refusal:
    return Refusal(Code.SESSION_REQUIRED, "You are not signed in any more.", hint="Sign in again.")


def _wrong() -> Refusal:
    return Refusal(
        Code.SIGN_IN_WRONG,
        "The e-mail address or the password is wrong.",
        hint="Check both; an owner of the organization can help if you cannot get in.",
    )
