"""One page of keys: searched, filtered, sorted and counted by the database; and a key by its owner and its name."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    Select,
    Subquery,
    and_,
    func,
    literal,
    or_,
    select,
    union_all,
)
from sqlalchemy.sql.util import ClauseAdapter

from keyhouse.core.authority import Sight
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.key import ApiKey
from keyhouse.core.permissions import PRESETS
from keyhouse.core.secret import PREFIXES, Kind, parse
from keyhouse.store.grants import is_seen
from keyhouse.store.keys import PROJECT_KINDS, with_secrets
from keyhouse.store.ordering import by_bytes, holds, unindexed
from keyhouse.store.schema import key_secrets, keys, service_accounts, users

SEARCH_LENGTH_MAX: Final = 100
"""A longer search is cut: no name is longer."""

LAST_LENGTH: Final = 4
"""How many of a secret's last characters are shown."""

OWNERS_MAX: Final = 500
AHEAD: Final = 500
"""How many keys more than a page needs are looked at in their order, before all are."""

SAMPLE: Final = 200
"""How many keys tell how common it is what is searched for."""

LISTED_MAX: Final = 1_000
"""So many keys are listed, page by page, of one order: who needs others searches, filters or turns the order."""

STATUSES: Final = ("live", "active", "disabled", "expired", "revoked", "rotating", "all")
RESTRICTED: Final = "restricted"
SORTS: Final = ("name", "created", "last_used")


class KeySelection(msgspec.Struct, frozen=True):
    """Which keys a page shows.

    `search` finds parts of names and of owners' names and addresses, and a key by its id, its last four
    characters, or all that is shown of it. `status` is one of `STATUSES`; `live` is all but revoked. `sort`
    is one of `SORTS`, newest or A first; a `-` before it turns it round, and keys never used come last. `kind` is whose
    keys, people's or service accounts'; `permissions` a preset's name, or `RESTRICTED` for what no preset is. A `sight`
    leaves out all that it does not take in.
    """

    search: str = ""
    status: str = "live"
    project_id: str | None = None
    owner_id: str | None = None
    kind: Kind | None = None
    permissions: str = ""
    sort: str = "last_used"
    offset: int = 0
    limit: int = 50
    sight: Sight | None = None


class Page(msgspec.Struct, frozen=True):
    """One page of keys, and how many there are on all pages: with `is_more` at least so many, and more."""

    keys: tuple[ApiKey, ...]
    total: int
    is_more: bool = False


def list_page(connection: Connection, organization_id: str, selection: KeySelection, now_ms: int) -> Page:
    """The project keys of one page. Pages lead to the first `LISTED_MAX` keys; of a search no more are counted.

    Raises Refusal(PARAMETER_INVALID) for an unknown status or sort.
    """
    search = selection.search.strip()[:SEARCH_LENGTH_MAX]
    chosen = _chosen(organization_id, selection, now_ms)
    offset = min(max(0, selection.offset), LISTED_MAX)
    limit = max(0, min(selection.limit, LISTED_MAX - offset))
    order = _order(selection.sort)
    cut = _Cut(offset, limit)
    # When a key was last used is in no index, because it is written with every call.
    is_by_use = selection.sort.removeprefix("-") == "last_used"
    first = None if is_by_use else _first(organization_id, order, AHEAD + 2 * cut.end)
    if not search:
        total = _count(connection, organization_id, selection, now_ms)
        rows = _rows(connection, first, chosen, order, cut, total)
        return Page(with_secrets(connection, rows), total)
    chosen_before, chosen = chosen, [*chosen, _found_by(connection, search)]
    found = connection.execute(select(keys.c.id).where(*chosen).limit(LISTED_MAX + 1)).scalars().all()
    if len(found) <= LISTED_MAX:
        rows = _rows(connection, None, [keys.c.id.in_(found)], order, cut, len(found))
        return Page(with_secrets(connection, rows), len(found))
    if is_by_use and _is_common(connection, organization_id, chosen[-1]):
        # Of what many keys have there is enough among the first, and only these are searched.
        first = select(keys).where(*chosen_before).order_by(*order).limit(100 + 5 * cut.end).subquery()
    rows = _rows(connection, first, chosen, order, cut, LISTED_MAX)
    return Page(with_secrets(connection, rows), LISTED_MAX, is_more=True)


def list_by_last_four(
    connection: Connection, organization_id: str, last_four: str, limit: int, sight: Sight | None
) -> tuple[ApiKey, ...]:
    """At most `limit` project keys in sight that have or had a secret with these last characters, newest first."""
    rows = connection.execute(
        select(keys)
        .where(
            unindexed(keys.c.organization_id) == organization_id,
            keys.c.kind.in_(PROJECT_KINDS),
            keys.c.id.in_(select(key_secrets.c.key_id).where(key_secrets.c.last_four == last_four)),
            *([] if sight is None else [is_seen(sight)]),
        )
        .order_by(keys.c.created_at_ms.desc(), keys.c.id)
        .limit(limit)
    )
    return with_secrets(connection, rows.mappings().all())


def count_owned(connection: Connection, user_id: str) -> dict[str, int]:
    """How many keys this user has that were not revoked, by the ids of organizations."""
    rows = connection.execute(
        select(keys.c.organization_id, func.count())
        .where(keys.c.owner_id == user_id, keys.c.kind.in_(PROJECT_KINDS), keys.c.revoked_at_ms.is_(None))
        .group_by(keys.c.organization_id)
    )
    return {row[0]: row[1] for row in rows}


def find_named_key_id(
    connection: Connection, organization_id: str, project_id: str, owner_id: str, name: str
) -> str | None:
    """The newest of an owner's keys in a project that is called so and was not revoked."""
    return connection.execute(
        select(keys.c.id)
        .where(
            keys.c.organization_id == organization_id,
            keys.c.project_id == project_id,
            keys.c.owner_id == owner_id,
            keys.c.name == name,
            keys.c.revoked_at_ms.is_(None),
        )
        .order_by(keys.c.created_at_ms.desc(), keys.c.id)
        .limit(1)
    ).scalar_one_or_none()


def _chosen(organization_id: str, selection: KeySelection, now_ms: int) -> list[ColumnElement[bool]]:
    """The conditions of a page but those of a search. Of them only an owner is looked up in an index."""
    # Keys of projects, and none but these, have one: that costs less to tell than their kind.
    chosen = [unindexed(keys.c.organization_id) == organization_id, keys.c.project_id.is_not(None)]
    chosen.append(_has_status(selection.status, now_ms))
    if selection.project_id is not None:
        chosen.append(keys.c.project_id == selection.project_id)
    if selection.owner_id is not None:
        chosen.append(keys.c.owner_id == selection.owner_id)
    if selection.kind is not None:
        chosen.append(keys.c.kind == selection.kind)
    if selection.permissions:
        chosen.append(_may(selection.permissions))
    if selection.sight is not None:
        chosen.append(is_seen(selection.sight))
    return chosen


def _count(connection: Connection, organization_id: str, selection: KeySelection, now_ms: int) -> int:
    """How many keys there are without a search."""
    chosen = _chosen(organization_id, selection, now_ms)
    is_narrowed = (selection.sight, selection.owner_id, selection.kind) != (None, None, None) or selection.permissions
    if not is_narrowed and selection.status != "rotating":
        # All that is asked is in an index, which is smaller than the table.
        of_project = keys.c.project_id == selection.project_id
        of_all = keys.c.kind.in_(PROJECT_KINDS)
        chosen = [keys.c.organization_id == organization_id, of_all if selection.project_id is None else of_project]
        chosen.append(_has_status(selection.status, now_ms))
    return connection.execute(select(func.count()).select_from(keys).where(*chosen)).scalar_one()


class _Cut(NamedTuple):
    """Which rows of an order make a page."""

    offset: int
    limit: int

    @property
    def end(self) -> int:
        """How many rows there are to its end."""
        return self.offset + self.limit

    def of(self, statement: Select[Any]) -> Select[Any]:
        """These rows of an ordered statement."""
        return statement.offset(self.offset).limit(self.limit)


def _first(organization_id: str, order: Sequence[ColumnElement[Any]], count: int) -> Subquery:
    """The first of all keys in an order, which is that of an index."""
    return select(keys).where(keys.c.organization_id == organization_id).order_by(*order).limit(count).subquery()


def _is_common(connection: Connection, organization_id: str, is_found: ColumnElement[bool]) -> bool:
    """Whether at least one key of four is found, by the newest of all."""
    newest = _first(organization_id, _order("created"), SAMPLE)
    found = select(func.count()).select_from(newest).where(ClauseAdapter(newest).traverse(is_found))
    return 4 * connection.execute(found).scalar_one() >= SAMPLE


def _rows(
    connection: Connection,
    first: Subquery | None,
    chosen: Sequence[ColumnElement[bool]],
    order: Sequence[ColumnElement[Any]],
    cut: _Cut,
    total: int,
) -> Sequence[RowMapping]:
    """The rows of a page of so many in all: from among the first keys if all of them are there, else from among all."""
    expected = min(cut.limit, total - cut.offset)
    if expected <= 0:
        return ()
    if first is not None:
        of_first = ClauseAdapter(first).traverse
        page = select(first).where(*map(of_first, chosen)).order_by(*map(of_first, order))
        rows = connection.execute(cut.of(page)).mappings().all()
        if len(rows) == expected:
            return rows
    return connection.execute(cut.of(select(keys).where(*chosen).order_by(*order))).mappings().all()


def _has_status(status: str, now_ms: int) -> ColumnElement[bool]:
    """The same order of importance as `ApiKey.status`: what is final comes first."""
    alive = keys.c.revoked_at_ms.is_(None)
    expired = and_(keys.c.expires_at_ms.is_not(None), keys.c.expires_at_ms <= now_ms)
    lasting = and_(alive, or_(keys.c.expires_at_ms.is_(None), keys.c.expires_at_ms > now_ms))
    active = and_(lasting, keys.c.disabled_at_ms.is_(None))
    two_secrets = keys.c.id.in_(select(key_secrets.c.key_id).where(key_secrets.c.ends_at_ms > now_ms))
    conditions: dict[str, ColumnElement[bool]] = {
        "live": alive,
        "active": active,
        "disabled": and_(lasting, keys.c.disabled_at_ms.is_not(None)),
        "expired": and_(alive, expired),
        "revoked": keys.c.revoked_at_ms.is_not(None),
        "rotating": and_(active, two_secrets),
        "all": literal(value=True),
    }
    if status not in conditions:
        raise Refusal(Code.PARAMETER_INVALID, f"{status!r} is not one of {', '.join(STATUSES)}.", param="status")
    return conditions[status]


def _may(preset: str) -> ColumnElement[bool]:
    """Permissions are always written in the same way: presets are compared as they stand there."""
    if preset in PRESETS:
        return keys.c.permissions == PRESETS[preset].written()
    return keys.c.permissions.not_in([one.written() for one in PRESETS.values()])


def _found_by(connection: Connection, search: str) -> ColumnElement[bool]:
    secret = parse(search)
    if secret is not None:
        # Whoever pastes a whole secret finds its key by the id in it; the secret itself is never looked up.
        return keys.c.id == secret.key_id
    # Secrets and owners are looked up once, not for each key: an organization may have 100,000.
    shown = _shown_of_secret(search)
    last_four = search if shown is None else shown
    ids = {search} if search.startswith("key_") else set()
    if len(last_four) == LAST_LENGTH:
        ids |= set(
            connection.execute(select(key_secrets.c.key_id).where(key_secrets.c.last_four == last_four)).scalars()
        )
    if shown is not None:
        return keys.c.id.in_(ids)
    people = select(users.c.id).where(or_(holds(users.c.name, search), holds(users.c.email, search)))
    machines = select(service_accounts.c.id).where(holds(service_accounts.c.name, search))
    owners = connection.execute(union_all(people, machines).limit(OWNERS_MAX + 1)).scalars().all()
    found: list[ColumnElement[bool]] = [holds(keys.c.name, search)]
    if len(owners) > OWNERS_MAX:
        found += [keys.c.owner_id.in_(people), keys.c.owner_id.in_(machines)]
    elif owners:
        found.append(keys.c.owner_id.in_(owners))
    if ids:
        found.append(keys.c.id.in_(ids))
    return or_(*found)


def _shown_of_secret(search: str) -> str | None:
    """The last characters of what pages show of a secret, alone or with its beginning; None for another text."""
    for dots in ("...", "\N{HORIZONTAL ELLIPSIS}"):
        head, found, last = search.rpartition(dots)
        if found and len(last) == LAST_LENGTH and (not head or head.startswith(tuple(PREFIXES.values()))):
            return last
    return None


def _order(sort: str) -> tuple[ColumnElement[Any], ...]:
    is_turned, name = sort.startswith("-"), sort.removeprefix("-")
    if name not in SORTS:
        raise Refusal(Code.PARAMETER_INVALID, f"{sort!r} is not one of {', '.join(SORTS)}.", param="sort")
    created, key_id = keys.c.created_at_ms, keys.c.id
    if name == "name":
        by_name = by_bytes(func.lower(keys.c.name))
        return (by_name.desc(), key_id.desc()) if is_turned else (by_name, key_id)
    if name == "created":
        return (created, key_id) if is_turned else (created.desc(), key_id.desc())
    used = keys.c.last_used_at_ms.asc() if is_turned else keys.c.last_used_at_ms.desc()
    return (used.nulls_last(), created.desc(), key_id.desc())
