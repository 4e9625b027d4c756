"""`keyhouse usage` and `keyhouse costs`: what was used, and what it cost."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from operator import itemgetter
from typing import Annotated, Any, Final

from cyclopts import Parameter

from keyhouse.cli import forms, lookup
from keyhouse.cli.client import Client, Json
from keyhouse.cli.lookup import ProjectOption
from keyhouse.cli.talk import AsJson, Exit, Failure, moment, show_json, show_table
from keyhouse.core.money import format_usd, parse_usd

_GROUPS: Final = {"key": "api_key_id", "model": "model", "project": "project_id", "user": "user_id"}
_HEADERS: Final = {"api_key_id": "KEY", "model": "MODEL", "project_id": "PROJECT", "user_id": "USER"}
_PAGE_MOST: Final = {"1m": 1440, "1h": 168, "1d": 31}
_COSTS_PAGE_MOST: Final = 180

_MEASURES: Final = {
    "completions": {
        "INPUT": "input_tokens",
        "CACHED": "input_cached_tokens",
        "OUTPUT": "output_tokens",
    },
    "embeddings": {"INPUT": "input_tokens"},
    "moderations": {"INPUT": "input_tokens"},
    "images": {"IMAGES": "images"},
    "audio_speeches": {"CHARACTERS": "characters"},
    "audio_transcriptions": {"SECONDS": "seconds"},
}
"""The kinds of usage that Keyhouse counts, and what each is measured in, besides requests and money."""

Since = Annotated[str, Parameter(help="From when on: a date, or so long ago, such as 7d.")]
Until = Annotated[str | None, Parameter(help="Up to when: a date; without it, now.")]
By = Annotated[
    tuple[str, ...], Parameter(show_default=False, help="Group by key, model, project or user; repeat it for more.")
]
Key = Annotated[tuple[str, ...], Parameter(name="--key", show_default=False, help="Only this key, by its id.")]
Model = Annotated[tuple[str, ...], Parameter(name="--model", show_default=False, help="Only this model.")]
User = Annotated[tuple[str, ...], Parameter(name="--user", show_default=False, help="Only this user, by the id.")]


def usage(
    kind: Annotated[str, Parameter(help=f"Of what: {', '.join(_MEASURES)}.")] = "completions",
    /,
    *,
    since: Since = "7d",
    until: Until = None,
    bucket: Annotated[str, Parameter(help="How wide a row is: 1m, 1h or 1d.")] = "1d",
    by: By = (),
    project: ProjectOption = None,
    keys: Key = (),
    models: Model = (),
    users: User = (),
    json: AsJson = False,
) -> None:
    """Show requests, tokens and cost over time, in UTC."""
    if kind not in _MEASURES:
        raise Failure(f"expected {', '.join(_MEASURES)}, not {kind!r}.", Exit.USAGE)
    if bucket not in _PAGE_MOST:
        raise Failure(f"--bucket: expected 1m, 1h or 1d, not {bucket!r}.", Exit.USAGE)
    client = Client()
    query = _query(client, since, until, by, project, keys, models, users)
    query |= {"bucket_width": bucket, "limit": _PAGE_MOST[bucket]}
    _show(client, f"/usage/{kind}", query, _usage_columns(kind), as_json=json)


def costs(
    *,
    since: Since = "30d",
    until: Until = None,
    by: By = (),
    project: ProjectOption = None,
    keys: Key = (),
    models: Model = (),
    users: User = (),
    json: AsJson = False,
) -> None:
    """Show cost by day, in UTC."""
    client = Client()
    query = _query(client, since, until, by, project, keys, models, users)
    _show(client, "/costs", query | {"limit": _COSTS_PAGE_MOST}, _COSTS, as_json=json)


# What a row shows of a result; dollars are nano-USD until they are shown, so that totals are exact.
def _usage_columns(kind: str) -> dict[str, Callable[[Json], int]]:
    fields = {"REQUESTS": "num_model_requests", "FAILED": "num_failed_requests"} | _MEASURES[kind]
    columns: dict[str, Callable[[Json], int]] = {header: itemgetter(field) for header, field in fields.items()}
    return columns | {"USD": lambda result: parse_usd(result["cost"]["decimal"])}


_COSTS: Final[dict[str, Callable[[Json], int]]] = {
    "USD": lambda result: parse_usd(result["amount"]["decimal"]),
    "UNPRICED": lambda result: result["num_unpriced_requests"],
}


def _query(
    client: Client,
    since: str,
    until: str | None,
    by: Sequence[str],
    project: str | None,
    keys: Sequence[str],
    models: Sequence[str],
    users: Sequence[str],
) -> dict[str, Any]:
    unknown = [name for name in by if name not in _GROUPS]
    if unknown:
        raise Failure(f"--by: expected {', '.join(_GROUPS)}, not {unknown[0]!r}.", Exit.USAGE)
    now = datetime.now(UTC)
    query: dict[str, Any] = {"start_time": forms.instant(since, "--since", now, direction=-1)}
    if until is not None:
        query["end_time"] = forms.instant(until, "--until", now, direction=-1)
    filters = {
        "group_by": [_GROUPS[name] for name in by],
        "project_ids": [lookup.project(client, project)] if project else [],
        "api_key_ids": list(keys),
        "models": list(models),
        "user_ids": list(users),
    }
    return query | {name: values for name, values in filters.items() if values}


def _show(
    client: Client, path: str, query: dict[str, Any], columns: dict[str, Callable[[Json], int]], *, as_json: bool
) -> None:
    buckets: list[Json] = []
    while True:
        page = client.get(path, query)
        buckets += page["data"]
        if not page["has_more"]:
            break
        query["page"] = page["next_page"]
    if as_json:
        show_json({"object": "page", "data": buckets, "has_more": False, "next_page": None})
        return
    groups: list[str] = query.get("group_by", [])
    rows: list[list[object]] = []
    totals = dict.fromkeys(columns, 0)
    for bucket in buckets:
        for result in bucket["results"]:
            values = {header: read(result) for header, read in columns.items()}
            totals = {header: totals[header] + value for header, value in values.items()}
            rows.append([moment(bucket["start_time"]), *(result[group] for group in groups), *_shown(values)])
    rows.append(["TOTAL", *("" for _ in groups), *_shown(totals)])
    headers = ("FROM", *(_HEADERS[group] for group in groups), *columns)
    show_table(headers, rows, numbers=tuple(columns))


def _shown(values: dict[str, int]) -> list[str]:
    return [format_usd(value) if header == "USD" else str(value) for header, value in values.items()]
