"""The way to an upstream for a socket: the first of a model's that opens one. By then nothing has been asked for, so
each may be tried.
"""

from collections.abc import Callable, Sequence
from typing import Final

from keyhouse.core.errors import Code, Refusal
from keyhouse.gateway.answer import Unanswered, Unsent
from keyhouse.gateway.cool_down import Failure
from keyhouse.gateway.house import House
from keyhouse.gateway.routing import Deployment
from keyhouse.gateway.upstream_socket import UpstreamSocket
from keyhouse.wire.events import invalid

SWITCHED: Final = 101
UPWARDS: Final = (b"openai-beta",)
"""What of a client's headers goes up: it chooses a version of the API."""


async def open_upstream(
    house: House,
    deployments: Sequence[Deployment],
    target: Callable[[Deployment], str],
    headers: Sequence[tuple[str, str]],
) -> tuple[Deployment, UpstreamSocket]:
    """The first of these deployments whose upstream opens a socket at its `target`. Raises Refusal if none does."""
    problem = Refusal(Code.UPSTREAM_UNAVAILABLE, "The built-in demo takes no WebSocket.", hint="Use another model.")
    for deployment in deployments:
        upstream = deployment.upstream
        if upstream.is_demo:
            continue
        try:
            socket = await house.client.open_socket(upstream, target(deployment), headers)
        except Unsent as refusal:
            house.routing.cool_downs.failed(upstream.name, Failure.UNREACHABLE)
            problem = refusal
        except Unanswered as refusal:
            house.routing.cool_downs.failed(upstream.name, Failure.NO_ANSWER)
            problem = refusal
        else:
            house.routing.cool_downs.heard(upstream.name, SWITCHED, lambda _: None)
            return deployment, socket
    raise problem


def at_upstream(deployments: Sequence[Deployment], upstream: str, model: str, param: str) -> Deployment:
    """Which of a model's deployments is where a socket leads already. Raises Refusal if none is."""
    for deployment in deployments:
        if deployment.upstream.name == upstream:
            return deployment
    raise invalid(param, f"`{model[:200]}` is not served where this socket leads.", "Open another socket.")
