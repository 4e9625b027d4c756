"""`/settings/models`: what models there are, who serves them, in which order, and what they cost."""

from collections.abc import Collection
from http import HTTPStatus
from typing import Any, Final

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect
from litestar.status_codes import HTTP_303_SEE_OTHER

from keyhouse.console import wording
from keyhouse.console.doorway import Visit, actor_of, read_form, session_of
from keyhouse.console.key_form import FaultsError
from keyhouse.console.model_form import MAXIMA, PRICES, Typed, read_typed, rows_shown, typed_of, written_of
from keyhouse.console.pages import pages_of
from keyhouse.console.settings import settings_page
from keyhouse.control.authority import Task
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.money import Price
from keyhouse.core.written import WrittenModel
from keyhouse.reporting.catalog import KnownModel, ServedAt

HERE: Final = "/settings/models"
_PICO_PER_NANO: Final = 1_000
_MILLION: Final = 1_000_000


class ServedLine(msgspec.Struct, frozen=True):
    """A model at one of its upstreams. `source` says where its price is from."""

    upstream: str
    there: str
    order: str
    input: str
    cached: str
    output: str
    others: str
    source: str
    is_cooling: bool


class ModelLine(msgspec.Struct, frozen=True):
    """A model as some lines of the list. `id` is empty for one that nobody wrote down, such as the built-in demo."""

    id: str
    name: str
    source: str
    note: str
    served: tuple[ServedLine, ...]
    may_change: bool


def price_words(price: Price | None) -> tuple[str, str, str, str]:
    """Input, cached input and output per million tokens, and what else costs something."""
    if price is None:
        return "", "", "", ""
    rate = price.rates[0] if price.rates else None
    tokens = [per_million(each) for each in (rate.input, rate.cached_input, rate.output)] if rate else ["", "", ""]
    others = [
        f"{wording.money(amount // _PICO_PER_NANO)} {what}"
        for amount, what in (
            (price.image, "an image"),
            (price.audio_second * 60, "a minute of audio"),
            (price.character * _MILLION, "a million characters"),
            (price.request, "a request"),
        )
        if amount
    ]
    if len(price.rates) > 1:
        others.append(f"{wording.plural(len(price.rates) - 1, 'other rate')} by tier or length")
    return tokens[0], tokens[1], tokens[2], ", ".join(others)


def per_million(pico: int) -> str:
    """What a million tokens cost, whose one costs so many pico-USD: never in exponents."""
    return wording.budget(pico * _MILLION // _PICO_PER_NANO)


def _served_line(one: ServedAt, written: WrittenModel | None, cooling: Collection[str]) -> ServedLine:
    tokens_in, cached, tokens_out, others = price_words(one.price)
    own = [] if written is None else [each for each in written.served() if each.name == one.upstream]
    if written is None:
        source = "built in"
    elif own and own[0].has_prices():
        source = "set by you"
    else:
        source = "known price" if one.price is not None else "not known"
    return ServedLine(
        upstream=one.upstream,
        there=one.upstream_model,
        order=f"{one.rank}" + (f", weight {one.weight}" if one.weight != 1 else ""),
        input=tokens_in,
        cached=cached,
        output=tokens_out,
        others=others,
        source=source,
        is_cooling=one.upstream in cooling,
    )


@get("/settings/models")
async def show_models(request: Visit) -> Response[Any]:
    """Every model."""
    return await models_page(request, overlay=None)


async def models_page(
    request: Visit, *, overlay: str | None, status: int = HTTPStatus.OK, **words: Any
) -> Response[Any]:
    """The list, and a sheet or a dialog on it if there is one."""
    pages, session = pages_of(request), session_of(request)
    desk = pages.desk
    served, cooling = desk.catalog.served(), desk.catalog.cooling()
    known = await desk.catalog.questions.models(session.organization_id)
    lines = [_line(one, served.get(one.written.name, ()), cooling) for one in known]
    written = {one.written.name for one in known}
    lines += [
        ModelLine("", name, "built in", "", tuple(_served_line(one, None, ()) for one in at), may_change=False)
        for name, at in served.items()
        if name not in written
    ]
    return await settings_page(
        request,
        "settings/models.html",
        HERE,
        overlay=overlay,
        status=status,
        models=lines,
        may_edit=pages.may(session, Task.UPSTREAMS),
        has_upstreams=bool(await desk.catalog.questions.upstreams(session.organization_id)),
        **words,
    )


def _line(found: KnownModel, at: tuple[ServedAt, ...], cooling: Collection[str]) -> ModelLine:
    note = ""
    if found.is_shadowed:
        note = "not used: the configuration has one of its name"
    elif not at:
        note = "not served: none of its upstreams is there"
    shown = () if found.is_shadowed else at
    return ModelLine(
        id=found.id,
        name=found.written.name,
        source="configuration" if found.is_configured else "added here",
        note=note,
        served=tuple(_served_line(one, found.written, cooling) for one in shown),
        may_change=not found.is_configured,
    )


@get("/settings/models/new")
async def show_new_model(request: Visit) -> Response[Any]:
    """The sheet of a new model."""
    return await _sheet(request, None, Typed(), {}, HTTPStatus.OK)


@post("/settings/models")
async def create_model(request: Visit) -> Response[Any]:
    """Add a model, served by every gateway at once."""
    typed = read_typed(await read_form(request))
    try:
        await pages_of(request).desk.catalog.models.create(actor_of(request), written_of(typed, None))
    except FaultsError as wrong:
        return await _sheet(request, None, typed, wrong.faults, HTTPStatus.UNPROCESSABLE_ENTITY)
    except Refusal as refusal:
        return await _refused(request, None, typed, refusal)
    return _done()


@get("/settings/models/{model_id:str}/edit")
async def show_edit_model(request: Visit, model_id: FromPath[str]) -> Response[Any]:
    """The sheet, as the model is now."""
    found = await _added(request, model_id)
    return await _sheet(request, found, typed_of(found.written), {}, HTTPStatus.OK)


@post("/settings/models/{model_id:str}/edit")
async def edit_model(request: Visit, model_id: FromPath[str]) -> Response[Any]:
    """Change a model; calls that run keep the price that they were reserved at."""
    found = await _added(request, model_id)
    typed = msgspec.structs.replace(read_typed(await read_form(request)), name=found.written.name)
    try:
        written_of(typed, found.written)
        await pages_of(request).desk.catalog.models.update(
            actor_of(request), model_id, lambda before: written_of(typed, before)
        )
    except FaultsError as wrong:
        return await _sheet(request, found, typed, wrong.faults, HTTPStatus.UNPROCESSABLE_ENTITY)
    except Refusal as refusal:
        return await _refused(request, found, typed, refusal)
    return _done()


@get("/settings/models/{model_id:str}/delete")
async def show_delete_model(request: Visit, model_id: FromPath[str]) -> Response[Any]:
    """The question whether to remove a model."""
    return await models_page(request, overlay="settings/delete_model.html", found=await _added(request, model_id))


@post("/settings/models/{model_id:str}/delete")
async def delete_model(request: Visit, model_id: FromPath[str]) -> Response[Any]:
    """Remove a model: its name is not served any more."""
    await _added(request, model_id)
    await pages_of(request).desk.catalog.models.delete(actor_of(request), model_id)
    return _done()


async def _added(request: Visit, model_id: str) -> KnownModel:
    """A model that was added here; raises Refusal(NOT_FOUND, CONFLICT) for what is in the configuration."""
    found = await pages_of(request).desk.catalog.questions.model(session_of(request).organization_id, model_id)
    if found.is_configured:
        raise Refusal(
            Code.CONFLICT,
            f"The model {found.written.name} is in the configuration, and is changed there.",
            hint="Change keyhouse.toml or the environment, and restart.",
        )
    return found


async def _refused(request: Visit, found: KnownModel | None, typed: Typed, refusal: Refusal) -> Response[Any]:
    if refusal.code not in (Code.PARAMETER_INVALID, Code.CONFLICT):
        raise refusal
    fields = {"name", *(name for name, *_ in (*PRICES, *MAXIMA))}
    field = refusal.param if refusal.param in fields else "served"
    return await _sheet(request, found, typed, {field: refusal.text}, HTTPStatus.UNPROCESSABLE_ENTITY)


async def _sheet(
    request: Visit, found: KnownModel | None, typed: Typed, faults: dict[str, str], status: int
) -> Response[Any]:
    upstreams = await pages_of(request).desk.catalog.questions.upstreams(session_of(request).organization_id)
    return await models_page(
        request,
        overlay="settings/model.html",
        status=status,
        found=found,
        typed=typed,
        rows=rows_shown(typed),
        faults=faults,
        upstreams=[one.written.name for one in upstreams if not one.is_shadowed],
        prices=PRICES,
        maxima=MAXIMA,
    )


def _done() -> Response[Any]:
    return Redirect(HERE, status_code=HTTP_303_SEE_OTHER)
