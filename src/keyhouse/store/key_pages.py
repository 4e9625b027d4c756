"""One page of keys: searched, filtered, sorted and counted by the database; and a key by its owner and its name."""

from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Connection, and_, func, literal, or_, select

from keyhouse.core.authority import Sight
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.key import ApiKey
from keyhouse.core.secret import parse
from keyhouse.store.grants import is_of, is_seen
from keyhouse.store.keys import PROJECT_KINDS, with_secrets
from keyhouse.store.ordering import by_bytes, holds
from keyhouse.store.schema import key_secrets, keys, service_accounts, users

SEARCH_LENGTH_MAX: Final = 100
"""A longer search is cut: no name is longer."""

LAST_LENGTH: Final = 4
"""How many of a secret's last characters are shown."""

STATUSES: Final = ("live", "active", "disabled", "expired", "revoked", "rotating", "all")
SORTS: Final = ("name", "created", "last_used")


class KeySelection(msgspec.Struct, frozen=True):
    """Which keys a page shows.

    `search` finds parts of names and of owners' names and addresses, and a key by its id, its last four
    characters, or all that is shown of it. `status` is one of `STATUSES`; `live` is all but revoked. `sort`
    is one of `SORTS`, newest or A first; a `-` before it turns it round, and keys never used come last. A `sight`
    leaves out all that it does not take in.
    """

    search: str = ""
    status: str = "live"
    project_id: str | None = None
    sort: str = "last_used"
    offset: int = 0
    limit: int = 50
    sight: Sight | None = None


def list_page(
    connection: Connection, organization_id: str, selection: KeySelection, now_ms: int
) -> tuple[tuple[ApiKey, ...], int]:
    """The project keys of one page, and how many there are on all pages.

    Raises Refusal(PARAMETER_INVALID) for an unknown status or sort.
    """
    is_whole = selection.project_id is None and selection.sight is None
    chosen = [is_of(connection, organization_id, is_whole=is_whole), keys.c.kind.in_(PROJECT_KINDS)]
    chosen.append(_has_status(selection.status, now_ms))
    if selection.project_id is not None:
        chosen.append(keys.c.project_id == selection.project_id)
    if selection.sight is not None:
        chosen.append(is_seen(selection.sight))
    if selection.search.strip():
        chosen.append(_found_by(selection.search.strip()[:SEARCH_LENGTH_MAX]))
    offset, limit = max(0, selection.offset), max(0, selection.limit)
    page = select(keys).where(*chosen).order_by(*_order(selection.sort)).offset(offset).limit(limit)
    # Without a search all that is asked is in the index by status, which is smaller than the table.
    counted = chosen if selection.search.strip() else [keys.c.organization_id == organization_id, *chosen[1:]]
    count = select(func.count()).select_from(keys).where(*counted)
    rows = connection.execute(page).mappings().all()
    # Where the page is not full there is no need to count: what a search finds is mostly little.
    is_last = len(rows) < limit and (rows or not offset)
    total = offset + len(rows) if is_last else connection.execute(count).scalar_one()
    return with_secrets(connection, rows), total


def list_by_last_four(
    connection: Connection, organization_id: str, last_four: str, limit: int, sight: Sight | None
) -> tuple[ApiKey, ...]:
    """At most `limit` project keys in sight that have or had a secret with these last characters, newest first."""
    rows = connection.execute(
        select(keys)
        .where(
            keys.c.organization_id == organization_id,
            keys.c.kind.in_(PROJECT_KINDS),
            keys.c.id.in_(select(key_secrets.c.key_id).where(key_secrets.c.last_four == last_four)),
            *([] if sight is None else [is_seen(sight)]),
        )
        .order_by(keys.c.created_at_ms.desc(), keys.c.id)
        .limit(limit)
    )
    return with_secrets(connection, rows.mappings().all())


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


def _found_by(search: str) -> ColumnElement[bool]:
    secret = parse(search)
    if secret is not None:
        # Whoever pastes a whole secret finds its key by the id in it; the secret itself is never looked up.
        return keys.c.id == secret.key_id
    # Owners and last characters are looked up once, not for each key: an organization may have 100,000.
    owners = select(users.c.id).where(or_(holds(users.c.name, search), holds(users.c.email, search)))
    machines = select(service_accounts.c.id).where(holds(service_accounts.c.name, search))
    found = [holds(keys.c.name, search), keys.c.id == search]
    found += [keys.c.owner_id.in_(owners), keys.c.owner_id.in_(machines)]
    last_four = search.rpartition("...")[2]
    if len(last_four) == LAST_LENGTH:
        found.append(keys.c.id.in_(select(key_secrets.c.key_id).where(key_secrets.c.last_four == last_four)))
    return or_(*found)


def _order(sort: str) -> tuple[ColumnElement[Any], ...]:
    is_turned, name = sort.startswith("-"), sort.removeprefix("-")
    if name not in SORTS:
        raise Refusal(Code.PARAMETER_INVALID, f"{sort!r} is not one of {', '.join(SORTS)}.", param="sort")
    if name == "name":
        by_name = by_bytes(func.lower(keys.c.name))
        return (by_name.desc() if is_turned else by_name.asc(), keys.c.id)
    column = keys.c.created_at_ms if name == "created" else keys.c.last_used_at_ms
    order = column.asc() if is_turned else column.desc()
    return (order.nulls_last(), keys.c.created_at_ms.desc(), keys.c.id)
