"""How a row of the table in `passed.py` is served: whose it is, what it names, where it is kept, and what was made."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from keyhouse.core.bound import Need
from keyhouse.core.call import Basis
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.key import Credential
from keyhouse.core.money import Counts
from keyhouse.gateway.answer import Answer
from keyhouse.gateway.authenticate import require_permission
from keyhouse.gateway.house import House, identify, opening_of
from keyhouse.gateway.listing import list_own
from keyhouse.gateway.objects import is_object_id
from keyhouse.gateway.passed import Passed
from keyhouse.gateway.passing import Made, pass_free, pass_pieces
from keyhouse.gateway.request import Request
from keyhouse.gateway.routing import Upstream
from keyhouse.gateway.stored import written_query
from keyhouse.store.objects import Object
from keyhouse.wire.form import FormReader, Upload, not_a_form
from keyhouse.wire.references import references_in


async def serve_passed(request: Request, house: House, *, passed: Passed, ids: list[str]) -> None:
    """Serve one request for what an upstream keeps."""
    credential = await identify(request, house, anew=True)
    require_permission(credential, passed.resource, passed.access)
    if passed.lists is not None:
        await list_own(request, house, credential, kind=passed.lists, path=passed.path)
        return
    found = await _own(house, credential, passed, ids)
    body, references = await _read(request, house, passed)
    upstream = await _keeper(house, credential, found, references)
    request.upstream = upstream.name
    path = passed.path
    for object_id in ids:
        start, _, rest = path.partition("{")
        path = start + object_id + rest.partition("}")[2]
    async with (
        _paid(request, house, credential, passed, upstream),
        _asked(request, house, passed, upstream, path, body) as answer,
    ):
        is_fine = 200 <= answer.status < 300
        if passed.forgets and found is not None and (is_fine or answer.status == 404):
            await house.objects.forget(credential, found)
        if passed.in_pieces and is_fine:
            await pass_pieces(request, answer, upstream)
            return

        async def note(content: bytes) -> None:
            made = _made(content, passed)
            if made and not await house.objects.keep(credential, upstream.name, made):
                raise Refusal(
                    Code.LEDGER_UNAVAILABLE, "What was made could not be noted.", hint="Try again in a moment."
                )

        await pass_free(request, answer, upstream, note)


async def _read(request: Request, house: House, passed: Passed) -> tuple[bytes | Upload, list[tuple[str, str]]]:
    """The body to send on, written anew, and the objects it names."""
    if passed.method != "POST":
        return b"", []
    kind = request.form_type() if passed.takes_form else None
    if kind is not None:
        reader = FormReader(kind, house.entropy(16).hex())
        await request.feed(reader.feed, house.upload_bytes_max, house.upload_seconds_max)
        form = reader.end()
        named = {part.name: form.text(part.name) for part in form.parts if part.filename is None}
        return form.written({}), list(references_in(named))
    content = await request.body(house.body_bytes_max, house.body_seconds_max)
    if passed.takes_form and not content.startswith(b"{"):
        raise not_a_form("its content-type is not multipart/form-data")
    if not content:
        return b"", []
    try:
        fields = msgspec.json.decode(content, type=dict[str, object])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refusal(
            Code.BODY_NOT_JSON,
            f"We could not parse the JSON body of your request: {error}.",
            hint="The API expects a JSON object, as UTF-8, with `content-type: application/json`.",
        ) from None
    return msgspec.json.encode(fields), list(references_in(fields))


async def _own(house: House, credential: Credential, passed: Passed, ids: list[str]) -> Object | None:
    """The project's object that the path begins with, if there is one. Raises Refusal."""
    if not ids:
        return None
    kind = passed.path.partition("{")[2].partition("}")[0]
    found = await house.objects.get(credential, kind, ids[0])
    for object_id in ids[1:]:
        if not is_object_id(object_id):
            raise Refusal(Code.NOT_FOUND, f"There is no {object_id[:200]!r} here.", hint="Look at its list.")
    return found


async def _keeper(
    house: House, credential: Credential, found: Object | None, references: list[tuple[str, str]]
) -> Upstream:
    """The upstream that keeps what a request names, all of it the project's; where it names nothing, the first."""
    name = found.upstream if found is not None else None
    if references:
        name = await house.objects.keeper(credential, references, name)
    upstream = house.routing.home if name is None else house.routing.find_upstream(name)
    if upstream is None or upstream.is_demo:
        raise Refusal(
            Code.NOT_FOUND,
            "No upstream is configured that keeps this.",
            hint="An administrator connects one; the demo keeps nothing.",
        )
    return upstream


def _made(content: bytes, passed: Passed) -> Made:
    """What an answer says was made, by kind and id."""
    if passed.makes is None and not passed.also:
        return []
    try:
        answer = msgspec.json.decode(content, type=dict[str, object])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return []
    made = []
    for field, kind in (("id", passed.makes), *passed.also):
        value = answer.get(field)
        value = value.get("id") if isinstance(value, dict) else value
        if kind is not None and isinstance(value, str):
            made.append((kind, value))
    return made


@asynccontextmanager
async def _asked(
    request: Request, house: House, passed: Passed, upstream: Upstream, path: str, body: bytes | Upload
) -> AsyncIterator[Answer]:
    request_id = request.call_id or request.request_id
    if body:
        asking = house.client.forward(upstream, path, body, request_id)
    else:
        target = path + written_query(request.query, passed.query)
        asking = house.client.ask(upstream, passed.method, target, request_id)
    async with asking as answer:
        yield answer


@asynccontextmanager
async def _paid(
    request: Request, house: House, credential: Credential, passed: Passed, upstream: Upstream
) -> AsyncIterator[None]:
    """A call in the books around what costs something; nothing around what does not."""
    if not passed.costs:
        yield
        return
    feature = passed.path.split("/")[1]
    opening = opening_of(request, credential, house, model=feature, upstream=upstream.name, price_id=None)
    opening = msgspec.structs.replace(opening, endpoint=f"/v1{passed.path}")
    async with house.ledger.hold(opening, _UNBOUNDED) as hold:
        hold.sent()
        yield
        if 200 <= request.status < 300:
            hold.settle(Counts(), status=request.status, basis=Basis.COUNTED, flags="unpriced")
        else:
            hold.release(status=request.status)


_UNBOUNDED = Need(
    input_tokens=0,
    input_tokens_estimate=0,
    output_tokens_max=0,
    output_tokens_requested=0,
    choices=1,
    base_pico=None,
    output_token_pico=0,
    output_is_bounded=True,
    unbounded="what is kept",
)
