"""The `Idempotency-Key` header: which requests may be repeated, and how one is recognized."""

import msgspec

from keyhouse.admin.door import Visit, actor_of
from keyhouse.control.repeats import Once, read_once
from keyhouse.core.errors import Code, Refusal


async def once_of(request: Visit) -> Once | None:
    """The request as one that may be repeated, None without the header. Its body was read before, and is JSON.

    Raises Refusal(PARAMETER_INVALID).
    """
    given = request.headers.getall("idempotency-key", [])
    if not given:
        return None
    if len(given) > 1:
        raise Refusal(
            Code.PARAMETER_INVALID, "The request has two Idempotency-Keys.", hint="Send one.", param="Idempotency-Key"
        )
    actor = actor_of(request)
    # The same fields in another order, or with other spaces, are the same request.
    body = msgspec.json.encode(msgspec.json.decode(await request.body() or b"{}"), order="sorted")
    asked = f"{request.method} {request.scope['path']}"
    return read_once(actor.organization_id, actor.key_id or actor.user_id, given[0], asked, body)
