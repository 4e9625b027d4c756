"""Pages in the form whose `next` is the mark to go on behind: OpenAI's NextCursorPage."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from keyhouse.admin import shapes
from keyhouse.admin.door import Visit
from keyhouse.admin.queries import query_of
from keyhouse.admin.shapes import Json

T = TypeVar("T")


def next_page(
    request: Visit,
    found: Sequence[T],
    id_of: Callable[[T], str],
    shown: Callable[[T], Json],
    *,
    limit_default: int,
    limit_max: int,
) -> Json:
    """The page of what was found that the query's `limit`, `after` and `order` (asc unless desc) ask for."""
    query = query_of(request)
    limit = query.integer("limit", 0, limit_max)
    ordered = found[::-1] if query.choice("order", ("asc", "desc"), "asc") == "desc" else found
    rows, has_more = shapes.page_behind(ordered, id_of, query.text("after"), limit_default if limit is None else limit)
    return {
        "object": "list",
        "data": [shown(row) for row in rows],
        "has_more": has_more,
        "next": id_of(rows[-1]) if has_more else None,
    }
