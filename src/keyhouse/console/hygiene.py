"""Keys that deserve a second look: what is wrong, how many, and which."""

from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from litestar import Response, get

from keyhouse.console.doorway import Visit, keys_seen, session_of
from keyhouse.console.key_view import key_line
from keyhouse.console.pages import pages_of
from keyhouse.reporting import networks
from keyhouse.reporting.hygiene import COUNTED_MAX, LONG_UNUSED_DAYS, PAGE, UNUSED_DAYS, Found, Habit


class Finding(msgspec.Struct, frozen=True):
    """A habit in words: its name, why it matters, and what to do."""

    title: str
    why: str
    none: str


FINDINGS: Final = {
    Habit.OWNER_GONE: Finding(
        "Owner gone",
        "Whoever these keys belong to is no longer here, so calls with them are refused. Revoke them.",
        "Every key belongs to somebody who is here.",
    ),
    Habit.NO_LIMIT: Finding(
        "No limit",
        "Nothing but the limits of their project and organization holds these keys. Give each a budget.",
        "Every key has a limit of its own.",
    ),
    Habit.NO_EXPIRY: Finding(
        "No expiry",
        "These keys live until somebody revokes them. A date makes somebody look again.",
        "Every key has an end.",
    ),
    Habit.LONG_UNUSED: Finding(
        f"Unused {LONG_UNUSED_DAYS} d",
        "Nobody has called with these keys for three months. Disable them; that is reversible.",
        "Every key was used or made in the last three months.",
    ),
    Habit.UNUSED: Finding(
        f"Unused {UNUSED_DAYS} d",
        "Nobody has called with these keys for a month. Ask their owners, or disable them.",
        "Every key was used or made in the last month.",
    ),
}


NEW_NETWORK: Final = "new_network"
"""What is shown that is no habit: it is looked for when it is asked for, and not counted."""

NETWORKS: Final = Finding(
    "New network",
    f"In the last {networks.DAYS} days these keys were called from a network (/24, or /48 of IPv6) from which they "
    "were not called before. Ask their owners whether that was them.",
    f"None of these keys was called from a new network (/24, or /48 of IPv6) in the last {networks.DAYS} days.",
)


def address(show: str, page: int = 1) -> str:
    """The page's address for what it shows."""
    query = {"show": show} | ({"page": page} if page > 1 else {})
    return f"/hygiene?{urlencode(query)}"


@get("/hygiene")
async def show_hygiene(request: Visit) -> Response[Any]:
    """The counts, and the keys with the habit that the address names: the first that any key has, if it names none."""
    pages, session = pages_of(request), session_of(request)
    query, times = request.query_params, pages.times(session)
    shown = query.get("show", "")
    number = query.get("page", "1")
    page = int(number) if number.isascii() and number.isdigit() and 0 < int(number[:6]) < 10_000 else 1
    if shown == NEW_NETWORK:
        return await _networks_page(request, page)
    wanted = Habit(shown) if shown in set(Habit) else None
    found = await pages.desk.hygiene.page(session.organization_id, wanted, page, keys_seen(request))
    asked = found.habit
    first = (page - 1) * PAGE + 1
    last = first + len(found.rows) - 1
    total = found.found.counts[asked]
    listed = min(total, COUNTED_MAX)
    return await _page(
        request,
        found.found,
        asked=asked,
        finding=FINDINGS[asked],
        total=total,
        keys=[key_line(row, times) for row in found.rows],
        first=first,
        last=last,
        before=address(asked, page - 1) if page > 1 else None,
        following=address(asked, page + 1) if last < listed else None,
        looked=None,
    )


async def _page(request: Visit, counted: Found, **words: Any) -> Response[Any]:
    """The page with its tabs, whatever it shows below them."""
    return await pages_of(request).signed_in(
        request,
        "hygiene/hygiene.html",
        here="/hygiene",
        overlay=None,
        toast=None,
        findings=[(address(habit), habit, FINDINGS[habit], counted.counts[habit]) for habit in Habit],
        networks=(address(NEW_NETWORK), NEW_NETWORK, NETWORKS),
        living=counted.total,
        counted_max=COUNTED_MAX,
        **words,
    )


async def _networks_page(request: Visit, page: int) -> Response[Any]:
    """Keys called from a new network, among one page of those used lately."""
    pages, session = pages_of(request), session_of(request)
    times, sight = pages.times(session), keys_seen(request)
    counted = await pages.desk.hygiene.counts(session.organization_id, sight)
    found = await pages.desk.network_questions.page(session.organization_id, page, sight)
    return await _page(
        request,
        counted,
        asked=NEW_NETWORK,
        finding=NETWORKS,
        total=len(found.found),
        keys=[key_line(one.row, times) for one in found.found],
        seen_from={one.row.key.id: one.networks for one in found.found},
        looked=found.looked,
        calls_read=networks.CALLS_READ_MAX,
        days=networks.DAYS,
        before=address(NEW_NETWORK, page - 1) if page > 1 else None,
        following=address(NEW_NETWORK, page + 1) if found.has_more else None,
    )
