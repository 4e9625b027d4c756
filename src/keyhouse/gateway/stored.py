"""Responses that an upstream keeps: read back, deleted, cancelled.

Each is asked of the upstream that holds it, and only for the project that made it. It costs nothing, so no reservation
reads the key again: it is read anew instead.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final
from urllib.parse import parse_qsl, urlencode

import msgspec

from keyhouse.core.errors import Code, Refusal
from keyhouse.core.money import Counts
from keyhouse.core.permissions import Access, Resource
from keyhouse.gateway.answer import Answer
from keyhouse.gateway.authenticate import require_permission
from keyhouse.gateway.house import House, identify
from keyhouse.gateway.passing import UNBUFFERED, Pump, headers_of, is_stream, pass_free
from keyhouse.gateway.request import Request
from keyhouse.gateway.routing import Upstream
from keyhouse.wire.headers import DOWNWARDS
from keyhouse.wire.responses_meter import RESPONSE, ResponsesMeter

RESPONSES_PATH: Final = "/v1/responses/"
QUERY_FIELDS_MAX: Final = 50


class Verb(msgspec.Struct, frozen=True):
    """What can be asked of a kept response, and which parameters of the query go up with it."""

    method: str
    access: Access
    query: frozenset[str] = frozenset()
    forgets: bool = False


VERBS: Final = {
    "": (
        Verb(
            "GET",
            Access.READ,
            frozenset({"include", "include[]", "include_obfuscation", "starting_after", "stream"}),
        ),
        Verb("DELETE", Access.WRITE, forgets=True),
    ),
    "cancel": (Verb("POST", Access.WRITE),),
    "input_items": (Verb("GET", Access.READ, frozenset({"after", "include", "include[]", "limit", "order"})),),
}


def find_verb(path: str, method: str) -> Callable[[Request, House], Awaitable[None]]:
    """What serves a path below `/v1/responses/`. Raises Refusal for an unknown address or a wrong method."""
    object_id, _, tail = path.removeprefix(RESPONSES_PATH).partition("/")
    verbs = VERBS.get(tail)
    if verbs is None or not object_id or path.endswith("/"):
        raise Refusal(
            Code.ENDPOINT_UNKNOWN,
            f"Invalid URL ({method} {path[:200]}).",
            hint=f"Below {RESPONSES_PATH} there are {{id}}, {{id}}/cancel and {{id}}/input_items.",
        )
    for verb in verbs:
        if verb.method == method:
            return partial(serve_kept, verb=verb, object_id=object_id, tail=tail)
    allowed = ", ".join(verb.method for verb in verbs)
    raise Refusal(
        Code.METHOD_NOT_ALLOWED,
        f"{method} is not allowed on {path[:200]}.",
        hint=f"Use {allowed}.",
        facts={"allow": allowed},
    )


async def serve_kept(request: Request, house: House, *, verb: Verb, object_id: str, tail: str) -> None:
    """Ask the upstream that keeps this response, and pass on what it says."""
    credential = await identify(request, house, anew=True)
    require_permission(credential, Resource.RESPONSES, verb.access)
    # From here on the id has the shape of one: it was found in the books.
    found = await house.objects.get(credential, RESPONSE, object_id)
    upstream = house.routing.find_upstream(found.upstream)
    if upstream is None or upstream.is_demo:
        raise Refusal(
            Code.NOT_FOUND,
            f"Response with id '{object_id}' not found.",
            hint=f"The upstream {found.upstream} that keeps it is not configured any more.",
            param="id",
        )
    request.upstream = upstream.name
    target = f"/responses/{found.id}" + (f"/{tail}" if tail else "") + written_query(request.query, verb.query)
    async with house.client.ask(upstream, verb.method, target, request.request_id) as answer:
        if verb.forgets and (200 <= answer.status < 300 or answer.status == 404):
            await house.objects.forget(credential, found)
        await _pass(request, answer, upstream)


def written_query(given: bytes, names: frozenset[str]) -> str:
    """The parameters that may go up, written anew; those that are not on the list stay behind."""
    if not given or not names:
        return ""
    try:
        pairs = parse_qsl(given.decode("latin-1"), keep_blank_values=True, max_num_fields=QUERY_FIELDS_MAX)
    except ValueError:
        raise Refusal(
            Code.PARAMETER_INVALID,
            "The query cannot be read.",
            hint=f"Send at most {QUERY_FIELDS_MAX} parameters.",
        ) from None
    passing = [(name, value) for name, value in pairs if name in names]
    return "?" + urlencode(passing) if passing else ""


async def _pass(request: Request, answer: Answer, upstream: Upstream) -> None:
    """Pass on what an upstream says of a response; a kept stream can be read again as a stream."""
    if 200 <= answer.status < 300 and is_stream(answer):
        await _pass_stream(request, answer, upstream)
    else:
        await pass_free(request, answer, upstream)


async def _pass_stream(request: Request, answer: Answer, upstream: Upstream) -> None:
    meter = ResponsesMeter(wants_usage=True, most=Counts(), secret=upstream.secret)
    request.is_streamed = True
    headers = headers_of(request, answer, DOWNWARDS, b"text/event-stream")
    headers += UNBUFFERED
    await request.start(answer.status, headers)
    failure = await Pump(request, answer, meter, upstream, lambda: _first_byte(request)).run()
    rest = meter.end()
    if failure is not None:
        await request.break_off(failure, meter.broken_off(failure, request.request_id))
    else:
        await request.end(rest)


def _first_byte(request: Request) -> None:
    if request.first_byte_ms is None:
        request.first_byte_ms = request.elapsed_ms
