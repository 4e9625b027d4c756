"""Limits as pages show them: one page, each limit with the name of what it stands on."""

import msgspec

from keyhouse.core.clock import Clock
from keyhouse.core.limit import LimitState
from keyhouse.store import keys, limit_pages, people, projects, service_accounts
from keyhouse.store.engine import Connection, Database
from keyhouse.store.limit_pages import LimitSelection

LimitQuery = LimitSelection
"""Which limits a page shows."""


class NamedLimit(msgspec.Struct, frozen=True):
    """A limit where it stands; `scope_name` is empty for what is unknown."""

    state: LimitState
    scope_name: str


class LimitPage(msgspec.Struct, frozen=True):
    """One page, and how many limits there are on all of them."""

    rows: tuple[NamedLimit, ...]
    total: int


class Scopes(msgspec.Struct, frozen=True):
    """What limits can be set on beside keys and the organization itself: names by id, in their order."""

    projects: dict[str, str]
    members: dict[str, str]
    accounts: dict[str, str]


class LimitPages:
    """Asks for limits with names."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def page(self, organization_id: str, query: LimitQuery) -> LimitPage:
        """One page of limits."""
        now_ms = self._clock.now_ms()

        def ask(connection: Connection) -> LimitPage:
            organization = people.get_organization(connection, organization_id)
            found, total = limit_pages.list_page(connection, organization_id, organization.time_zone, query, now_ms)
            ids = {state.limit.scope_id for state in found}
            names = (
                keys.list_names(connection, organization_id, ids)
                | people.list_names(connection, organization_id, ids)
                | service_accounts.list_names(connection, organization_id, ids)
                | projects.list_names(connection, organization_id, ids)
                | {organization.id: organization.name}
            )
            return LimitPage(tuple(NamedLimit(state, names.get(state.limit.scope_id, "")) for state in found), total)

        return await self._database.read(ask)

    async def scopes(self, organization_id: str) -> Scopes:
        """What limits can be set on: projects that are not archived, members, and machines that are still there."""

        def ask(connection: Connection) -> Scopes:
            found = projects.list_projects(connection, organization_id)
            members = people.list_members(connection, organization_id)
            accounts = {
                account.id: f"{account.name}, {project.name}"
                for project in found
                for account in service_accounts.list_service_accounts(connection, organization_id, project.id)
            }
            named = {member.user_id: member.name or member.email for member in members if member.gone_at_ms is None}
            return Scopes({project.id: project.name for project in found}, named, accounts)

        return await self._database.read(ask)
