"""Service accounts: machines that own keys inside one project.

The row of one that was deleted stays, because keys and calls name it.
"""

from collections.abc import Collection

import msgspec
from sqlalchemy import Connection, insert, select, update

from keyhouse.core.errors import Code, Refusal
from keyhouse.store.among import among
from keyhouse.store.schema import service_accounts


class ServiceAccount(msgspec.Struct, frozen=True):
    """A service account. `role` is `member`, `owner`, or `none` for one that was made without a key.

    From `deleted_at_ms` on all of its keys are refused, for good.
    """

    id: str
    organization_id: str
    project_id: str
    name: str
    role: str
    created_at_ms: int
    deleted_at_ms: int | None = None


def insert_service_account(connection: Connection, account: ServiceAccount) -> None:
    """Add a service account."""
    connection.execute(insert(service_accounts).values(msgspec.structs.asdict(account)))


def find_service_account(
    connection: Connection,
    organization_id: str,
    account_id: str,
    *,
    project_id: str | None = None,
    for_update: bool = False,
) -> ServiceAccount | None:
    """The one with this id in this organization, and in this project if one is named, also a deleted one."""
    statement = select(service_accounts).where(
        service_accounts.c.id == account_id, service_accounts.c.organization_id == organization_id
    )
    if project_id is not None:
        statement = statement.where(service_accounts.c.project_id == project_id)
    if for_update:
        statement = statement.with_for_update()
    row = connection.execute(statement).mappings().one_or_none()
    return None if row is None else ServiceAccount(**row)


def get_service_account(
    connection: Connection,
    organization_id: str,
    account_id: str,
    *,
    project_id: str | None = None,
    for_update: bool = False,
) -> ServiceAccount:
    """The same; raises Refusal(NOT_FOUND), for a deleted one too."""
    account = find_service_account(
        connection, organization_id, account_id, project_id=project_id, for_update=for_update
    )
    if account is None or account.deleted_at_ms is not None:
        where = "organization" if project_id is None else "project"
        raise Refusal(
            Code.NOT_FOUND,
            f"There is no service account {account_id} in this {where}.",
            hint="List the project's service accounts to see their ids; a deleted one does not come back.",
        )
    return account


def list_service_accounts(
    connection: Connection, organization_id: str, project_id: str, *, mark: str | None = None
) -> tuple[ServiceAccount, ...]:
    """A project's service accounts that were not deleted, oldest first; in its place also the one called `mark`."""
    is_there = service_accounts.c.deleted_at_ms.is_(None)
    rows = connection.execute(
        select(service_accounts)
        .where(
            service_accounts.c.organization_id == organization_id,
            service_accounts.c.project_id == project_id,
            is_there if mark is None else is_there | (service_accounts.c.id == mark),
        )
        .order_by(service_accounts.c.created_at_ms, service_accounts.c.id)
    )
    return tuple(ServiceAccount(**row) for row in rows.mappings())


def list_in_projects(
    connection: Connection, organization_id: str, project_ids: Collection[str] | None, limit: int
) -> tuple[ServiceAccount, ...]:
    """At most so many service accounts that were not deleted, of these projects, or of all if None; oldest first."""
    rows = connection.execute(
        select(service_accounts)
        .where(
            service_accounts.c.organization_id == organization_id,
            service_accounts.c.deleted_at_ms.is_(None),
            *([] if project_ids is None else [service_accounts.c.project_id.in_(project_ids)]),
        )
        .order_by(service_accounts.c.created_at_ms, service_accounts.c.id)
        .limit(limit)
    )
    return tuple(ServiceAccount(**row) for row in rows.mappings())


def list_these(connection: Connection, organization_id: str, account_ids: Collection[str]) -> dict[str, ServiceAccount]:
    """These service accounts of an organization by their ids, deleted ones too."""
    if not account_ids:
        return {}
    theirs = select(service_accounts).where(
        service_accounts.c.organization_id == organization_id, service_accounts.c.id.in_(account_ids)
    )
    return {row["id"]: ServiceAccount(**row) for row in connection.execute(theirs).mappings()}


def list_names(connection: Connection, organization_id: str, account_ids: Collection[str]) -> dict[str, str]:
    """The names of these service accounts by id, deleted ones too; ids of other organizations are left out."""
    rows = connection.execute(
        select(service_accounts.c.id, service_accounts.c.name).where(
            service_accounts.c.organization_id == organization_id, among(service_accounts.c.id, account_ids)
        )
    )
    return {row.id: row.name for row in rows}


def update_service_account(connection: Connection, account: ServiceAccount) -> None:
    """Write what may change of one: its name, its role, and when it was deleted."""
    connection.execute(
        update(service_accounts)
        .where(service_accounts.c.id == account.id)
        .values(name=account.name, role=account.role, deleted_at_ms=account.deleted_at_ms)
    )
