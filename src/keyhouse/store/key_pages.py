"""One page of keys: searched, filtered, sorted and counted by the database; and a key by its owner and its name."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import (
    CTE,
    ColumnElement,
    Connection,
    Subquery,
    and_,
    func,
    literal,
    or_,
    select,
    union,
    union_all,
)
from sqlalchemy.sql import visitors
from sqlalchemy.sql.util import ClauseAdapter

from keyhouse.core.authority import Sight
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.key import ApiKey
from keyhouse.core.permissions import PRESETS
from keyhouse.core.secret import PREFIXES, Kind, parse
from keyhouse.store.among import among
from keyhouse.store.grants import is_seen
from keyhouse.store.keys import PROJECT_KINDS, with_secrets
from keyhouse.store.ordering import by_bytes, holds, unindexed
from keyhouse.store.schema import key_secrets, keys, service_accounts, users

SEARCH_LENGTH_MAX: Final = 100
"""A longer search is cut: no name is longer."""

LAST_LENGTH: Final = 4
"""How many of a secret's last characters are shown."""

OWNERS_MAX: Final = 500
COUNTED_MAX: Final = 2_500
"""So many keys are counted. Of more it is said that there are more."""

AHEAD: Final = 500
"""How many keys more than a page needs are looked at in their order before all are."""

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
    """The project keys of one page. Pages lead to the first `LISTED_MAX` keys of an order; `COUNTED_MAX` are counted.

    Raises Refusal(PARAMETER_INVALID) for an unknown status or sort.
    """
    narrowed = _chosen(connection, organization_id, selection, now_ms)
    first, *others = _order(selection.sort)
    order = (first.nulls_last(), *others)
    ways: list[ColumnElement[bool]] = []
    if search := selection.search.strip()[:SEARCH_LENGTH_MAX]:
        ways = _ways_to_find(connection, search)
    chosen = [*narrowed, or_(*ways)] if ways else narrowed
    begin = max(0, selection.offset)
    end = min(begin + max(0, selection.limit), LISTED_MAX)
    if begin >= end:
        return _page(connection, [], _count(connection, chosen))
    # Of many keys a page is among the first, and they are soon counted. Few are found and counted on one way through
    # all, which is also the most that it takes to find any.
    foremost = _foremost(organization_id, selection.sort, AHEAD + 2 * end, [*chosen, *order])
    of_foremost = ClauseAdapter(foremost).traverse
    ids = select(foremost.c.id).where(*map(of_foremost, chosen)).order_by(*map(of_foremost, order))
    page = connection.execute(ids.offset(begin).limit(end - begin)).scalars().all()
    if len(page) == end - begin:
        return _page(connection, page, _count(connection, chosen))
    found = _found(spoken_of(order), narrowed, ways)
    of_found = ClauseAdapter(found).traverse
    count = select(func.count()).select_from(found).scalar_subquery()
    ids = select(found.c.id, count).order_by(*map(of_found, order))
    rows = connection.execute(ids.offset(begin).limit(end - begin)).all()
    # Behind the last of them it is said nevertheless how many they are.
    total = rows[0][1] if rows else _count(connection, chosen) if begin else 0
    return _page(connection, [row[0] for row in rows], total)


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


def _chosen(
    connection: Connection, organization_id: str, selection: KeySelection, now_ms: int
) -> list[ColumnElement[bool]]:
    """The conditions of a page but those of a search. Of them only an owner is looked up in an index."""
    # Keys of projects, and none but these, have one: that costs less to tell than their kind.
    chosen = [unindexed(keys.c.organization_id) == organization_id, keys.c.project_id.is_not(None)]
    chosen.append(_has_status(selection.status, now_ms))
    if selection.status == "rotating":
        chosen.append(_has_two_secrets(connection, now_ms))
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


def _found(
    columns: Sequence[ColumnElement[Any]], narrowed: Sequence[ColumnElement[bool]], ways: Sequence[ColumnElement[bool]]
) -> CTE:
    """All keys of a choice; those of a search one way after the other, since keys of an owner are found by an index."""
    if not ways:
        return select(*columns).where(*narrowed).cte()
    return union(*(select(*columns).where(*narrowed, way) for way in ways)).cte()


def _count(connection: Connection, chosen: Sequence[ColumnElement[bool]]) -> int:
    """How many keys there are of these, at most one more than `COUNTED_MAX`."""
    some = select(literal(1)).select_from(keys).where(*chosen).limit(COUNTED_MAX + 1).subquery()
    return connection.execute(select(func.count()).select_from(some)).scalar_one()


def _page(connection: Connection, page: Sequence[str], count: int) -> Page:
    """The page of these keys, in their order."""
    rows = connection.execute(select(keys).where(among(keys.c.id, page))).mappings() if page else ()
    by_id = {row["id"]: row for row in rows}
    found = with_secrets(connection, [by_id[key_id] for key_id in page]) if page else ()
    return Page(found, min(count, COUNTED_MAX), count > COUNTED_MAX)


def _foremost(organization_id: str, sort: str, count: int, clauses: Iterable[ColumnElement[Any]]) -> Subquery:
    """The first of all keys in an order, which is that of an index; by last use, of those used and then of the others.
    They have what the clauses speak of, and no more: to pass on a whole row takes several times as long.
    """
    of_all = select(*spoken_of(clauses)).where(keys.c.organization_id == organization_id).order_by(*_order(sort))
    if sort.removeprefix("-") != "last_used":
        return of_all.limit(count).subquery()
    is_used = keys.c.last_used_at_ms.is_not(None)
    used = of_all.where(is_used).limit(count).cte()
    left = count - select(func.count()).select_from(used).scalar_subquery()
    return union_all(select(used), select(of_all.where(~is_used).limit(left).subquery())).subquery()


def spoken_of(clauses: Iterable[ColumnElement[Any]]) -> list[ColumnElement[Any]]:
    """The columns of a key that these speak of."""
    parts = {part for clause in clauses for part in visitors.iterate(clause)}
    return [column for column in keys.c if column in parts]


def _has_status(status: str, now_ms: int) -> ColumnElement[bool]:
    """The same order of importance as `ApiKey.status`: what is final comes first."""
    alive = keys.c.revoked_at_ms.is_(None)
    expired = and_(keys.c.expires_at_ms.is_not(None), keys.c.expires_at_ms <= now_ms)
    lasting = and_(alive, or_(keys.c.expires_at_ms.is_(None), keys.c.expires_at_ms > now_ms))
    active = and_(lasting, keys.c.disabled_at_ms.is_(None))
    conditions: dict[str, ColumnElement[bool]] = {
        "live": alive,
        "active": active,
        "disabled": and_(lasting, keys.c.disabled_at_ms.is_not(None)),
        "expired": and_(alive, expired),
        "revoked": keys.c.revoked_at_ms.is_not(None),
        "rotating": active,
        "all": literal(value=True),
    }
    if status not in conditions:
        raise Refusal(Code.PARAMETER_INVALID, f"{status!r} is not one of {', '.join(STATUSES)}.", param="status")
    return conditions[status]


def _has_two_secrets(connection: Connection, now_ms: int) -> ColumnElement[bool]:
    """Such keys are few at any time: they are looked up first, and then by their ids, not for each key of a status."""
    rotating = select(key_secrets.c.key_id).where(key_secrets.c.ends_at_ms > now_ms)
    ids = connection.execute(rotating.limit(COUNTED_MAX + 1)).scalars().all()
    return keys.c.id.in_(rotating) if len(ids) > COUNTED_MAX else among(keys.c.id, ids)


def _may(preset: str) -> ColumnElement[bool]:
    """Permissions are always written in the same way: presets are compared as they stand there."""
    if preset in PRESETS:
        return keys.c.permissions == PRESETS[preset].written()
    return keys.c.permissions.not_in([one.written() for one in PRESETS.values()])


def _ways_to_find(connection: Connection, search: str) -> list[ColumnElement[bool]]:
    """What a key has one of if it is searched for."""
    secret = parse(search)
    if secret is not None:
        # Whoever pastes a whole secret finds its key by the id in it; the secret itself is never looked up.
        return [keys.c.id == secret.key_id]
    # Secrets and owners are looked up once, not for each key: an organization may have 100,000.
    shown = _shown_of_secret(search)
    last_four = search if shown is None else shown
    ids = {search} if search.startswith("key_") else set()
    if len(last_four) == LAST_LENGTH:
        ids |= set(
            connection.execute(select(key_secrets.c.key_id).where(key_secrets.c.last_four == last_four)).scalars()
        )
    if shown is not None:
        return [among(keys.c.id, ids)]
    people = select(users.c.id).where(or_(holds(users.c.name, search), holds(users.c.email, search)))
    machines = select(service_accounts.c.id).where(holds(service_accounts.c.name, search))
    owners = connection.execute(union_all(people, machines).limit(OWNERS_MAX + 1)).scalars().all()
    found: list[ColumnElement[bool]] = [holds(keys.c.name, search, keys.c.searched_name)]
    if len(owners) > OWNERS_MAX:
        found += [keys.c.owner_id.in_(people), keys.c.owner_id.in_(machines)]
    elif owners:
        found.append(keys.c.owner_id.in_(owners))
    if ids:
        found.append(keys.c.id.in_(ids))
    return found


def _shown_of_secret(search: str) -> str | None:
    """The last characters of what pages show of a secret, alone or with its beginning; None for another text."""
    for dots in ("...", "\N{HORIZONTAL ELLIPSIS}"):
        head, found, last = search.rpartition(dots)
        if found and len(last) == LAST_LENGTH and (not head or head.startswith(tuple(PREFIXES.values()))):
            return last
    return None


def _order(sort: str) -> list[ColumnElement[Any]]:
    """An order as an index has it, in which the databases put keys never used in different places. Raises
    Refusal(PARAMETER_INVALID) for no order.
    """
    name = sort.removeprefix("-")
    if name not in SORTS:
        raise Refusal(Code.PARAMETER_INVALID, f"{sort!r} is not one of {', '.join(SORTS)}.", param="sort")
    places: list[ColumnElement[Any]] = [keys.c.created_at_ms, keys.c.id]
    if name == "name":
        places = [by_bytes(func.lower(keys.c.name)), keys.c.id]
    elif name == "last_used":
        places = [keys.c.last_used_at_ms, *places]
    # Names begin at A, times with the latest; unless they are turned.
    is_falling = (name == "name") is sort.startswith("-")
    return [one.desc() if is_falling else one.asc() for one in places]
