"""What counts the tokens of a prompt: passed through. Nothing is made, so it costs nothing, and no reservation reads
the key again: it is read anew instead.
"""

from collections.abc import Callable
from typing import Final

import msgspec

from keyhouse.core.permissions import Access, Resource
from keyhouse.gateway.answer import Unanswered, Unsent
from keyhouse.gateway.authenticate import require_model, require_permission
from keyhouse.gateway.cool_down import Failure
from keyhouse.gateway.house import House, identify
from keyhouse.gateway.passing import pass_free
from keyhouse.gateway.request import Request
from keyhouse.wire.body import Asked
from keyhouse.wire.errors import OPENAI, Dialect
from keyhouse.wire.headers import MESSAGES_UPWARDS
from keyhouse.wire.messages import read_count_tokens
from keyhouse.wire.messages_errors import ANTHROPIC
from keyhouse.wire.responses import read_input


class Counting(msgspec.Struct, frozen=True):
    """One endpoint; its fields mean what those of `Metered` do."""

    path: str
    resource: Resource
    read: Callable[[bytes], Asked]
    dialect: Dialect = OPENAI
    upwards: tuple[bytes, ...] = ()


COUNTING: Final = (
    Counting("/responses/input_tokens", Resource.RESPONSES, read_input),
    Counting("/messages/count_tokens", Resource.CHAT_COMPLETIONS, read_count_tokens, ANTHROPIC, MESSAGES_UPWARDS),
)


async def count(request: Request, house: House, counting: Counting) -> None:
    """Ask the model's upstream, and pass on what it says."""
    credential = await identify(request, house, anew=True)
    require_permission(credential, counting.resource, Access.WRITE)
    asked = counting.read(await request.body(house.body_bytes_max, house.body_seconds_max))
    ask = asked.ask
    request.model = ask.model[:200]
    require_model(credential, ask.model)
    deployments = house.routing.choose(ask.model, request.entropy)
    if ask.references:
        deployments = await house.objects.at_keepers(credential, ask.references, deployments)
    up, cool_downs = request.passing(counting.upwards), house.routing.cool_downs
    for place, deployment in enumerate(deployments, 1):
        upstream, is_last = deployment.upstream, place == len(deployments)
        request.upstream = upstream.name
        body, target = asked.written(deployment.names, None), deployment.target(counting.path)
        try:
            async with house.forward(upstream, target, body, request.request_id, up) as answer:
                # Nothing is charged, so the next may be asked whatever this one has done.
                if cool_downs.heard(upstream.name, answer.status, answer.header) is None or is_last:
                    await pass_free(request, answer, upstream)
                    return
        except (Unsent, Unanswered) as refusal:
            is_unsent = isinstance(refusal, Unsent)
            cool_downs.failed(upstream.name, Failure.UNREACHABLE if is_unsent else Failure.NO_ANSWER)
            if is_last:
                raise
