"""Keys as the Admin API lists them: one page behind a mark, each key with its owner and its limits."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final, Literal

import msgspec

from keyhouse.core.clock import Clock
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.key import ApiKey
from keyhouse.core.limit import LimitState, ScopeType
from keyhouse.core.policy import NONE, Policy
from keyhouse.core.secret import Kind
from keyhouse.store import keys, limits, people, policies, projects, service_accounts
from keyhouse.store.engine import Connection, Database
from keyhouse.store.people import Member
from keyhouse.store.projects import Project
from keyhouse.store.service_accounts import ServiceAccount

Access = Literal["active", "inactive", "any"]

CHUNK: Final = 100
"""How many keys are read at once while those of the wanted access are looked for."""


class OwnedKey(msgspec.Struct, frozen=True):
    """A key, its owner, and its limits. The owner is a member or, of a service account's key, an `account`.

    `is_owner_active` says whether the owner still has access to the key's project; `policy` is the organization's.
    """

    key: ApiKey
    owner: Member | None
    is_owner_active: bool
    limits: tuple[LimitState, ...] = ()
    account: ServiceAccount | None = None
    policy: Policy = NONE


class Listing(msgspec.Struct, frozen=True):
    """One page of keys, and whether more follow."""

    rows: tuple[OwnedKey, ...]
    has_more: bool


_EMPTY: Final = Listing((), has_more=False)


class Listings:
    """Asks for keys, project keys and admin keys apart. A page behind a key that is not there is empty."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def of_project(
        self,
        organization_id: str,
        project_id: str,
        *,
        after: str | None,
        limit: int,
        access: Access = "any",
        include_revoked: bool = False,
        owner_id: str | None = None,
    ) -> Listing:
        """A project's keys or, of these, one owner's, newest first; raises Refusal(NOT_FOUND) for no such project."""
        now_ms = self._clock.now_ms()

        def ask(connection: Connection) -> Listing:
            project = projects.get_project(connection, organization_id, project_id)

            def read(mark: str | None) -> tuple[ApiKey, ...]:
                return keys.list_keys(
                    connection,
                    organization_id,
                    project_id=project_id,
                    owner_id=owner_id,
                    include_revoked=include_revoked,
                    after=mark,
                    limit=CHUNK,
                )

            surroundings = _Surroundings(connection, organization_id, project, now_ms)
            return _page(read, surroundings, after, limit, access)

        return await self._database.read(ask)

    async def of_organization(
        self, organization_id: str, *, after: str | None, limit: int, newest_first: bool
    ) -> Listing:
        """An organization's admin keys by creation."""
        now_ms = self._clock.now_ms()

        def ask(connection: Connection) -> Listing:
            def read(mark: str | None) -> tuple[ApiKey, ...]:
                return keys.list_keys(
                    connection,
                    organization_id,
                    kinds=keys.ADMIN_KINDS,
                    after=mark,
                    limit=CHUNK,
                    newest_first=newest_first,
                )

            return _page(read, _Surroundings(connection, organization_id, None, now_ms), after, limit, "any")

        return await self._database.read(ask)

    async def one(
        self, organization_id: str, key_id: str, *, project_id: str, include_revoked: bool = False
    ) -> OwnedKey:
        """One key of a project; raises Refusal(NOT_FOUND), for a revoked one too unless it is asked for."""
        now_ms = self._clock.now_ms()

        def ask(connection: Connection) -> OwnedKey:
            project = projects.get_project(connection, organization_id, project_id)
            key = keys.get_key(connection, organization_id, key_id, project_id=project_id)
            _refuse_revoked(key, include_revoked)
            return _Surroundings(connection, organization_id, project, now_ms).around((key,))[0]

        return await self._database.read(ask)

    async def one_admin(self, organization_id: str, key_id: str) -> OwnedKey:
        """One admin key that was not revoked; raises Refusal(NOT_FOUND)."""
        now_ms = self._clock.now_ms()

        def ask(connection: Connection) -> OwnedKey:
            key = keys.get_key(connection, organization_id, key_id, kinds=keys.ADMIN_KINDS)
            _refuse_revoked(key, include_revoked=False)
            return _Surroundings(connection, organization_id, None, now_ms).around((key,))[0]

        return await self._database.read(ask)


class _Surroundings:
    """Finds what stands around keys, within one transaction."""

    def __init__(self, connection: Connection, organization_id: str, project: Project | None, now_ms: int) -> None:
        self._connection = connection
        self._organization_id = organization_id
        self._project = project
        self._now_ms = now_ms
        self._owners: dict[str, Member | ServiceAccount | None] = {}

    def meet(self, found: Iterable[ApiKey]) -> None:
        """Look up the owners of these keys who are not known yet."""
        kinds = {key.owner_id: key.kind for key in found if key.owner_id not in self._owners}
        machines = {owner_id for owner_id, kind in kinds.items() if kind is Kind.SERVICE_ACCOUNT}
        self._owners |= dict.fromkeys(kinds)
        self._owners |= people.list_these_members(self._connection, self._organization_id, kinds.keys() - machines)
        self._owners |= service_accounts.list_these(self._connection, self._organization_id, machines)

    def around(self, found: Sequence[ApiKey]) -> tuple[OwnedKey, ...]:
        """The keys with their owners and limits."""
        self.meet(found)
        zone = people.get_organization(self._connection, self._organization_id).time_zone
        standing: dict[str, list[LimitState]] = {key.id: [] for key in found}
        scopes = [(ScopeType.KEY, key.id) for key in found]
        for state in limits.list_states(self._connection, self._organization_id, zone, self._now_ms, scopes=scopes):
            standing[state.limit.scope_id].append(state)
        policy = policies.find_policy(self._connection, self._organization_id)
        return tuple(
            OwnedKey(
                key, self._owner(key), self.is_owner_active(key), tuple(standing[key.id]), self._account(key), policy
            )
            for key in found
        )

    def is_owner_active(self, key: ApiKey) -> bool:
        """Whether the key's owner, who was met, is still there and may call models in its project, and that is not
        archived.
        """
        if key.access_lost_at_ms is not None:
            return False
        if self._project is not None and self._project.archived_at_ms is not None:
            return False
        if key.kind is Kind.SERVICE_ACCOUNT:
            account = self._account(key)
            return account is not None and account.deleted_at_ms is None
        owner = self._owner(key)
        return owner is not None and owner.gone_at_ms is None

    def _owner(self, key: ApiKey) -> Member | None:
        owner = self._owners[key.owner_id]
        return owner if isinstance(owner, Member) else None

    def _account(self, key: ApiKey) -> ServiceAccount | None:
        owner = self._owners[key.owner_id]
        return owner if isinstance(owner, ServiceAccount) else None


def _page(
    read: Callable[[str | None], tuple[ApiKey, ...]],
    surroundings: _Surroundings,
    after: str | None,
    limit: int,
    access: Access,
) -> Listing:
    if limit == 0:
        return _EMPTY
    chosen: list[ApiKey] = []
    try:
        chunk = read(after)
    except Refusal as refusal:
        if refusal.code is Code.PARAMETER_INVALID and refusal.param == "after":
            return _EMPTY
        raise
    while chunk:
        surroundings.meet(chunk)
        chosen += [key for key in chunk if access == "any" or surroundings.is_owner_active(key) == (access == "active")]
        chunk = read(chunk[-1].id) if len(chunk) == CHUNK and len(chosen) <= limit else ()
    return Listing(surroundings.around(chosen[:limit]), has_more=len(chosen) > limit)


def _refuse_revoked(key: ApiKey, include_revoked: bool) -> None:
    if key.revoked_at_ms is not None and not include_revoked:
        what = "admin key" if key.kind is Kind.ADMIN else "API key"
        raise Refusal(
            Code.NOT_FOUND,
            f"There is no {what} {key.id} here any more: it was revoked.",
            hint="Create a new key; a revoked one does not come back.",
        )
