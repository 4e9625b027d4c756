"""Inviting someone by a link, and coming in by it.

An invite is for one e-mail address, works once and for seven days, and never gives more than whoever made it has, also
at the moment it is accepted. Who opens its link proves nothing but to have it: an account that exists already is joined
only with its password.
"""

import base64
import hashlib
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from keyhouse.control.authority import ORGANIZATION, Task, act, require, require_covered
from keyhouse.control.fields import read_email, read_name
from keyhouse.control.limits import require_active_project
from keyhouse.control.people import require_known, settle_access
from keyhouse.core.authority import ORGANIZATION_ROLES, PROJECT_ROLES
from keyhouse.core.clock import Clock, Entropy
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.identifiers import identifier
from keyhouse.identity.passwords import Passwords, acceptable
from keyhouse.identity.throttle import Throttle
from keyhouse.store import grants, keys, people, project_members, projects
from keyhouse.store import invites as rows
from keyhouse.store.audit import Event
from keyhouse.store.engine import Actor, Change, Connection, Database
from keyhouse.store.invites import Invite, ProjectRole
from keyhouse.store.people import Account, Member, Organization
from keyhouse.store.project_members import ProjectMember
from keyhouse.store.turns import Turn, take_turn

LIFETIME_MS: Final = 7 * 24 * 3_600_000


class Invited(msgspec.Struct, frozen=True):
    """An invite just made, and its link's token, which is shown this once."""

    invite: Invite
    token: str

    def __repr__(self) -> str:
        return f"Invited({self.invite!r})"

    __str__ = __repr__


class Offer(msgspec.Struct, frozen=True):
    """What an invite offers whoever opens it. `account` is the one that its address has already."""

    invite: Invite
    organization: Organization
    account: Account | None


class Invites:
    """The verbs on invites. `on_change` is told every key that is concerned."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        entropy: Entropy,
        passwords: Passwords,
        throttle: Throttle,
        on_change: Callable[[str], None],
    ) -> None:
        self._database = database
        self._clock = clock
        self._entropy = entropy
        self._passwords = passwords
        self._throttle = throttle
        self._on_change = on_change

    async def create(self, actor: Actor, email: str, role: str, roles: Sequence[ProjectRole] = ()) -> Invited:
        """Invite someone, into these projects too.

        It takes the place of one whose maker may no longer give what it gives, which lets nobody in.
        Raises Refusal(NOT_PERMITTED, PARAMETER_INVALID, NOT_FOUND for a project that is not here, CONFLICT for an
        address that is here or invited already).
        """
        address = read_email(email)
        require_known(role, ORGANIZATION_ROLES)
        for each in roles:
            require_known(each.role, PROJECT_ROLES)
        token = self._new_token()
        invite_id = identifier("invite-", self._entropy(20))
        named = tuple({each.id: each for each in roles}.values())

        def write(change: Change) -> Invited:
            organization_id = actor.organization_id
            people.get_organization(change.connection, organization_id, for_update=True)
            for each in named:
                require_active_project(change.connection, organization_id, each.id)
            _require_covered(change.actor, role, named)
            _refuse_known(change, address)
            until_ms = change.now_ms + LIFETIME_MS
            invite = Invite(
                invite_id, organization_id, address, role, named, change.now_ms, change.actor.user_id, until_ms
            )
            rows.insert_invite(change.connection, invite, _hash(token))
            details = {"email": address, "role": role, "projects": named, "expires_at_ms": until_ms}
            change.record(Event.INVITE_SENT, invite.id, details=details)
            return Invited(invite, token)

        return await act(self._database, actor, Task.INVITES, write)

    async def renew(self, actor: Actor, invite_id: str) -> Invited:
        """A new link for an invite, for its whole time again; the one before works no more.

        Raises Refusal(NOT_PERMITTED, NOT_FOUND, CONFLICT once accepted).
        """
        token = self._new_token()

        def write(change: Change) -> Invited:
            invite = rows.get_invite(change.connection, actor.organization_id, invite_id, for_update=True)
            _refuse_accepted(invite)
            _require_covered(change.actor, invite.role, invite.projects)
            until_ms = change.now_ms + LIFETIME_MS
            renewed = msgspec.structs.replace(invite, created_by=change.actor.user_id, expires_at_ms=until_ms)
            rows.update_renewed(change.connection, renewed, _hash(token))
            details = {"email": invite.email, "role": invite.role, "is_new_link": True, "expires_at_ms": until_ms}
            change.record(Event.INVITE_SENT, invite.id, details=details)
            return Invited(renewed, token)

        return await act(self._database, actor, Task.INVITES, write)

    async def delete(self, actor: Actor, invite_id: str) -> None:
        """Let an invite's link work no more. Raises Refusal(NOT_PERMITTED, NOT_FOUND, CONFLICT once accepted)."""

        def write(change: Change) -> None:
            invite = rows.get_invite(change.connection, actor.organization_id, invite_id, for_update=True)
            _refuse_accepted(invite)
            rows.update_deleted(change.connection, invite_id, change.now_ms)
            change.record(Event.INVITE_DELETED, invite_id, details={"email": invite.email})

        await act(self._database, actor, Task.INVITES, write)

    async def offer(self, token: str) -> Offer:
        """What this link offers; raises Refusal(INVITE_INVALID) that says why it offers nothing."""
        now_ms = self._clock.now_ms()
        return await self._database.read(lambda connection: _offer(connection, token, now_ms))

    async def accept(self, token: str, *, password: str, name: str = "", address: str = "") -> str:
        """Come in by this link, from this address; the e-mail address to sign in with.

        Someone new gives a name and chooses a password; who has an account already proves it with theirs.
        Raises Refusal(INVITE_INVALID, PARAMETER_INVALID, SIGN_IN_WRONG, SIGN_IN_THROTTLED).
        """
        offer = await self.offer(token)
        email, account = offer.invite.email, offer.account
        if account is None:
            name = read_name(name) if name.strip() else ""
            acceptable(password, email=email, organization=offer.organization.name)
            password_hash = await self._passwords.hash(password)
        else:
            attempt = await self._throttle.admit(email, address)
            if not await self._passwords.verify(account.password_hash, password):
                raise Refusal(Code.SIGN_IN_WRONG, "The password is wrong.", hint="It is that of your account here.")
            await self._throttle.succeeded(attempt)
            password_hash = ""
        user_id = identifier("user-", self._entropy(20)) if account is None else account.user_id
        actor = Actor("session", offer.organization.id, user_id, email, offer.invite.role, address=address)

        def write(change: Change) -> tuple[str, ...]:
            connection, organization_id = change.connection, actor.organization_id
            people.get_organization(connection, organization_id, for_update=True)
            # Another organization's invite may be giving the same address an account.
            take_turn(connection, Turn.ACCOUNTS)
            if _offer(connection, token, change.now_ms, is_final=True) != offer:
                raise _invalid("What this invite offers has just changed.", hint="Open the link again.")
            invite = offer.invite
            member = Member(user_id, organization_id, email, name, invite.role, change.now_ms, None)
            dead: tuple[str, ...] = ()
            if account is None:
                people.insert_member(connection, member, password_hash)
            else:
                # What they had when they were removed stays dead.
                dead = keys.list_owned_ids(connection, organization_id, user_id)
                keys.update_owned_as_revoked(connection, organization_id, user_id, change.now_ms, user_id)
                people.put_membership(connection, member)
            _join_projects(change, invite, user_id)
            rows.update_accepted(connection, invite.id, user_id, change.now_ms)
            change.record(Event.INVITE_ACCEPTED, invite.id, details={"email": email})
            change.record(Event.USER_ADDED, user_id, details={"role": invite.role, "projects": invite.projects})
            change.announce(*dead)
            return (*dead, *settle_access(change, user_id))

        for key_id in await self._database.change(actor, write):
            self._on_change(key_id)
        return email

    def _new_token(self) -> str:
        return base64.urlsafe_b64encode(self._entropy(32)).rstrip(b"=").decode()


def _refuse_accepted(invite: Invite) -> None:
    if invite.accepted_at_ms is not None:
        raise Refusal(
            Code.CONFLICT,
            f"The invite {invite.id} was accepted: there is nothing left to change.",
            hint=f"Delete the user {invite.accepted_by} to take them out.",
        )


def _offer(connection: Connection, token: str, now_ms: int, *, is_final: bool = False) -> Offer:
    """What a link offers; if that `is_final`, nothing of it changes until the transaction ends."""
    invite = rows.find_by_token(connection, _hash(token), for_update=is_final)
    if invite is None:
        raise _invalid("This is not the link of an invite.")
    if invite.deleted_at_ms is not None:
        raise _invalid("This invite was taken back.")
    status = invite.status(now_ms)
    if status != "pending":
        raise _invalid("This invite was used already." if status == "accepted" else "This invite has expired.")
    organization = people.get_organization(connection, invite.organization_id)
    account = people.find_account(connection, invite.email)
    if account is not None:
        member = people.find_member(connection, organization.id, account.user_id)
        if member is not None and member.gone_at_ms is None:
            raise _invalid("You are in this organization already.")
        if account.disabled_at_ms is not None:
            raise _invalid("Your account is disabled.")
    _require_maker(connection, invite, is_final=is_final)
    return Offer(invite, organization, account)


def _require_maker(connection: Connection, invite: Invite, *, is_final: bool) -> None:
    """Raise Refusal(INVITE_INVALID) unless who made the invite may still give what it gives."""
    maker = people.find_member(connection, invite.organization_id, invite.created_by, for_share=is_final)
    try:
        if maker is None or maker.gone_at_ms is not None:
            raise _invalid("Whoever made this invite is no longer here.")
        held = grants.list_grants(connection, invite.organization_id, maker.user_id)
        actor = Actor("session", invite.organization_id, maker.user_id, maker.email, maker.role, grants=held)
        require(actor, Task.INVITES, ORGANIZATION)
        _require_covered(actor, invite.role, invite.projects)
    except Refusal as refusal:
        if refusal.code is not Code.NOT_PERMITTED:
            raise
        raise _invalid("Whoever made this invite may no longer give what it offers.") from None


def _require_covered(actor: Actor, role: str, roles: Sequence[ProjectRole]) -> None:
    require_covered(actor, ORGANIZATION_ROLES[role])
    for each in roles:
        require_covered(actor, PROJECT_ROLES[each.role], each.id)


def _refuse_known(change: Change, email: str) -> None:
    """Raise Refusal(CONFLICT) for an address that is here or invited; an invite that lets nobody in is taken back."""
    organization_id = change.actor.organization_id
    if any(member.email == email for member in people.list_members(change.connection, organization_id)):
        raise Refusal(
            Code.CONFLICT, f"{email} is a user of this organization already.", hint="Give them another role instead."
        )
    found = [one for one in rows.list_invites(change.connection, organization_id) if one.email == email]
    dead = rows.list_dead(change.connection, organization_id, found)
    for invite in found:
        if invite.status(change.now_ms) == "pending":
            if invite.id in dead:
                rows.update_deleted(change.connection, invite.id, change.now_ms)
                change.record(Event.INVITE_DELETED, invite.id, details={"email": email})
                continue
            raise Refusal(
                Code.CONFLICT,
                f"{email} is invited already, by {invite.id}.",
                hint="Delete that invite first to make a new link.",
            )


def _join_projects(change: Change, invite: Invite, user_id: str) -> None:
    """Make a user a member of the invite's projects, but of those that were archived meanwhile."""
    for each in invite.projects:
        project = projects.get_project(change.connection, invite.organization_id, each.id)
        if project.archived_at_ms is None:
            member = ProjectMember(each.id, user_id, invite.organization_id, each.role, change.now_ms)
            project_members.insert_project_member(change.connection, member)


def _hash(token: str) -> bytes:
    """256 random bits need no slow hash."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def _invalid(why: str, hint: str = "Ask whoever invited you for a new link.") -> Refusal:
    return Refusal(Code.INVITE_INVALID, why, hint=hint)
