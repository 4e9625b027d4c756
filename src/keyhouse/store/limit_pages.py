"""One page of limits: searched, filtered, ordered and counted by the database."""

from collections.abc import Sequence
from typing import Final

import msgspec
from sqlalchemy import ColumnElement, Connection, case, func, literal, or_, select, union_all

from keyhouse.core.authority import Sight
from keyhouse.core.limit import LimitState, ScopeType
from keyhouse.store.limits import is_limit_seen, list_states_of
from keyhouse.store.ordering import holds, unindexed
from keyhouse.store.schema import keys, limits, organizations, projects, service_accounts, users

SEARCH_LENGTH_MAX: Final = 100
"""A longer search is cut: no name is longer."""

NAMED_MAX: Final = 2_000
"""So many ids that a search found are asked for by themselves."""

_ORDER: Final = {
    ScopeType.ORGANIZATION: 0,
    ScopeType.PROJECT: 1,
    ScopeType.USER: 2,
    ScopeType.SERVICE_ACCOUNT: 2,
    ScopeType.KEY: 3,
}


class LimitSelection(msgspec.Struct, frozen=True):
    """Which limits a page shows: by part of the name of what they stand on, by unit, by window and by project:
    those of the project itself, of its keys and of its machines.

    The organization's come first, then those of projects, of people and machines, of keys; the newest first in each.
    A `sight` leaves out all that it does not take in.
    """

    search: str = ""
    unit: str = ""
    window: str = ""
    project_id: str | None = None
    offset: int = 0
    limit: int = 50
    sight: Sight | None = None


def list_page(
    connection: Connection, organization_id: str, time_zone: str, selection: LimitSelection, now_ms: int
) -> tuple[tuple[LimitState, ...], int]:
    """The live limits of one page as they stand at this instant, and how many there are on all pages."""
    # Without a filter limits are counted and put in order by their index; else the table is read from end to end, which
    # takes less than to look each of them up.
    is_narrow = bool(
        selection.unit or selection.window or selection.search.strip() or selection.project_id or selection.sight
    )
    of_organization = unindexed(limits.c.organization_id) if is_narrow else limits.c.organization_id
    chosen = [of_organization == organization_id, limits.c.deleted_at_ms.is_(None)]
    if selection.unit:
        chosen.append(limits.c.unit == selection.unit)
    if selection.window:
        chosen.append(limits.c.window == selection.window)
    if selection.project_id is not None:
        chosen.append(_is_of_project(selection.project_id))
    if selection.sight is not None:
        chosen.append(is_limit_seen(selection.sight))
    if search := selection.search.strip()[:SEARCH_LENGTH_MAX]:
        chosen.append(_found_by(connection, search, organization_id))
    ids, total = (_found_once if is_narrow else _found_in_order)(connection, chosen, selection)
    places = {found: place for place, found in enumerate(ids)}
    states = list_states_of(connection, organization_id, time_zone, now_ms, tuple(places))
    return tuple(sorted(states, key=lambda state: places[state.limit.id])), total


def _found_in_order(
    connection: Connection, chosen: list[ColumnElement[bool]], selection: LimitSelection
) -> tuple[Sequence[str], int]:
    """The ids of one page in order, and how many there are in all."""
    total = connection.execute(select(func.count()).select_from(limits).where(*chosen)).scalar_one()
    page = select(limits.c.id).where(*chosen).order_by(_rank(), limits.c.created_at_ms.desc(), limits.c.id)
    ids = connection.execute(page.offset(max(0, selection.offset)).limit(max(0, selection.limit))).scalars().all()
    return ids, total


def _found_once(
    connection: Connection, chosen: list[ColumnElement[bool]], selection: LimitSelection
) -> tuple[Sequence[str], int]:
    """The same where the table is read for it: once, to be counted and to be put in order."""
    found = select(limits.c.id, _rank().label("rank"), limits.c.created_at_ms).where(*chosen).cte("found")
    total = select(func.count()).select_from(found).scalar_subquery()
    page = select(found.c.id, total).order_by(found.c.rank, found.c.created_at_ms.desc(), found.c.id)
    rows = connection.execute(page.offset(max(0, selection.offset)).limit(max(0, selection.limit))).all()
    if rows:
        return [row[0] for row in rows], rows[0][1]
    return (), connection.execute(select(func.count()).select_from(limits).where(*chosen)).scalar_one()


def _rank() -> ColumnElement[int]:
    return case(*((limits.c.scope_type == str(scope), place) for scope, place in _ORDER.items()), else_=9)


def _is_of_project(project_id: str) -> ColumnElement[bool]:
    stand_on = union_all(
        select(keys.c.id).where(keys.c.project_id == project_id),
        select(service_accounts.c.id).where(service_accounts.c.project_id == project_id),
        select(literal(project_id)),
    )
    return limits.c.scope_id.in_(stand_on)


def _found_by(connection: Connection, search: str, organization_id: str) -> ColumnElement[bool]:
    """What has this in its name, or is called so by its id. What has it is looked up once, not for each limit."""

    def has_it(column: ColumnElement[str], stored: ColumnElement[str] | None = None) -> ColumnElement[bool]:
        return holds(column, search, stored)

    named = union_all(
        select(projects.c.id).where(projects.c.organization_id == organization_id, has_it(projects.c.name)),
        select(users.c.id).where(or_(has_it(users.c.name), has_it(users.c.email))),
        select(service_accounts.c.id).where(
            service_accounts.c.organization_id == organization_id, has_it(service_accounts.c.name)
        ),
        select(organizations.c.id).where(organizations.c.id == organization_id, has_it(organizations.c.name)),
        # All keys are read: there is no index of parts of names.
        select(keys.c.id).where(
            unindexed(keys.c.organization_id) == organization_id, has_it(keys.c.name, keys.c.searched_name)
        ),
    )
    found = connection.execute(named.limit(NAMED_MAX + 1)).scalars().all()
    scopes = limits.c.scope_id.in_(named if len(found) > NAMED_MAX else [*found, search])
    return or_(scopes, limits.c.id == search, limits.c.scope_id == search)
