"""Organizations, users and memberships: who is here, and as what.

E-mail addresses are stored as they are compared: trimmed and in lower case. A user is a member of an
organization until `removed_at_ms`; the row stays, because keys and calls name it.
"""

from collections.abc import Collection
from typing import Any

import msgspec
from sqlalchemy import Case, Connection, RowMapping, Select, case, insert, select, update

from keyhouse.core.authority import OWNER
from keyhouse.core.errors import Code, Refusal
from keyhouse.store.among import among
from keyhouse.store.ordering import by_bytes
from keyhouse.store.schema import memberships, organizations, users


class Organization(msgspec.Struct, frozen=True):
    """An organization. `time_zone` is an IANA name; days and months of its limits and pages are in it."""

    id: str
    name: str
    time_zone: str
    created_at_ms: int


class Member(msgspec.Struct, frozen=True):
    """A user as a member of one organization.

    `gone_at_ms` is when the account was disabled or the membership removed, whichever came first; None while
    neither has happened.
    """

    user_id: str
    organization_id: str
    email: str
    name: str
    role: str
    added_at_ms: int
    gone_at_ms: int | None


class Account(msgspec.Struct, frozen=True):
    """Someone who has an e-mail address here, in whatever organization, or in none any more."""

    user_id: str
    password_hash: str | None
    disabled_at_ms: int | None

    def __repr__(self) -> str:
        return f"Account({self.user_id})"

    __str__ = __repr__


class SignInRow(msgspec.Struct, frozen=True):
    """A member with what proves it. `password_hash` is None for someone who has no password here."""

    member: Member
    password_hash: str | None

    def __repr__(self) -> str:
        return f"SignInRow({self.member!r})"

    __str__ = __repr__


def gone_at_ms() -> Case[Any]:
    """When a user stopped being a member, as SQL over `users` joined with `memberships`; NULL while it is one."""
    disabled, removed = users.c.disabled_at_ms, memberships.c.removed_at_ms
    return case(
        (removed.is_(None), disabled), (disabled.is_(None), removed), (disabled <= removed, disabled), else_=removed
    )


def find_first_organization(connection: Connection) -> Organization | None:
    """The oldest organization; None before the set-up."""
    oldest = select(organizations).order_by(organizations.c.created_at_ms, organizations.c.id).limit(1)
    row = connection.execute(oldest).mappings().one_or_none()
    return None if row is None else Organization(**row)


def get_organization(connection: Connection, organization_id: str, *, for_update: bool = False) -> Organization:
    """The organization with this id; raises Refusal(NOT_FOUND)."""
    statement = select(organizations).where(organizations.c.id == organization_id)
    if for_update:
        statement = statement.with_for_update(key_share=True)
    row = connection.execute(statement).mappings().one_or_none()
    if row is None:
        raise Refusal(
            Code.NOT_FOUND, f"There is no organization {organization_id}.", hint="Check which organization you are in."
        )
    return Organization(**row)


def insert_organization(connection: Connection, organization: Organization) -> None:
    """Add an organization."""
    connection.execute(insert(organizations).values(msgspec.structs.asdict(organization)))


def update_organization(connection: Connection, organization: Organization) -> None:
    """Write what may change of an organization: its name and its time zone."""
    connection.execute(
        update(organizations)
        .where(organizations.c.id == organization.id)
        .values(name=organization.name, time_zone=organization.time_zone)
    )


def insert_member(connection: Connection, member: Member, password_hash: str | None) -> None:
    """Add a new user and make it a member; raises sqlalchemy's IntegrityError if the e-mail address is taken."""
    connection.execute(
        insert(users).values(
            id=member.user_id,
            email=member.email,
            name=member.name,
            password_hash=password_hash,
            created_at_ms=member.added_at_ms,
        )
    )
    connection.execute(
        insert(memberships).values(
            organization_id=member.organization_id,
            user_id=member.user_id,
            role=member.role,
            added_at_ms=member.added_at_ms,
        )
    )


def find_member(
    connection: Connection, organization_id: str, user_id: str, *, for_share: bool = False, for_update: bool = False
) -> Member | None:
    """This user as a member of this organization, also one that is gone; None if it never was one.

    With `for_share` nothing of that changes until the transaction ends, with `for_update` nobody shares it either.
    """
    statement = _members().where(memberships.c.organization_id == organization_id, memberships.c.user_id == user_id)
    if for_share or for_update:
        statement = statement.with_for_update(read=not for_update, key_share=for_update)
    found = connection.execute(statement).mappings().one_or_none()
    return None if found is None else _member(found)


def list_members(connection: Connection, organization_id: str) -> tuple[Member, ...]:
    """The present members of an organization, by name."""
    rows = connection.execute(select_present(organization_id).order_by(by_bytes(users.c.name), by_bytes(users.c.email)))
    return tuple(_member(row) for row in rows.mappings())


def list_some_members(connection: Connection, organization_id: str, limit: int) -> tuple[Member, ...]:
    """At most so many of its present members, those who came first."""
    rows = connection.execute(
        select_present(organization_id).order_by(memberships.c.added_at_ms, memberships.c.user_id).limit(limit)
    )
    return tuple(_member(row) for row in rows.mappings())


def list_these_members(connection: Connection, organization_id: str, user_ids: Collection[str]) -> dict[str, Member]:
    """These users as members of an organization, by their ids, also those that are gone."""
    if not user_ids:
        return {}
    theirs = _members().where(memberships.c.organization_id == organization_id, memberships.c.user_id.in_(user_ids))
    return {row["user_id"]: _member(row) for row in connection.execute(theirs).mappings()}


def list_organizations_of(connection: Connection, user_id: str) -> tuple[tuple[str, str], ...]:
    """The organizations that a user is a present member of: ids and names, by name."""
    present = (
        select(organizations.c.id, organizations.c.name)
        .select_from(memberships)
        .join(users, users.c.id == memberships.c.user_id)
        .join(organizations, organizations.c.id == memberships.c.organization_id)
        .where(memberships.c.user_id == user_id, gone_at_ms().is_(None))
        .order_by(by_bytes(organizations.c.name), organizations.c.id)
    )
    return tuple((row[0], row[1]) for row in connection.execute(present))


def list_owners(connection: Connection, organization_id: str) -> tuple[Member, ...]:
    """The organization's owners who are here, by name."""
    present = select_present(organization_id).where(memberships.c.role == OWNER)
    rows = connection.execute(present.order_by(by_bytes(users.c.name), by_bytes(users.c.email)))
    return tuple(_member(row) for row in rows.mappings())


def find_sign_in(connection: Connection, email: str, *, for_update: bool = False) -> SignInRow | None:
    """Who signs in with this address, in the organization it joined first; None if nobody may.

    With `for_update` nobody else changes that until the transaction ends.
    """
    statement = (
        _members()
        .add_columns(users.c.password_hash)
        .where(users.c.email == email, gone_at_ms().is_(None))
        .order_by(memberships.c.added_at_ms, memberships.c.organization_id)
        .limit(1)
    )
    if for_update:
        statement = statement.with_for_update(key_share=True)
    row = connection.execute(statement).mappings().one_or_none()
    return None if row is None else SignInRow(_member(row), row["password_hash"])


def find_account(connection: Connection, email: str) -> Account | None:
    """The account with this address; None if nobody has it."""
    statement = select(users.c.id.label("user_id"), users.c.password_hash, users.c.disabled_at_ms)
    row = connection.execute(statement.where(users.c.email == email)).mappings().one_or_none()
    return None if row is None else Account(**row)


def put_membership(connection: Connection, member: Member) -> None:
    """Make a user that exists a member, again if it was one."""
    values = {"role": member.role, "added_at_ms": member.added_at_ms, "removed_at_ms": None}
    here = _is(member.organization_id, member.user_id)
    if connection.execute(update(memberships).where(*here).values(values)).rowcount == 0:
        row = values | {"organization_id": member.organization_id, "user_id": member.user_id}
        connection.execute(insert(memberships).values(row))


def list_member_roles(connection: Connection, organization_id: str, user_ids: Collection[str]) -> dict[str, str]:
    """What these users are in an organization, by their ids; who never was a member is left out."""
    rows = connection.execute(
        select(memberships.c.user_id, memberships.c.role).where(
            memberships.c.organization_id == organization_id, memberships.c.user_id.in_(user_ids)
        )
    )
    return {row.user_id: row.role for row in rows}


def update_password_hash(connection: Connection, user_id: str, password_hash: str) -> None:
    """Replace a user's password hash."""
    connection.execute(update(users).where(users.c.id == user_id).values(password_hash=password_hash))


def update_name(connection: Connection, user_id: str, name: str) -> None:
    """Give a user another name, or none."""
    connection.execute(update(users).where(users.c.id == user_id).values(name=name))


def update_last_sign_in(connection: Connection, user_id: str, now_ms: int) -> None:
    """This user signs in at this moment."""
    connection.execute(update(users).where(users.c.id == user_id).values(last_sign_in_at_ms=now_ms))


def update_role(connection: Connection, organization_id: str, user_id: str, role: str) -> None:
    """Give a member another role."""
    connection.execute(update(memberships).where(*_is(organization_id, user_id)).values(role=role))


def update_removed(connection: Connection, organization_id: str, user_id: str, now_ms: int) -> None:
    """From now on this user is no longer a member."""
    connection.execute(update(memberships).where(*_is(organization_id, user_id)).values(removed_at_ms=now_ms))


def _is(organization_id: str, user_id: str) -> tuple[Any, ...]:
    return memberships.c.organization_id == organization_id, memberships.c.user_id == user_id


def list_names(connection: Connection, organization_id: str, user_ids: Collection[str]) -> dict[str, str]:
    """The names of these users, the e-mail address of one without a name; ids of others are left out."""
    rows = connection.execute(
        select(users.c.id, users.c.name, users.c.email)
        .join(memberships, memberships.c.user_id == users.c.id)
        .where(memberships.c.organization_id == organization_id, among(users.c.id, user_ids))
    )
    return {row.id: row.name or row.email for row in rows}


def select_present(organization_id: str) -> Select[Any]:
    """The present members of an organization, with the fields of `Member`; to be narrowed and ordered."""
    return _members().where(memberships.c.organization_id == organization_id, gone_at_ms().is_(None))


def _members() -> Select[Any]:
    return select(
        users.c.id.label("user_id"),
        memberships.c.organization_id,
        users.c.email,
        users.c.name,
        memberships.c.role,
        memberships.c.added_at_ms,
        gone_at_ms().label("gone_at_ms"),
    ).join(memberships, memberships.c.user_id == users.c.id)


def _member(row: RowMapping) -> Member:
    return Member(**{field: row[field] for field in Member.__struct_fields__})
