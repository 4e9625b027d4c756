"""`/usage/completions` and `/costs`: OpenAI's buckets and pages, read from the rollups.

Buckets are contiguous and whole, in UTC; one without data has no results. A page is a number of buckets, and
`next_page` says where the next one begins. Beyond OpenAI's fields, costs can be grouped and filtered by model
and user, and every result has its cost as exact decimal text.
"""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
from litestar import get

from keyhouse.admin.door import Visit, actor_of
from keyhouse.admin.office import TheOffice
from keyhouse.admin.policy import ROOT
from keyhouse.admin.queries import Query, query_of
from keyhouse.admin.shapes import Json
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.money import NANO_PER_USD, format_usd
from keyhouse.core.rollup import HOUR_MS, MINUTE_MS
from keyhouse.reporting.usage import DAY_MS, INSTANT_MAX_MS, Bucket, UsageQuery, UsageRow, buckets


class Width(msgspec.Struct, frozen=True):
    """A width of buckets, how many of them a page has, and how many it may have."""

    bucket: Bucket
    width_ms: int
    usual: int
    most: int


_WIDTHS: Final = {
    "1m": Width("minute", MINUTE_MS, 60, 1440),
    "1h": Width("hour", HOUR_MS, 24, 168),
    "1d": Width("day", DAY_MS, 7, 31),
}
_COST_WIDTHS: Final = {"1d": Width("day", DAY_MS, 7, 180)}

_USAGE_GROUPS: Final = ("project_id", "user_id", "api_key_id", "model", "batch", "service_tier", "api_source")
_COST_GROUPS: Final = ("project_id", "user_id", "api_key_id", "model", "line_item", "api_source")
_KEPT: Final = {"project_id": "project_id", "user_id": "user_id", "api_key_id": "api_key_id", "model": "model"}
"""The groups that the rollups know, and by which of theirs. All others have one value here."""

_COST_KEPT: Final = _KEPT | {"line_item": "model"}
_CONSTANT: Final[Json] = {"batch": False, "service_tier": None, "api_source": "unlabeled"}

COMPLETIONS: Final = ("/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/messages")
"""The endpoints whose usage OpenAI calls completions."""


@get(f"{ROOT}/usage/completions")
async def show_completions(request: Visit, office: TheOffice) -> Json:
    """Tokens and requests by bucket."""
    query = query_of(request)
    groups = query.choices("group_by", _USAGE_GROUPS)
    asked = _Asked(query, _WIDTHS, groups, _KEPT, actor_of(request).organization_id, office.clock.now_ms())
    # Nothing here is a batch: asked for batches only, the answer is that there are none.
    found = [] if query.boolean("batch") else await office.usage_questions.rows(asked.question(COMPLETIONS))
    return asked.page(found, _usage_result)


@get(f"{ROOT}/costs")
async def show_costs(request: Visit, office: TheOffice) -> Json:
    """Money by day."""
    query = query_of(request)
    groups = query.choices("group_by", _COST_GROUPS)
    asked = _Asked(query, _COST_WIDTHS, groups, _COST_KEPT, actor_of(request).organization_id, office.clock.now_ms())
    return asked.page(await office.usage_questions.rows(asked.question(())), _cost_result)


class _Asked:
    """One page of buckets as it was asked for, and as it is answered."""

    def __init__(
        self,
        query: Query,
        widths: dict[str, Width],
        groups: tuple[str, ...],
        kept: dict[str, str],
        organization_id: str,
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
        self._kept = [(group, kept[group]) for group in groups if group in kept]
        self._organization_id = organization_id
        self._query = query

    def question(self, endpoints: tuple[str, ...]) -> UsageQuery:
        """What to ask the rollups."""
        models = (*self._query.many("models"), *self._query.many("line_items"))
        return UsageQuery(
            organization_id=self._organization_id,
            start_ms=self._first_ms,
            end_ms=max(self._first_ms, self.page_end_ms),
            bucket=self._width.bucket,
            group_by=tuple(dict.fromkeys(column for _, column in self._kept)),
            project_ids=self._query.many("project_ids"),
            user_ids=self._query.many("user_ids"),
            api_key_ids=self._query.many("api_key_ids"),
            models=models,
            endpoints=endpoints,
        )

    def page(self, rows: Sequence[UsageRow], result: Callable[[UsageRow, Json], Json]) -> Json:
        """The answer: every bucket of the page, each with a result for each of its groups."""
        columns = list(dict.fromkeys(column for _, column in self._kept))
        results: dict[int, list[Json]] = {start_ms: [] for start_ms, _ in self.buckets}
        for row in rows:
            values = dict(zip(columns, row.group, strict=True))
            group = {name: values[column] for name, column in self._kept}
            group |= {name: _CONSTANT[name] for name in self._groups if name in _CONSTANT}
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


def _usage_result(row: UsageRow, group: Json) -> Json:
    uncached = row.input_tokens - row.cached_input_tokens - row.cache_write_tokens
    nobody: dict[str, Any] = dict.fromkeys(_USAGE_GROUPS)
    return {
        "object": "organization.usage.completions.result",
        "input_tokens": row.input_tokens,
        "output_tokens": row.output_tokens,
        "num_model_requests": row.requests,
        "input_cached_tokens": row.cached_input_tokens,
        "input_cache_write_tokens": row.cache_write_tokens,
        "input_uncached_tokens": uncached,
        "input_text_tokens": uncached,
        "input_cached_text_tokens": row.cached_input_tokens,
        "output_text_tokens": row.output_tokens,
        **dict.fromkeys(_OTHER_MODALITIES, 0),
        **(nobody | group),
        "output_reasoning_tokens": row.reasoning_tokens,
        "num_failed_requests": row.errors,
        "cost": _money(row),
    }


_OTHER_MODALITIES: Final = (
    "input_audio_tokens",
    "input_cached_audio_tokens",
    "output_audio_tokens",
    "input_image_tokens",
    "input_cached_image_tokens",
    "output_image_tokens",
)
"""What OpenAI tells apart and Keyhouse does not yet: all of it counts as text."""


def _cost_result(row: UsageRow, group: Json) -> Json:
    nobody: dict[str, Any] = dict.fromkeys(_COST_GROUPS)
    by_item = "line_item" in group
    return {
        "object": "organization.costs.result",
        "amount": _money(row),
        **(nobody | group),
        "quantity": float(row.input_tokens + row.output_tokens) if by_item else None,
        "quantity_unit": "tokens" if by_item else None,
        "num_unpriced_requests": row.unpriced_requests,
    }


def _money(row: UsageRow) -> Json:
    """Dollars as OpenAI gives them, a float, and as exact text beside it."""
    nano = row.cost_nano_usd
    return {"value": nano / NANO_PER_USD, "currency": "usd", "decimal": format_usd(nano)}


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
