"""Every address of the gateway: method and path, and what serves it."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final
from urllib.parse import unquote

import msgspec

from keyhouse.core.errors import Code, Refusal
from keyhouse.core.permissions import Access, Resource
from keyhouse.gateway import anthropic, children, leaks, verification
from keyhouse.gateway.authenticate import require_model, require_permission
from keyhouse.gateway.batches import create_batch
from keyhouse.gateway.call import serve_call
from keyhouse.gateway.counting import COUNTING, count
from keyhouse.gateway.house import House, identify
from keyhouse.gateway.keeping import serve_passed
from keyhouse.gateway.metered import METERED
from keyhouse.gateway.passed import find_passed
from keyhouse.gateway.request import Request
from keyhouse.gateway.routing import Model
from keyhouse.gateway.stored import RESPONSES_PATH, find_verb
from keyhouse.wire.errors import OPENAI
from keyhouse.wire.messages_errors import ANTHROPIC

Serve = Callable[[Request, House], Awaitable[None]]

MODEL_PATH: Final = "/v1/models/"
BATCHES_PATH: Final = "/v1/batches"


async def list_models(request: Request, house: House) -> None:
    """`GET /v1/models`: those the key may use."""
    credential = await identify(request, house, anew=True)
    require_permission(credential, Resource.MODELS, Access.READ)
    models = house.routing.visible(credential)
    if request.dialect is ANTHROPIC:
        await request.answer_json(anthropic.listed(models))
        return
    await request.answer_json(msgspec.json.encode({"object": "list", "data": [_shown(model) for model in models]}))


async def retrieve_model(request: Request, house: House) -> None:
    """`GET /v1/models/{model}`, if the key may use it."""
    credential = await identify(request, house, anew=True)
    require_permission(credential, Resource.MODELS, Access.READ)
    name = request.path.removeprefix(MODEL_PATH)
    require_model(credential, name)
    show = anthropic.shown if request.dialect is ANTHROPIC else _shown
    await request.answer_json(msgspec.json.encode(show(house.routing.get(name))))


def _shown(model: Model) -> dict[str, object]:
    return {"id": model.name, "object": "model", "created": model.created_at_s, "owned_by": model.owned_by}


ENDPOINTS: Final[dict[str, tuple[str, Serve]]] = {
    **{f"/v1{metered.path}": ("POST", partial(serve_call, metered=metered)) for metered in METERED},
    **{f"/v1{counting.path}": ("POST", partial(count, counting=counting)) for counting in COUNTING},
    "/v1/models": ("GET", list_models),
    verification.PATH: ("POST", verification.verify),
    leaks.PATH: ("POST", leaks.take_report),
}
DIALECTS: Final = {
    f"/v1{endpoint.path}": endpoint.dialect for endpoint in (*METERED, *COUNTING) if endpoint.dialect is not OPENAI
}


def find(raw_path: bytes, request: Request) -> Serve:
    """What serves this request; raises Refusal for an unknown address or a wrong method.

    Decided on the path as it was sent; only a model's name, which is data, is decoded.
    """
    path = raw_path.decode("latin-1")
    endpoint = ENDPOINTS.get(path)
    request.dialect = DIALECTS.get(path, OPENAI)
    if request.method == "GET" and path.startswith("/v1/models") and request.values(b"anthropic-version"):
        request.dialect = ANTHROPIC
    if endpoint is None and path.startswith(MODEL_PATH) and len(path) > len(MODEL_PATH):
        request.path = MODEL_PATH + unquote(path[len(MODEL_PATH) :])
        endpoint = ("GET", retrieve_model)
    if endpoint is None and path.startswith(RESPONSES_PATH):
        return find_verb(path, request.method)
    if endpoint is None and path.startswith(children.PATH):
        endpoint = children.find_verb(path, request.method)
    if path == BATCHES_PATH and request.method == "POST":
        return create_batch
    if endpoint is None and (found := find_passed(path, request.method)) is not None:
        return partial(serve_passed, passed=found[0], ids=found[1])
    if endpoint is None:
        raise Refusal(
            Code.ENDPOINT_UNKNOWN,
            f"Invalid URL ({request.method} {path[:200]}).",
            hint=f"Keyhouse serves {', '.join(ENDPOINTS)}.",
        )
    method, serve = endpoint
    if request.method != method:
        raise Refusal(
            Code.METHOD_NOT_ALLOWED,
            f"{request.method} is not allowed on {path[:200]}.",
            hint=f"Use {method}.",
            facts={"allow": method},
        )
    return serve
