"""One call, start to finish. Read this first.

The laws of this file:
  1. Nothing goes upstream before the hold is entered: then the call's row is durable.
  2. Leaving the hold closes the call: as settled or released if the story said so, else as counted if the
     request may have reached the upstream. What is forgotten is on the expensive side, never free.
  3. No step knows a status code of ours: each raises a Refusal, and `wire/errors.py` has the table.
  4. No step logs: `asgi.py` writes one line per request.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from keyhouse.core.bound import worst_case
from keyhouse.core.call import Opening
from keyhouse.core.clock import Clock, Entropy
from keyhouse.core.identifiers import call_id
from keyhouse.core.key import Credential
from keyhouse.core.permissions import Access
from keyhouse.core.secret import Kind
from keyhouse.gateway.authenticate import Authenticator, require_model, require_permission
from keyhouse.gateway.background import POLL_SECONDS, Following
from keyhouse.gateway.demo import Demo
from keyhouse.gateway.metered import Metered
from keyhouse.gateway.objects import Objects
from keyhouse.gateway.relay import Relay
from keyhouse.gateway.request import BODY_BYTES_MAX, BODY_SECONDS_MAX, Request
from keyhouse.gateway.routing import Routing, Upstream
from keyhouse.gateway.upstream import Answer, Unanswered, Unsent, UpstreamClient
from keyhouse.ledger.book import Ledger
from keyhouse.store.engine import Database
from keyhouse.wire import errors


@dataclass(frozen=True, slots=True)
class House:
    """What a call needs of the house."""

    authenticator: Authenticator
    routing: Routing
    ledger: Ledger
    client: UpstreamClient
    clock: Clock
    entropy: Entropy
    objects: Objects
    database: Database
    body_bytes_max: int = BODY_BYTES_MAX
    body_seconds_max: float = BODY_SECONDS_MAX
    poll_seconds: float = POLL_SECONDS

    def forward(
        self, upstream: Upstream, path: str, body: bytes, call_id: str, headers: Sequence[tuple[str, str]] = ()
    ) -> Answer:
        """What this upstream answers; the demo lives in this process, every other one behind HTTP."""
        if upstream.is_demo:
            return Demo(self.clock).forward(path, body)
        return self.client.forward(upstream, path, body, call_id, headers)


async def serve_call(request: Request, house: House, metered: Metered) -> None:
    """Serve one call: who asks, what for, may it, does it fit; forward, relay, settle."""
    # 1. who asks; and may it ask this at all, before its body is read
    credential = await identify(request, house)
    require_permission(credential, metered.resource, Access.WRITE)
    # 2. what is asked
    asked = metered.read(await request.body(house.body_bytes_max, house.body_seconds_max))
    ask = asked.ask
    request.model, request.is_streamed = ask.model[:200], ask.stream
    # 3. may it
    require_model(credential, ask.model)
    # 4. where to
    model = house.routing.choose(ask.model)
    if ask.references:
        await house.objects.require(credential, ask.references, model.upstream.name)
    # 5. does it fit: from here on the call is in the books
    need = worst_case(ask, model.price, model.ceilings)
    opening = opening_of(
        request,
        credential,
        house,
        model=model.name,
        upstream=model.upstream.name,
        price_id=None if model.price is None else model.price.id,
    )
    async with house.ledger.hold(opening, need) as hold:
        body = asked.written(model.upstream_model, hold.admitted.output_tokens_max)
        # 6. forward
        hold.sent()
        if ask.background:
            hold.expect_the_worst()
        try:
            up = request.passing(metered.upwards)
            async with house.forward(model.upstream, metered.path, body, hold.call_id, up) as answer:
                # 7. relay, and 8. settle
                keep = partial(house.objects.keep, credential, model.upstream.name) if ask.is_kept else None
                relay = Relay(request, answer, hold, metered, ask, need, model.upstream, house.clock, keep)
                await relay.run()
            if relay.unfinished is not None:
                await Following(relay, hold, house.client, model.upstream, house.poll_seconds).run()
        except Unsent as refusal:
            hold.release(status=errors.form(refusal).status)
            raise
        except Unanswered as refusal:
            hold.abandon(status=errors.form(refusal).status, flags="no_answer")
            raise


async def identify(request: Request, house: House, *, anew: bool = False, admits_admins: bool = False) -> Credential:
    """Step 1: the living key in the request's headers, or a Refusal. `anew` where no reservation reads it again."""
    authorization, elsewhere = request.credentials()
    credential = await house.authenticator.authenticate(
        authorization, elsewhere, request.address, anew=anew, admits_admins=admits_admins
    )
    request.credential = credential
    return credential


def opening_of(
    request: Request,
    credential: Credential,
    house: House,
    *,
    model: str,
    upstream: str,
    price_id: int | None,
    address: str | None = None,
) -> Opening:
    """Who calls what, for the books. `address` is the caller's, if it is not the request's own."""
    request.call_id = call_id(house.clock.now_ms(), request.entropy)
    request.upstream = upstream
    return Opening(
        id=request.call_id,
        request_id=request.request_id,
        attempt=1,
        organization_id=credential.organization_id,
        time_zone=credential.time_zone,
        project_id=credential.project_id,
        owner_type="service_account" if credential.kind is Kind.SERVICE_ACCOUNT else "user",
        owner_id=credential.owner_id,
        key_id=credential.key_id,
        secret_version=credential.secret_version,
        redacted=credential.redacted,
        model=model,
        upstream=upstream,
        endpoint=request.path,
        price_id=price_id,
        address=request.address if address is None else address,
        agent=request.agent,
    )
