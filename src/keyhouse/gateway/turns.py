"""One call on an open socket: from its reservation until its response is done, or the socket is."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Final, Generic, Protocol, TypeVar

from keyhouse.core.bound import Ask, Need, worst_case
from keyhouse.core.call import Basis
from keyhouse.core.key import Credential
from keyhouse.core.money import DEFAULT_TIER, Counts
from keyhouse.gateway.authenticate import require_model
from keyhouse.gateway.client_socket import ClientSocket
from keyhouse.gateway.house import House, opening_of
from keyhouse.gateway.routing import Deployment
from keyhouse.ledger.book import Hold
from keyhouse.wire.usage import Reading

_MADE: Final = 200
_REFUSED: Final = 400
"""What a turn's row says, in the words of HTTP, of a response that was made, and of one the upstream would not make."""


class Meter(Protocol):
    """What counts a response while it comes. `reading` is the upstream's own word, once it came."""

    reading: Reading | None

    @property
    def counts(self) -> Counts:
        """The best knowledge so far of what was used."""
        ...


M = TypeVar("M", bound=Meter)


class Turn(Generic[M]):
    """One response on a socket, and its hold. It was asked for under `event_id`; `began` is when, by the loop."""

    __slots__ = ("_socket", "ask", "began", "event_id", "hold", "meter")

    def __init__(self, socket: ClientSocket, hold: Hold, ask: Ask, meter: M) -> None:
        self._socket = socket
        self.hold = hold
        self.ask = ask
        self.meter = meter
        self.event_id = hold.call_id
        self.began = asyncio.get_running_loop().time()

    @property
    def shortened_to(self) -> int | None:
        """The maximum that must be written into what goes up, if there is one."""
        most = self.hold.admitted.output_tokens_max
        return None if most == self.ask.output_tokens_max else most

    def finish(self) -> None:
        """The response is done: settle by what the upstream said of it, else by what was counted."""
        reading = self.meter.reading
        if reading is not None and not reading.is_clamped:
            self._settle(reading.counts, "", Basis.UPSTREAM, reading.tier)
        else:
            self._settle(self.meter.counts, "no_usage" if reading is None else "usage_clamped")

    def cut(self, flags: str) -> None:
        """The response broke off: settle by what was counted."""
        self._settle(self.meter.counts, flags)

    def refused(self) -> None:
        """The upstream will not make it, and nothing was used."""
        self.hold.release(status=_REFUSED, flags="upstream_error")
        self.hold.abandon()

    def unused(self) -> None:
        """What it was reserved for did not happen."""
        self.hold.release(status=_MADE, flags="unused")
        self.hold.abandon()

    def _settle(self, counts: Counts, flags: str, basis: Basis = Basis.COUNTED, tier: str | None = None) -> None:
        socket, before = self._socket, self._socket.counts or Counts()
        tier = tier or self.ask.service_tier or DEFAULT_TIER
        charged = self.hold.settle(counts, status=_MADE, basis=basis, flags=flags, tier=tier)
        self.hold.abandon()
        socket.charged_nano_usd = (socket.charged_nano_usd or 0) + (charged or 0)
        socket.counts = Counts(before.input + counts.input, output=before.output + counts.output)
        socket.flags = flags or socket.flags


async def begin_turn(
    socket: ClientSocket,
    credential: Credential,
    house: House,
    ask: Ask,
    deployment: Deployment,
    meter: Callable[[Need], M],
    endpoint: str | None = None,
) -> Turn[M]:
    """Reserve what a response may cost at most. It must be ended, whatever happens. Raises Refusal.

    In the books it is a call of `endpoint`, if that is not the socket's own.
    """
    require_model(credential, ask.model)
    need = worst_case(ask, deployment.price, deployment.ceilings)
    socket.entropy = house.entropy(10)
    opening = opening_of(
        socket,
        credential,
        house,
        model=ask.model,
        upstream=deployment.upstream.name,
        price_id=None if deployment.price is None else deployment.price.id,
        endpoint=endpoint,
    )
    # Left where the turn ends (`Hold.abandon`), in another task perhaps: a block cannot span that.
    hold = await AsyncExitStack().enter_async_context(house.ledger.hold(opening, need))
    counting = meter(need)
    hold.watch(lambda: counting.counts)
    return Turn(socket, hold, ask, counting)
