"""Pages that show keys: the list, and one page for each key. They change nothing."""

from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from litestar import Response, get
from litestar.params import FromPath

from keyhouse.console import wording
from keyhouse.console.doorway import Visit, base_url, session_of
from keyhouse.console.key_view import KeyLine, key_line, meter_view, secret_line
from keyhouse.console.pages import pages_of
from keyhouse.console.wording import Times
from keyhouse.reporting.keys import KeyQuery, KeyRow

PAGE: Final = 50
_SEARCH_MAX: Final = 100
STATUSES: Final = (
    ("live", "All but revoked"),
    ("active", "Active"),
    ("rotating", "Rotating"),
    ("disabled", "Disabled"),
    ("expired", "Expired"),
    ("revoked", "Revoked"),
    ("all", "All"),
)
_SORTS: Final = frozenset({"name", "-name", "created", "-created", "last_used", "-last_used"})
_DONE: Final = {
    "disabled": ("is disabled", True),
    "enabled": ("is enabled", False),
    "revoked": ("is revoked", False),
    "ended": ("has one secret again", False),
    "extended": ("keeps its old secret for longer", False),
}


class Toast(msgspec.Struct, frozen=True):
    """What was just done to a key, and whether it can be undone."""

    key_id: str
    text: str
    can_enable: bool


class Asked(msgspec.Struct, frozen=True):
    """What the list's address asks for."""

    search: str = ""
    status: str = "live"
    project: str = ""
    sort: str = "last_used"
    page: int = 1

    def address(self, **changes: str | int) -> str:
        """The list's address with some of it changed; what is usual is left out."""
        wanted = msgspec.structs.replace(self, **changes)
        usual = Asked()
        names = {"search": "q", "status": "status", "project": "project", "sort": "sort", "page": "page"}
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
        project=query.get("project", ""),
        sort=sort if sort in _SORTS else "last_used",
        page=int(page) if page.isascii() and page.isdigit() and 0 < int(page[:6]) < 10_000 else 1,
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
    projects = await desk.project_questions.list(session.organization_id)
    found = await desk.key_questions.page(
        session.organization_id,
        KeyQuery(
            search=asked.search,
            status=asked.status,
            project_id=asked.project or None,
            sort=asked.sort,
            offset=(asked.page - 1) * PAGE,
            limit=PAGE,
        ),
    )
    first = (asked.page - 1) * PAGE + 1
    return pages.signed_in(
        request,
        "keys/list.html",
        here="/api-keys",
        status=status,
        overlay=overlay,
        asked=asked,
        keys=[key_line(row, times) for row in found.rows],
        total=found.total,
        first=first,
        last=first + len(found.rows) - 1,
        has_more=first + len(found.rows) - 1 < found.total,
        projects=projects,
        statuses=STATUSES,
        is_empty=found.total == 0 and asked == Asked(),
        toast=await toast_of(request),
        base_url=base_url(request, desk.public_url),
        first_model=next(iter(desk.models()), "keyhouse-demo"),
        **words,
    )


@get("/api-keys/{key_id:str}")
async def show_key(request: Visit, key_id: FromPath[str]) -> Response[Any]:
    """The page of one key."""
    return await key_page(request, key_id, overlay=None)


async def key_page(
    request: Visit, key_id: str, *, overlay: str | None, status: int = HTTPStatus.OK, **words: Any
) -> Response[Any]:
    """A key's page, and a dialog on it if there is one."""
    pages, session = pages_of(request), session_of(request)
    questions, organization_id = pages.desk.key_questions, session.organization_id
    times = pages.times(session)
    row = await questions.one(organization_id, key_id)
    key, now_ms = row.key, times.now_ms
    spans = {"Last 5 min": 5 * wording.MINUTE_MS, "Last hour": wording.HOUR_MS, "Last 24 hours": wording.DAY_MS}
    counted = {
        name: await questions.requests_by_secret(organization_id, key_id, now_ms - span) for name, span in spans.items()
    }
    names = await pages.desk.names(organization_id, {version.created_by for version in key.secrets})
    return pages.signed_in(
        request,
        "keys/key.html",
        here="/api-keys",
        status=status,
        overlay=overlay,
        key=key_line(row, times),
        models=key.models,
        addresses=key.ip_allowlist,
        grants=key.permissions.to_json(),
        expires="Never" if key.expires_at_ms is None else wording.sentence(times.moment(key.expires_at_ms)),
        limits=[meter_view(state, times) for state in row.limits],
        secrets=[secret_line(key, version, times, names, counted["Last 24 hours"]) for version in key.secrets],
        rotation=rotation_view(row, counted, times),
        toast=await toast_of(request),
        **words,
    )


class RotationPart(msgspec.Struct, frozen=True):
    """How the calls of one span divide between the two secrets; the width is percent."""

    span: str
    new: int
    old: int
    new_width: str


class RotationView(msgspec.Struct, frozen=True):
    """Where a rotation stands: the finding, when the old secret ends, and the numbers behind it."""

    headline: str
    ends: str
    ends_in: str
    new_version: int
    old_version: int
    parts: tuple[RotationPart, ...]


def rotation_view(row: KeyRow, counted: dict[str, dict[int, int]], times: Times) -> RotationView | None:
    """The rotation of a key that has a living older secret, None for any other."""
    old = row.key.previous_secret(times.now_ms)
    if old is None or old.ends_at_ms is None:
        return None
    new = row.key.current
    parts = []
    for span, requests in counted.items():
        new_count, old_count = requests.get(new.version, 0), requests.get(old.version, 0)
        share = new_count / (new_count + old_count) if new_count + old_count else 0.0
        parts.append(RotationPart(span, new_count, old_count, f"{share * 100:.2f}%"))
    late = parts[1].old
    return RotationView(
        headline=(
            f"{wording.plural(late, 'request')} used the old secret in the last hour"
            if late
            else "Nobody used the old secret in the last hour"
        ),
        ends=times.moment(old.ends_at_ms),
        ends_in=times.left(old.ends_at_ms),
        new_version=new.version,
        old_version=old.version,
        parts=tuple(parts),
    )


async def toast_of(request: Visit) -> Toast | None:
    """What the address says was just done, if the key agrees: an address alone must not be believed."""
    done, key_id = request.query_params.get("done", ""), request.query_params.get("on", "")
    if done not in _DONE or not key_id:
        return None
    pages, session = pages_of(request), session_of(request)
    names = await pages.desk.names(session.organization_id, [key_id])
    if key_id not in names:
        return None
    line: KeyLine = key_line(await pages.desk.key_questions.one(session.organization_id, key_id), pages.times(session))
    agrees = {"disabled": line.is_disabled, "revoked": line.is_revoked, "enabled": not line.is_disabled}
    if not agrees.get(done, True):
        return None
    text, can_enable = _DONE[done]
    return Toast(key_id, f"{line.name} {text}", can_enable)
