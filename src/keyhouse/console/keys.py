"""The list of keys. It changes nothing."""

from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from litestar import Response, get

from keyhouse.console.doorway import Visit, actor_of, base_url, keys_seen, session_of
from keyhouse.console.key_form import MAY
from keyhouse.console.key_view import key_line
from keyhouse.console.pages import pages_of
from keyhouse.console.project_switch import chosen
from keyhouse.console.toasts import toast_of
from keyhouse.control.authority import Task, sight_of
from keyhouse.core.secret import Kind
from keyhouse.reporting.keys import LISTED_MAX, KeyQuery, Owners

PAGE: Final = 50
PAGES_MAX: Final = LISTED_MAX // PAGE
_SEARCH_MAX: Final = 100
_ID_LENGTH_MAX: Final = 64
OWNERS_OFFERED_MAX: Final = 50
"""Where there are more people, or more service accounts, than that, the list's filter names none of them."""

STATUSES: Final = (
    ("live", "All but revoked"),
    ("active", "Active"),
    ("rotating", "Rotating"),
    ("disabled", "Disabled"),
    ("expired", "Expired"),
    ("revoked", "Revoked"),
    ("all", "All"),
)
PERMISSIONS: Final = tuple((name, title) for name, title, _ in MAY)
KINDS: Final = (("people", "Any person", Kind.USER), ("machines", "Any service account", Kind.SERVICE_ACCOUNT))
ME: Final = "me"
_SORTS: Final = frozenset({"name", "-name", "created", "-created", "last_used", "-last_used"})


class Asked(msgspec.Struct, frozen=True):
    """What the list's address asks for."""

    search: str = ""
    status: str = "live"
    project: str = ""
    owner: str = ""
    may: str = ""
    sort: str = "last_used"
    page: int = 1

    def address(self, **changes: str | int) -> str:
        """The list's address with some of it changed; what is usual is left out."""
        wanted = msgspec.structs.replace(self, **changes)
        usual = Asked()
        names = {field: field for field in self.__struct_fields__} | {"search": "q"}
        query = {names[f]: getattr(wanted, f) for f in names if getattr(wanted, f) != getattr(usual, f)}
        return f"/api-keys?{urlencode(query)}" if query else "/api-keys"

    def sorted_by(self, column: str) -> str:
        """The list's address when a column's head is pressed: sorted by it, or the other way round."""
        return self.address(sort=f"-{column}" if self.sort == column else column, page=1)

    def direction(self, column: str) -> str:
        """What `aria-sort` says of a column."""
        if self.sort.removeprefix("-") != column:
            return "none"
        # Names begin at A, times with the latest.
        return "ascending" if (column == "name") is not self.sort.startswith("-") else "descending"


def asked_of(request: Visit) -> Asked:
    """What the address asks for; what it asks wrongly is as if it were not there."""
    query = request.query_params
    status, sort, page = query.get("status", "live"), query.get("sort", "last_used"), query.get("page", "1")
    return Asked(
        search=query.get("q", "")[:_SEARCH_MAX].strip(),
        status=status if status in dict(STATUSES) else "live",
        project=chosen(request),
        owner=query.get("owner", "")[:_ID_LENGTH_MAX],
        may=may if (may := query.get("may", "")) in dict(PERMISSIONS) else "",
        sort=sort if sort in _SORTS else "last_used",
        page=min(int(page[:6]), PAGES_MAX) if page.isascii() and page.isdigit() and int(page[:6]) else 1,
    )


@get("/api-keys")
async def show_keys(request: Visit) -> Response[Any]:
    """The list of keys."""
    return await list_page(request, asked_of(request), overlay=None)


async def list_page(
    request: Visit, asked: Asked, *, overlay: str | None, status: int = HTTPStatus.OK, **words: Any
) -> Response[Any]:
    """The list, and a sheet or a dialog on it if there is one."""
    pages, session = pages_of(request), session_of(request)
    desk = pages.desk
    times = pages.times(session)
    projects = await desk.project_questions.list(
        session.organization_id, sight=sight_of(actor_of(request), Task.PROJECTS_READ)
    )
    found = await desk.key_questions.page(session.organization_id, _query(request, asked))
    owners = await desk.key_questions.owners(session.organization_id, keys_seen(request), OWNERS_OFFERED_MAX)
    first = (asked.page - 1) * PAGE + 1
    return await pages.signed_in(
        request,
        "keys/list.html",
        here="/api-keys",
        status=status,
        narrowed_to=asked.project,
        overlay=overlay,
        asked=asked,
        keys=[key_line(row, times) for row in found.rows],
        total=found.total,
        first=first,
        last=first + len(found.rows) - 1,
        is_more=found.is_more,
        has_more=asked.page < PAGES_MAX and first + len(found.rows) - 1 < found.total,
        pages_end=asked.page == PAGES_MAX and (found.is_more or found.total > LISTED_MAX),
        projects=projects,
        owners=owners,
        owner_name=await _owner_name(request, asked, owners),
        kinds=KINDS,
        permissions=PERMISSIONS,
        statuses=STATUSES,
        is_empty=found.total == 0 and asked == Asked(project=asked.project),
        toast=await toast_of(request),
        base_url=base_url(request, desk.public_url),
        first_model=next(iter(desk.models()), "keyhouse-demo"),
        **words,
    )


def _query(request: Visit, asked: Asked) -> KeyQuery:
    return KeyQuery(
        search=asked.search,
        status=asked.status,
        project_id=asked.project or None,
        owner_id=_owner_id(asked, session_of(request).user_id),
        kind=next((kind for name, _, kind in KINDS if name == asked.owner), None),
        permissions=asked.may,
        sort=asked.sort,
        offset=(asked.page - 1) * PAGE,
        limit=PAGE,
        sight=keys_seen(request),
    )


def _owner_id(asked: Asked, me: str) -> str | None:
    """Whose keys alone are asked for; None for those of many."""
    if asked.owner in {"", *(name for name, _, _ in KINDS)}:
        return None
    return me if asked.owner == ME else asked.owner


async def _owner_name(request: Visit, asked: Asked, owners: Owners) -> str:
    """The name of an owner who is not on offer; empty where there is none to be told.

    A name is told only with a key in sight: an id alone must not find out who is here.
    """
    session = session_of(request)
    owner_id = _owner_id(asked, session.user_id)
    if owner_id is None or asked.owner == ME or owner_id in owners.people or owner_id in owners.accounts:
        return ""
    query = KeyQuery(status="all", owner_id=owner_id, limit=1, sight=keys_seen(request))
    rows = (await pages_of(request).desk.key_questions.page(session.organization_id, query)).rows
    return rows[0].owner_name or owner_id if rows else "Nobody"
