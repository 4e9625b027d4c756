"""`/projects/{project_id}/rate_limits`: a record for each model, with the project's limits on it; list and update.

A record is no row of its own: it shows the limits on the project for its model, and setting one sets those. Where there
is none, the numbers that OpenAI's clients must find are `NO_LIMIT`; sending that, or null, takes a limit out of force.
"""

import base64
import re
from collections.abc import Iterable
from typing import Final

import msgspec
from litestar import get, post
from litestar.params import FromPath
from msgspec import UNSET, UnsetType

from keyhouse.admin import shapes
from keyhouse.admin.bodies import read
from keyhouse.admin.door import Visit, actor_of
from keyhouse.admin.office import Office, TheOffice
from keyhouse.admin.policy import ROOT
from keyhouse.admin.queries import query_of
from keyhouse.admin.shapes import Json
from keyhouse.control.rate_limits import RATES
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.limit import LimitState, ScopeType

NO_LIMIT: Final = 2**53 - 1
"""The largest whole number that every JSON reader keeps exactly."""

PAGE_DEFAULT: Final = 100
PAGE_MAX: Final = 1_000
"""More than other lists: OpenAI's Terraform provider asks for all of it at once."""

_ALWAYS: Final = frozenset({"max_requests_per_1_minute", "max_tokens_per_1_minute"})
_PLAIN: Final = re.compile(r"[A-Za-z0-9._:-]{1,200}", re.ASCII)
_LIMITS: Final = f"{ROOT}/projects/{{project_id:str}}/rate_limits"


class RateLimitFields(msgspec.Struct):
    """What to change of a record. What is left out stays."""

    max_requests_per_1_minute: int | UnsetType | None = UNSET
    max_tokens_per_1_minute: int | UnsetType | None = UNSET
    max_images_per_1_minute: int | UnsetType | None = UNSET
    max_audio_seconds_per_1_minute: int | UnsetType | None = UNSET
    max_requests_per_1_day: int | UnsetType | None = UNSET
    max_audio_megabytes_per_1_minute: int | UnsetType | None = UNSET
    batch_1_day_max_input_tokens: int | UnsetType | None = UNSET


@get(_LIMITS)
async def list_rate_limits(request: Visit, office: TheOffice, project_id: FromPath[str]) -> Json:
    """A record for each model, by name."""
    query = query_of(request)
    limit, after = query.integer("limit", 0, PAGE_MAX), query.text("after")
    records = await _records(request, office, project_id, () if after is None else _models_named(after))
    rows, has_more = shapes.page_around(
        records,
        lambda record: str(record["id"]),
        after,
        query.text("before"),
        PAGE_DEFAULT if limit is None else limit,
    )
    return shapes.page(rows, has_more=has_more)


@post(f"{_LIMITS}/{{rate_limit_id:str}}", status_code=200)
async def update_rate_limit(
    request: Visit, office: TheOffice, project_id: FromPath[str], rate_limit_id: FromPath[str]
) -> Json:
    """Set limits of a project on a model, all at once."""
    body = await read(request, RateLimitFields)
    record = _named(await _records(request, office, project_id), rate_limit_id)
    if body.max_audio_megabytes_per_1_minute is not UNSET or body.batch_1_day_max_input_tokens is not UNSET:
        raise _not_counted(body)
    amounts = {name: getattr(body, name) for name in RATES}
    wanted = {name: _amount(amount) for name, amount in amounts.items() if amount is not UNSET}
    if not wanted:
        raise Refusal(
            Code.PARAMETER_MISSING, "The body names nothing to change.", hint=f"Send one of {', '.join(RATES)}."
        )
    await office.rate_limits.update(actor_of(request), project_id, rate_limit_id, record["model"], wanted)
    return _named(await _records(request, office, project_id), rate_limit_id)


def rate_limit_id(model: str) -> str:
    """The id of a model's record: its name, or what stands for it where it does not fit into a path."""
    if _PLAIN.fullmatch(model) is not None:
        return f"rl-{model}"
    return "rl_" + base64.urlsafe_b64encode(model.encode()).decode().rstrip("=")


def _models_named(wanted: str) -> tuple[str, ...]:
    """The model whose record has this id, if there is such an id. It need not be there any more."""
    try:
        model = wanted[3:] if wanted[:3] == "rl-" else base64.urlsafe_b64decode(wanted[3:] + "==").decode()
    except ValueError:
        return ()
    return (model,) if rate_limit_id(model) == wanted else ()


async def _records(request: Visit, office: Office, project_id: str, marks: tuple[str, ...] = ()) -> list[Json]:
    """A record for each model that there is, that has a limit, or that is where a page goes on."""
    organization_id = actor_of(request).organization_id
    await office.project_questions.one(organization_id, project_id)
    found = await office.limit_questions.list(organization_id, ScopeType.PROJECT, project_id)
    limited = {state.limit.model for state in found if state.limit.model is not None}
    return [_record(model, found) for model in sorted({*office.models(), *limited, *marks})]


def _record(model: str, found: Iterable[LimitState]) -> Json:
    amounts = {
        (state.limit.unit, state.limit.window): state.limit.amount for state in found if state.limit.model == model
    }
    shown = {name: amounts.get(kind, NO_LIMIT if name in _ALWAYS else None) for name, kind in RATES.items()}
    return {"object": "project.rate_limit", "id": rate_limit_id(model), "model": model, **shown}


def _named(records: Iterable[Json], wanted: str) -> Json:
    for record in records:
        if record["id"] == wanted:
            return record
    raise Refusal(
        Code.NOT_FOUND,
        f"There is no rate limit {wanted[:60]} in this project.",
        hint="List the project's rate limits to see their ids: there is one for each model.",
    )


def _amount(amount: int | None) -> int | None:
    return None if amount is None or amount >= NO_LIMIT else amount


def _not_counted(body: RateLimitFields) -> Refusal:
    if body.max_audio_megabytes_per_1_minute is not UNSET:
        return Refusal(
            Code.PARAMETER_INVALID,
            "Keyhouse counts audio in seconds, and not in megabytes.",
            hint="Send max_audio_seconds_per_1_minute.",
            param="max_audio_megabytes_per_1_minute",
        )
    return Refusal(
        Code.PARAMETER_INVALID,
        "Keyhouse has no limit of its own on the tokens of batches.",
        hint="Limit the project's tokens by POST to /v1/organization/limits.",
        param="batch_1_day_max_input_tokens",
    )
