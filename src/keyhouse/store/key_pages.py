"""One page of keys: searched, filtered, sorted and counted by the database; and a key by its owner and its name."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import (
    ColumnElement,
    Connection,
    Subquery,
    and_,
    func,
    literal,
    or_,
    select,
    union_all,
)
from sqlalchemy.sql import visitors
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
COUNTED_MAX: Final = 2_500
"""So many keys are counted, and so many that are found are put in order by themselves: no index leads to them."""

AHEAD: Final = (100, 2_500)
"""Of more, how many more than a page needs are looked at in their order, at first and then, before all are."""

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
    chosen, sort = _chosen(connection, organization_id, selection, now_ms), selection.sort
    places = _places(sort)
    if search := selection.search.strip()[:SEARCH_LENGTH_MAX]:
        chosen.append(_found_by(connection, search))
    # Few are found on one way through all keys, and put in order here. Many are soon known to be many.
    found = connection.execute(select(*places).where(*chosen).limit(COUNTED_MAX + 1)).all()
    total, is_more = min(len(found), COUNTED_MAX), len(found) > COUNTED_MAX
    begin = max(0, selection.offset)
    end = min(begin + max(0, selection.limit), total, LISTED_MAX)
    if begin >= end:
        return Page((), total, is_more)
    if is_more:
        page = _ids_of_many(connection, organization_id, sort, chosen, begin, end)
    else:
        page = [place[-1] for place in _in_order(found, sort)[begin:end]]
    by_id = {row["id"]: row for row in connection.execute(select(keys).where(keys.c.id.in_(page))).mappings()}
    return Page(with_secrets(connection, [by_id[key_id] for key_id in page]), total, is_more)


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


def _ids_of_many(
    connection: Connection,
    organization_id: str,
    sort: str,
    chosen: Sequence[ColumnElement[bool]],
    begin: int,
    end: int,
) -> Sequence[str]:
    """The keys of these places of an order: from among the first if all of them are there, else from among all."""
    first, *others = _order(sort)
    order = (first.nulls_last() if _is_by_use(sort) else first, *others)
    for ahead in AHEAD:
        foremost = _foremost(connection, organization_id, sort, ahead + 2 * end, [*chosen, *order])
        of_foremost = ClauseAdapter(foremost).traverse
        page = select(foremost.c.id).where(*map(of_foremost, chosen)).order_by(*map(of_foremost, order))
        found = connection.execute(page.offset(begin).limit(end - begin)).scalars().all()
        if len(found) == end - begin:
            return found
    page = select(keys.c.id).where(*chosen).order_by(*order)
    return connection.execute(page.offset(begin).limit(end - begin)).scalars().all()


def _foremost(
    connection: Connection, organization_id: str, sort: str, count: int, clauses: Iterable[ColumnElement[Any]]
) -> Subquery:
    """The first of all keys in an order, which is that of an index; by last use, of those used and then of the others.
    They have what the clauses speak of, and no more: to pass on a whole row takes several times as long.
    """
    spoken_of = {part for clause in clauses for part in visitors.iterate(clause)}
    of_all = select(*(column for column in keys.c if column in spoken_of))
    of_all = of_all.where(keys.c.organization_id == organization_id).order_by(*_order(sort))
    if not _is_by_use(sort):
        return of_all.limit(count).subquery()
    is_used = keys.c.last_used_at_ms.is_not(None)
    some = select(keys.c.id).where(keys.c.organization_id == organization_id, is_used).limit(count).subquery()
    used = connection.execute(select(func.count()).select_from(some)).scalar_one()
    if used == count:
        return of_all.where(is_used).limit(count).subquery()
    parts = (of_all.where(is_used).limit(used), of_all.where(~is_used).limit(count - used))
    return union_all(*(select(part.subquery()) for part in parts)).subquery()


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
    return keys.c.id.in_(rotating if len(ids) > COUNTED_MAX else ids)


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


def _places(sort: str) -> list[ColumnElement[Any]]:
    """What the place of a key in an order is told by, its id last. Raises Refusal(PARAMETER_INVALID) for no order."""
    name = sort.removeprefix("-")
    if name not in SORTS:
        raise Refusal(Code.PARAMETER_INVALID, f"{sort!r} is not one of {', '.join(SORTS)}.", param="sort")
    if name == "name":
        return [by_bytes(func.lower(keys.c.name)), keys.c.id]
    created: list[ColumnElement[Any]] = [keys.c.created_at_ms, keys.c.id]
    return created if name == "created" else [keys.c.last_used_at_ms, *created]


def _order(sort: str) -> list[ColumnElement[Any]]:
    """An order as an index has it, in which the databases put keys never used in different places."""
    return [one.desc() if _is_falling(sort) else one.asc() for one in _places(sort)]


def _in_order(places: Sequence[Any], sort: str) -> list[Any]:
    """The same order of some places, keys never used last."""
    if not _is_by_use(sort):
        return sorted(places, reverse=_is_falling(sort))
    used = sorted((place for place in places if place[0] is not None), reverse=_is_falling(sort))
    return used + sorted((place for place in places if place[0] is None), key=_created, reverse=_is_falling(sort))


def _created(place: Any) -> Any:
    return place[1:]


def _is_falling(sort: str) -> bool:
    """Names begin at A, times with the latest; unless they are turned."""
    return (sort.removeprefix("-") == "name") is sort.startswith("-")


def _is_by_use(sort: str) -> bool:
    return sort.removeprefix("-") == "last_used"
