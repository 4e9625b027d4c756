"""The first organization, its owner and its default project: once, and never again.

There is no default account. Until the set-up is done, the only way in is a one-time link that the operator
reads from the program's own output, or the command on the same machine.
"""

import base64
import hmac
from typing import Final

import msgspec

from keyhouse.control.authority import OWNER
from keyhouse.control.fields import read_email, read_name, read_time_zone
from keyhouse.control.new_admin_keys import issue_admin_key, new_admin_key
from keyhouse.control.projects import make_owner
from keyhouse.core.clock import Clock, Entropy
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.identifiers import identifier
from keyhouse.identity.passwords import Passwords, acceptable
from keyhouse.store import people, projects
from keyhouse.store.audit import Event
from keyhouse.store.engine import Actor, Change, Database
from keyhouse.store.turns import Turn, take_turn

LINK_LIFETIME_MS: Final = 15 * 60_000
DEFAULT_PROJECT: Final = "Default project"
FIRST_ADMIN_KEY: Final = "First admin key"


class SetUp(msgspec.Struct, frozen=True):
    """What the set-up made. `admin_key` is an admin key's value, shown once, None unless it was asked for."""

    organization_id: str
    project_id: str
    user_id: str
    admin_key: str | None

    def __repr__(self) -> str:
        return f"SetUp({self.organization_id}, {self.project_id}, {self.user_id})"

    __str__ = __repr__


class _Link(msgspec.Struct, frozen=True):
    token: str
    expires_at_ms: int

    def __repr__(self) -> str:
        return f"_Link(until {self.expires_at_ms})"

    __str__ = __repr__


class Setup:
    """Sets Keyhouse up. The link's token lives in this object's memory only: a restart makes a new one."""

    def __init__(self, database: Database, clock: Clock, entropy: Entropy, passwords: Passwords, pepper: bytes) -> None:
        self._database = database
        self._clock = clock
        self._entropy = entropy
        self._passwords = passwords
        self._pepper = pepper
        self._link: _Link | None = None
        self._is_done = False

    async def is_done(self) -> bool:
        """Whether there is an organization. Once true it stays so and costs nothing."""
        if not self._is_done:
            first = await self._database.read(people.find_first_organization)
            self._is_done = first is not None
        return self._is_done

    def new_link_token(self) -> str:
        """A token for the set-up link: good for fifteen minutes and one set-up; any earlier one is dead."""
        token = base64.urlsafe_b64encode(self._entropy(32)).rstrip(b"=").decode()
        self._link = _Link(token, self._clock.now_ms() + LINK_LIFETIME_MS)
        return token

    def link_expires_at_ms(self, token: str) -> int:
        """When this token ends, in milliseconds since 1970; raises Refusal(SETUP_LINK_INVALID) if it is not good."""
        link = self._link
        is_right = link is not None and hmac.compare_digest(link.token.encode(), token.encode("utf-8", "surrogatepass"))
        if link is None or not is_right or self._clock.now_ms() >= link.expires_at_ms:
            raise Refusal(
                Code.SETUP_LINK_INVALID,
                "This set-up link is not valid, was used, or has expired.",
                hint="The set-up page can print a new one where Keyhouse runs.",
            )
        return link.expires_at_ms

    async def complete(
        self, token: str, *, organization: str, email: str, password: str, time_zone: str, name: str = ""
    ) -> SetUp:
        """`establish` for whoever holds the link. The token is used up only if this succeeds.

        Raises Refusal(SETUP_LINK_INVALID, SETUP_DONE, PARAMETER_INVALID).
        """
        self.link_expires_at_ms(token)
        made = await self.establish(
            organization=organization, email=email, password=password, time_zone=time_zone, name=name
        )
        self._link = None
        return made

    async def establish(
        self,
        *,
        organization: str,
        email: str,
        password: str,
        time_zone: str,
        name: str = "",
        with_admin_key: bool = False,
    ) -> SetUp:
        """Make the first organization, its owner and its default project, and an admin key if asked for.

        Raises Refusal(SETUP_DONE) if there is an organization, also one that was made a moment ago by someone
        else, and Refusal(PARAMETER_INVALID) naming the field.
        """
        if await self.is_done():
            raise _done()
        first = people.Organization(
            id=identifier("org-", self._entropy(20)),
            name=read_name(organization, "organization"),
            time_zone=read_time_zone(time_zone),
            created_at_ms=self._clock.now_ms(),
        )
        owner = people.Member(
            user_id=identifier("user-", self._entropy(20)),
            organization_id=first.id,
            email=read_email(email),
            name=read_name(name) if name.strip() else "",
            role=OWNER,
            added_at_ms=first.created_at_ms,
            gone_at_ms=None,
        )
        acceptable(password, email=owner.email, organization=first.name)
        password_hash = await self._passwords.hash(password)
        actor = Actor("system", first.id, owner.user_id, owner.email, OWNER)
        made = await self._database.change(
            actor, lambda change: self._write(change, first, owner, password_hash, with_admin_key=with_admin_key)
        )
        self._is_done = True
        return made

    def _write(
        self,
        change: Change,
        first: people.Organization,
        owner: people.Member,
        password_hash: str,
        *,
        with_admin_key: bool,
    ) -> SetUp:
        connection = change.connection
        # Decided here, where no other set-up can come between the question and the answer, on any gateway.
        take_turn(connection, Turn.SET_UP)
        if people.find_first_organization(connection) is not None:
            raise _done()
        people.insert_organization(connection, first)
        change.record(Event.ORGANIZATION_CREATED, first.id, details={"name": first.name, "time_zone": first.time_zone})
        people.insert_member(connection, owner, password_hash)
        project = projects.Project(
            id=identifier("proj_", self._entropy(20)),
            organization_id=first.id,
            name=DEFAULT_PROJECT,
            external_key_id=None,
            is_default=True,
            created_at_ms=change.now_ms,
            archived_at_ms=None,
        )
        projects.insert_project(connection, project)
        make_owner(change, project)
        change.record(
            Event.PROJECT_CREATED, project.id, project_id=project.id, details={"name": project.name, "is_default": True}
        )
        if not with_admin_key:
            return SetUp(first.id, project.id, owner.user_id, None)
        new = new_admin_key(first.id, owner.user_id, FIRST_ADMIN_KEY, now_ms=change.now_ms)
        issued = issue_admin_key(change, new, self._entropy, self._pepper)
        return SetUp(first.id, project.id, owner.user_id, issued.value)


def _done() -> Refusal:
    return Refusal(
        Code.SETUP_DONE, "Keyhouse is already set up.", hint="Sign in, or ask an owner of the organization for access."
    )
