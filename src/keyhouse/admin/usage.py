"""`/usage/...` and `/costs`: what was used and what it cost, read from the rollups and never from the calls.

Each kind of usage is one row of a table: the endpoints that count for it, what it can be grouped by, and what of a
rollup it shows. Kinds that Keyhouse does not count are answered with empty buckets. Beyond OpenAI's fields, costs can
be grouped and filtered by model and user, and every result has its cost as exact decimal text.
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec
from litestar import get

from keyhouse.admin.buckets import COST_WIDTHS, SOURCES, WIDTHS, BucketPage
from keyhouse.admin.door import Visit, actor_of
from keyhouse.admin.office import Office, TheOffice
from keyhouse.admin.policy import ROOT
from keyhouse.admin.queries import Query, query_of
from keyhouse.admin.shapes import Json
from keyhouse.core.money import NANO_PER_USD, format_usd
from keyhouse.reporting.usage import UsageRow

_PEOPLE: Final = ("project_id", "user_id", "api_key_id")
_CALLS: Final = (*_PEOPLE, "model")
_COST_GROUPS: Final = (*_CALLS, "line_item", "api_source")


class Kind(msgspec.Struct, frozen=True):
    """One kind of usage, as OpenAI tells them apart. Without endpoints nothing here is counted as it.

    `shown` are the sums of a rollup by the names OpenAI has for them. `unknown` are filters by what the rollups do not
    keep: asked for anything of it, the answer is that there is none.
    """

    path: str
    object: str
    endpoints: tuple[str, ...] = ()
    groups: tuple[str, ...] = _CALLS
    shown: Callable[[UsageRow], Json] = lambda row: {"input_tokens": row.input_tokens}
    unknown: tuple[str, ...] = ()


def _completions(row: UsageRow) -> Json:
    uncached = row.input_tokens - row.cached_input_tokens - row.cache_write_tokens
    return {
        "input_tokens": row.input_tokens,
        "output_tokens": row.output_tokens,
        "input_cached_tokens": row.cached_input_tokens,
        "input_cache_write_tokens": row.cache_write_tokens,
        "input_uncached_tokens": uncached,
        "input_text_tokens": uncached - row.audio_input_tokens,
        "input_audio_tokens": row.audio_input_tokens,
        "input_cached_text_tokens": row.cached_input_tokens,
        "output_text_tokens": row.output_tokens - row.audio_output_tokens,
        "output_audio_tokens": row.audio_output_tokens,
        **dict.fromkeys(_AS_TEXT, 0),
        "output_reasoning_tokens": row.reasoning_tokens,
    }


_AS_TEXT: Final = (
    "input_cached_audio_tokens",
    "input_image_tokens",
    "input_cached_image_tokens",
    "output_image_tokens",
)
"""What OpenAI tells apart and the rollups do not: it counts as text."""

COMPLETIONS: Final = Kind(
    "completions",
    "completions",
    ("/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/responses/compact", "/v1/messages"),
    (*_CALLS, "batch", "service_tier", "api_source"),
    _completions,
)
KINDS: Final = (
    COMPLETIONS,
    Kind("embeddings", "embeddings", ("/v1/embeddings",)),
    Kind("moderations", "moderations", ("/v1/moderations",)),
    Kind(
        "images",
        "images",
        tuple(SOURCES),
        (*_CALLS, "size", "source"),
        lambda row: {"images": row.images},
        unknown=("sizes",),
    ),
    Kind(
        "audio_speeches",
        "audio_speeches",
        ("/v1/audio/speech",),
        shown=lambda row: {"characters": row.characters},
    ),
    Kind(
        "audio_transcriptions",
        "audio_transcriptions",
        ("/v1/audio/transcriptions", "/v1/audio/translations"),
        shown=lambda row: {"seconds": row.audio_seconds},
    ),
    Kind("decisions", "decisions", groups=COMPLETIONS.groups),
    Kind("vector_stores", "vector_stores", groups=("project_id",)),
    Kind("code_interpreter_sessions", "code_interpreter_sessions", groups=("project_id",)),
    Kind("file_search_calls", "file_searches", groups=(*_PEOPLE, "vector_store_id")),
    Kind("web_search_calls", "web_searches", groups=(*_CALLS, "context_level", "api_source")),
)
"""Every kind of usage. An endpoint that costs anything counts for one of them."""


def _route(kind: Kind) -> Any:
    """The route of a kind of usage."""

    async def show(request: Visit, office: TheOffice) -> Json:
        return await _answer(request, office, kind)

    show.__name__ = f"show_{kind.path}"
    show.__doc__ = f"Usage of {kind.path.replace('_', ' ')} by bucket."
    return get(f"{ROOT}/usage/{kind.path}")(show)


async def _answer(request: Visit, office: Office, kind: Kind) -> Json:
    query = query_of(request)
    page = BucketPage(query, WIDTHS, kind.groups, actor_of(request), office.clock.now_ms())
    endpoints = _endpoints(query, kind)
    found = await office.usage_questions.rows(page.question(endpoints)) if endpoints else []

    def result(row: UsageRow, group: Json) -> Json:
        return {
            "object": f"organization.usage.{kind.object}.result",
            **kind.shown(row),
            "num_model_requests": row.requests,
            **group,
            "num_failed_requests": row.errors,
            "cost": _money(row),
        }

    return page.answer(found, result)


def _endpoints(query: Query, kind: Kind) -> tuple[str, ...]:
    """The endpoints whose usage is asked for; none where no call can be what is asked for."""
    # Nothing here is a batch: asked for batches only, the answer is that there are none.
    if query.boolean("batch") or any(query.many(name) for name in kind.unknown):
        return ()
    sources = query.choices("sources", tuple(SOURCES.values())) if "source" in kind.groups else ()
    return tuple(path for path in kind.endpoints if not sources or SOURCES[path] in sources)


@get(f"{ROOT}/costs")
async def show_costs(request: Visit, office: TheOffice) -> Json:
    """Money by day."""
    query = query_of(request)
    page = BucketPage(query, COST_WIDTHS, _COST_GROUPS, actor_of(request), office.clock.now_ms())
    return page.answer(await office.usage_questions.rows(page.question(())), _cost_result)


ROUTES: Final = (*map(_route, KINDS), show_costs)


def _cost_result(row: UsageRow, group: Json) -> Json:
    by_item = group["line_item"] is not None
    return {
        "object": "organization.costs.result",
        "amount": _money(row),
        **group,
        "quantity": float(row.input_tokens + row.output_tokens) if by_item else None,
        "quantity_unit": "tokens" if by_item else None,
        "num_unpriced_requests": row.unpriced_requests,
    }


def _money(row: UsageRow) -> Json:
    """Dollars as OpenAI gives them, a float, and as exact text beside it."""
    nano = row.cost_nano_usd
    return {"value": nano / NANO_PER_USD, "currency": "usd", "decimal": format_usd(nano)}
