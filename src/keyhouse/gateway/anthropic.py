"""What clients of Anthropic's API ask beside messages: how many tokens a prompt is, and which models there are."""

from datetime import UTC, datetime
from typing import Final

import msgspec

from keyhouse.core.permissions import Access, Resource
from keyhouse.gateway.authenticate import require_model, require_permission
from keyhouse.gateway.call import House, identify
from keyhouse.gateway.passing import headers_of, own_fault, read_whole, without_secret
from keyhouse.gateway.request import Request
from keyhouse.gateway.routing import Model
from keyhouse.wire.headers import DOWNWARDS, DOWNWARDS_OF_ERRORS, MESSAGES_UPWARDS
from keyhouse.wire.messages import read_count_tokens

COUNT_TOKENS: Final = "/messages/count_tokens"


async def count_tokens(request: Request, house: House) -> None:
    """`POST /v1/messages/count_tokens`: passed through. It costs nothing, and no reservation reads the key again."""
    credential = await identify(request, house, anew=True)
    require_permission(credential, Resource.CHAT_COMPLETIONS, Access.WRITE)
    asked = read_count_tokens(await request.body(house.body_bytes_max, house.body_seconds_max))
    request.model = asked.ask.model[:200]
    require_model(credential, asked.ask.model)
    model = house.routing.choose(asked.ask.model)
    upstream = model.upstream
    request.upstream = upstream.name
    body = asked.written(model.upstream_model, None)
    up = request.passing(MESSAGES_UPWARDS)
    async with house.forward(upstream, COUNT_TOKENS, body, request.request_id, up) as answer:
        is_fine = 200 <= answer.status < 300
        if not is_fine and (refusal := own_fault(answer.status, upstream)) is not None:
            raise refusal
        content = without_secret(await read_whole(answer), upstream.api_key.encode() if upstream.api_key else None)
        headers = headers_of(request, answer, DOWNWARDS if is_fine else DOWNWARDS_OF_ERRORS, b"application/json")
        headers.append((b"content-length", b"%d" % len(content)))
        if not is_fine:
            request.reason = "upstream_error"
        await request.answer(answer.status, headers, content)


def shown(model: Model) -> dict[str, object]:
    """A model as Anthropic's API shows it."""
    created = datetime.fromtimestamp(model.created_at_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"type": "model", "id": model.name, "display_name": model.name, "created_at": created}


def listed(models: list[Model]) -> bytes:
    """The list of models in Anthropic's form, all on one page."""
    ends = [models[0].name, models[-1].name] if models else [None, None]
    page = {"data": [shown(model) for model in models], "has_more": False, "first_id": ends[0], "last_id": ends[1]}
    return msgspec.json.encode(page)
