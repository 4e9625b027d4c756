"""One call, start to finish. Read this first.

The laws of this file:
  1. Nothing goes upstream before the hold is entered: then the call's row is durable.
  2. Leaving the hold closes the call: as settled or released if the story said so, else as counted if the
     request may have reached the upstream. What is forgotten is on the expensive side, never free.
  3. Another upstream is tried only where the last one cannot have charged anything: it could not be reached, or it
     answered 429 or 5xx. The next attempt is a call of its own, with its own row and its own price. Once an answer
     has begun, or where one may have been on its way, there is no other attempt.
  4. No step knows a status code of ours: each raises a Refusal, and `wire/errors.py` has the table.
  5. No step logs: `asgi.py` writes one line per request.
"""

from functools import partial

from keyhouse.core.bound import worst_case
from keyhouse.core.permissions import Access
from keyhouse.gateway.answer import Unanswered, Unsent
from keyhouse.gateway.authenticate import require_model, require_permission
from keyhouse.gateway.background import Following
from keyhouse.gateway.cool_down import Failure
from keyhouse.gateway.house import House, identify, opening_of
from keyhouse.gateway.metered import Metered
from keyhouse.gateway.relay import Relay
from keyhouse.gateway.request import Request
from keyhouse.wire import errors


async def serve_call(request: Request, house: House, metered: Metered) -> None:
    """Serve one call: who asks, what for, may it, does it fit; forward, relay, settle."""
    # 1. who asks; and may it ask this at all, before its body is read
    credential = await identify(request, house)
    require_permission(credential, metered.resource, Access.WRITE)
    # 2. what is asked
    asked = await house.read(request, metered)
    ask = asked.ask
    request.model, request.is_streamed = ask.model[:200], ask.stream
    # 3. may it
    require_model(credential, ask.model)
    # 4. where to: the upstreams to try, in order
    deployments = house.routing.choose(ask.model, request.entropy)
    if ask.references:
        deployments = await house.objects.at_keepers(credential, ask.references, deployments)
    cool_downs = house.routing.cool_downs
    for attempt, deployment in enumerate(deployments, 1):
        upstream, is_last = deployment.upstream, attempt == len(deployments)
        # 5. does it fit: from here on this attempt is in the books, as a call of its own
        need = worst_case(ask, deployment.price, deployment.ceilings)
        opening = opening_of(
            request,
            credential,
            house,
            model=ask.model,
            upstream=upstream.name,
            price_id=None if deployment.price is None else deployment.price.id,
            attempt=attempt,
        )
        async with house.ledger.hold(opening, need) as hold:
            body = asked.written(deployment.names, hold.admitted.output_tokens_max)
            # 6. forward
            hold.sent()
            if ask.background:
                hold.expect_the_worst()
            try:
                up = request.passing(metered.upwards)
                async with house.forward(upstream, deployment.target(metered.path), body, hold.call_id, up) as answer:
                    failure = cool_downs.heard(upstream.name, answer.status, answer.header)
                    if failure is not None and not is_last:
                        hold.release(flags=f"fell_back {failure}")
                        continue
                    # 7. relay, and 8. settle
                    keep = partial(house.objects.keep, credential, upstream.name) if ask.is_kept else None
                    relay = Relay(request, answer, hold, metered, ask, need, upstream, house.clock, keep)
                    await relay.run()
                if relay.unfinished is not None:
                    following = Following(hold, house.client, upstream, house.poll_seconds, relay.finish, relay.give_up)
                    await following.run("/responses/", relay.unfinished)
                return
            except Unsent as refusal:
                cool_downs.failed(upstream.name, Failure.UNREACHABLE)
                if is_last:
                    hold.release(status=errors.form(refusal).status)
                    raise
                hold.release(flags=f"fell_back {Failure.UNREACHABLE}")
            except Unanswered as refusal:
                cool_downs.failed(upstream.name, Failure.NO_ANSWER)
                hold.abandon(status=errors.form(refusal).status, flags="no_answer")
                raise
