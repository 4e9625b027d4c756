"""Usage by buckets of time, as OpenAI pages it: contiguous and whole, in UTC; one without data has no results.

A page is a number of buckets, and `next_page` says where the next one begins.
"""

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec

from keyhouse.admin.queries import Query
from keyhouse.admin.shapes import Json
from keyhouse.control.authority import Task, sight_of
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.rollup import HOUR_MS, MINUTE_MS
from keyhouse.reporting.usage import DAY_MS, INSTANT_MAX_MS, Bucket, UsageQuery, UsageRow, buckets
from keyhouse.store.engine import Actor


class Width(msgspec.Struct, frozen=True):
    """A width of buckets, how many of them a page has, and how many it may have."""

    bucket: Bucket
    width_ms: int
    usual: int
    most: int


WIDTHS: Final = {
    "1m": Width("minute", MINUTE_MS, 60, 1440),
    "1h": Width("hour", HOUR_MS, 24, 168),
    "1d": Width("day", DAY_MS, 7, 31),
}
COST_WIDTHS: Final = {"1d": Width("day", DAY_MS, 7, 180)}

_COLUMNS: Final = {
    "project_id": "project_id",
    "user_id": "user_id",
    "api_key_id": "api_key_id",
    "model": "model",
    "line_item": "model",
    "source": "endpoint",
}
"""The groups that the rollups know, and by which of theirs."""

_CONSTANT: Final[Json] = {"batch": False, "api_source": "unlabeled"}
"""What is the same for all usage here. Of every other group it is not known."""

SOURCES: Final = {
    "/v1/images/generations": "image.generation",
    "/v1/images/edits": "image.edit",
    "/v1/images/variations": "image.variation",
}
"""OpenAI's word for the endpoint that made an image."""


class BucketPage:
    """One page of buckets as it was asked for, and as it is answered. Raises Refusal(PARAMETER_INVALID, _MISSING)."""

    def __init__(
        self,
        query: Query,
        widths: Mapping[str, Width],
        groups: Sequence[str],
        actor: Actor,
        now_ms: int,
    ) -> None:
        most_s = INSTANT_MAX_MS // 1000
        start_s = query.integer("start_time", 0, most_s)
        if start_s is None:
            raise Refusal(
                Code.PARAMETER_MISSING,
                "The parameter start_time is missing.",
                hint="Send the first moment you want in Unix seconds.",
                param="start_time",
            )
        width = widths[query.choice("bucket_width", list(widths), "1d")]
        limit = query.integer("limit", 1, width.most) or width.usual
        end_s = query.integer("end_time", 0, most_s)
        self.end_ms = now_ms if end_s is None else end_s * 1000
        if end_s is not None and end_s <= start_s:
            raise Refusal(Code.PARAMETER_INVALID, "The end_time is not after the start_time.", param="end_time")
        first_ms = max(start_s * 1000, _start_of_page(query.text("page")))
        first_ms -= first_ms % width.width_ms
        self.page_end_ms = min(self.end_ms, first_ms + limit * width.width_ms)
        self.buckets = buckets(first_ms, self.page_end_ms, width.bucket, "UTC")
        self._first_ms = first_ms
        self._width = width
        self._groups = groups
        self._asked = query.choices("group_by", groups)
        self._kept = [(group, _COLUMNS[group]) for group in self._asked if group in _COLUMNS]
        self._actor = actor
        self._query = query

    def question(self, endpoints: tuple[str, ...]) -> UsageQuery:
        """What to ask the rollups, of these endpoints; of all of them if none is named."""
        models = (*self._query.many("models"), *self._query.many("line_items"))
        return UsageQuery(
            organization_id=self._actor.organization_id,
            start_ms=self._first_ms,
            end_ms=max(self._first_ms, self.page_end_ms),
            bucket=self._width.bucket,
            group_by=tuple(dict.fromkeys(column for _, column in self._kept)),
            project_ids=self._projects(),
            user_ids=self._query.many("user_ids"),
            api_key_ids=self._query.many("api_key_ids"),
            models=models,
            endpoints=endpoints,
        )

    def _projects(self) -> tuple[str, ...]:
        asked, sight = self._query.many("project_ids"), sight_of(self._actor, Task.USAGE_READ)
        return asked if sight is None else sight.narrow(asked)

    def answer(self, rows: Sequence[UsageRow], result: Callable[[UsageRow, Json], Json]) -> Json:
        """The answer: every bucket of the page, each with a result for each of its groups."""
        columns = list(dict.fromkeys(column for _, column in self._kept))
        results: dict[int, list[Json]] = {start_ms: [] for start_ms, _ in self.buckets}
        for row in rows:
            values = dict(zip(columns, row.group, strict=True))
            group: Json = dict.fromkeys(self._groups)
            group |= {name: _CONSTANT.get(name) for name in self._asked}
            group |= {name: _named(name, values[column]) for name, column in self._kept}
            results[row.bucket_start_ms].append(result(row, group))
        has_more = bool(self.buckets) and self.page_end_ms < self.end_ms
        return {
            "object": "page",
            "data": [
                {
                    "object": "bucket",
                    "start_time": start_ms // 1000,
                    "end_time": end_ms // 1000,
                    "results": results[start_ms],
                }
                for start_ms, end_ms in self.buckets
            ],
            "has_more": has_more,
            "next_page": _page_from(self.page_end_ms) if has_more else None,
        }


def _named(group: str, value: str | None) -> str | None:
    return SOURCES.get(value or "") if group == "source" else value


def _page_from(start_ms: int) -> str:
    return "page_" + base64.urlsafe_b64encode(str(start_ms // 1000).encode()).decode().rstrip("=")


def _start_of_page(page: str | None) -> int:
    if page is None:
        return 0
    text = page.removeprefix("page_")
    try:
        start = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        start = ""
    if not page.startswith("page_") or not start.isdigit() or int(start[:15]) * 1000 > INSTANT_MAX_MS:
        raise Refusal(
            Code.PARAMETER_INVALID,
            "The parameter page is not one that this API gave out.",
            hint="Send the next_page of the answer before, unchanged.",
            param="page",
        )
    return int(start[:15]) * 1000
