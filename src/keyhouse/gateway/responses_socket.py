"""`wss /v1/responses`: OpenAI's Responses API on a socket that stays open. Each `response.create` is a request.

The first one chooses the upstream, and the socket stays with it: it remembers there what was made on this socket, also
what is not kept (`store: false`), and a later request may go on from that. Requests of one lane run one after another.
"""

from collections import deque
from typing import Final

from keyhouse.core.bound import Ask
from keyhouse.core.errors import Refusal
from keyhouse.core.key import Credential
from keyhouse.core.permissions import Access, Resource
from keyhouse.gateway.authenticate import require_model, require_permission
from keyhouse.gateway.bridge import Bridge
from keyhouse.gateway.client_socket import ClientSocket
from keyhouse.gateway.house import House, identify
from keyhouse.gateway.opening import UPWARDS, at_upstream, open_upstream
from keyhouse.gateway.passing import broken
from keyhouse.gateway.routing import Deployment
from keyhouse.gateway.turns import Turn, begin_turn
from keyhouse.gateway.upstream_socket import Ended
from keyhouse.wire.events import UNREADABLE, Event, responses_error
from keyhouse.wire.response_events import CREATE, SERVER_EVENT, Create, LaneMeter, ServerEvent, lane_of, not_served

PATH: Final = "/v1/responses"

_RESPONSES: Final = "/responses"


async def serve_responses(socket: ClientSocket, house: House) -> None:
    """Open the socket, and carry its events until one side ends it."""
    credential = await identify(socket, house, anew=True)
    require_permission(credential, Resource.RESPONSES, Access.WRITE)
    await socket.accept()
    await ResponsesBridge(socket, house, credential).run()


class ResponsesBridge(Bridge):
    """A socket of the Responses API."""

    def __init__(self, socket: ClientSocket, house: House, credential: Credential) -> None:
        super().__init__(socket, house, credential)
        self._lanes: dict[str | None, deque[Turn[LaneMeter]]] = {}
        self._made: set[str] = set()

    def turns(self) -> list[Turn[LaneMeter]]:
        """The responses that are being made, and those that wait for their lane."""
        return [turn for lane in self._lanes.values() for turn in lane]

    def said(self, refusal: Refusal, event: Event | None) -> bytes:
        """The `error` event of this API."""
        try:
            lane = None if event is None else lane_of(event)
        except Refusal:
            lane = None
        return responses_error(refusal, lane)

    async def take(self, event: Event, message_bytes: int) -> None:  # noqa: ARG002  every event says itself what it costs
        """Reserve for a response, and only then ask for it."""
        if event.type != CREATE:
            raise not_served(event)
        create = Create(event)
        ask = create.asked.ask
        self.socket.model = ask.model[:200]
        require_model(self.credential, ask.model)
        deployment = await self._deployment_for(ask)
        upstream = self.upstream
        assert upstream is not None  # noqa: S101  a deployment is chosen by the upstream that was reached
        turn = await begin_turn(
            self.socket,
            self.credential,
            self.house,
            ask,
            deployment,
            lambda need: LaneMeter(wants_usage=True, most=need.most),
        )
        turn.hold.at_cut(self.stop)
        self._lanes.setdefault(create.lane, deque()).append(turn)
        turn.hold.sent()
        await upstream.send(create.written(deployment.names, turn.hold.admitted.output_tokens_max))

    async def hear(self, message: bytes) -> None:
        """Keep account of an upstream's event, and pass it on."""
        try:
            event = SERVER_EVENT.decode(message)
        except UNREADABLE:
            raise self._broken("sent what is not an event") from None
        lane = self._lanes.get(event.lane)
        turn = lane[0] if lane else None
        if turn is None and event.type.startswith("response."):
            raise self._broken("made a response that nobody asked for")
        if turn is not None:
            await self._account(turn, event, message)
        await self.pass_on(message)

    async def _account(self, turn: Turn[LaneMeter], event: ServerEvent, message: bytes) -> None:
        if event.type.startswith("response."):
            turn.hold.first_byte()
            turn.meter.see(message)
            await self._keep(turn)
        if not event.is_end:
            return
        lane = self._lanes[event.lane]
        lane.popleft()
        if not lane:
            del self._lanes[event.lane]
        if event.type != "error":
            turn.finish()
        elif turn.meter.has_begun:
            turn.cut("upstream_cut")
        else:
            turn.refused()

    async def _keep(self, turn: Turn[LaneMeter]) -> None:
        """Take note of what was made, before the client can learn of it."""
        made, turn.meter.made = turn.meter.made, []
        if not made or self.upstream is None:
            return
        self._made.update(object_id for _, object_id in made)
        if turn.ask.is_kept and not await self.house.objects.keep(self.credential, self.upstream.upstream.name, made):
            self.socket.flags = "not_kept"

    async def _deployment_for(self, ask: Ask) -> Deployment:
        """Where this is asked for: the upstream that is reached, or the first that can be. Raises Refusal."""
        deployments = self.house.routing.choose(ask.model, self.house.entropy(10))
        elsewhere = [one for one in ask.references if one[1] not in self._made]
        if elsewhere:
            deployments = await self.house.objects.at_keepers(self.credential, elsewhere, deployments)
        if self.upstream is None:
            up = self.socket.passing(UPWARDS)
            deployment, upstream = await open_upstream(self.house, deployments, lambda one: one.target(_RESPONSES), up)
            self.connected(upstream)
            return deployment
        return at_upstream(deployments, self.upstream.upstream.name, ask.model, "model")

    def _broken(self, how: str) -> Ended:
        assert self.upstream is not None  # noqa: S101  it is the upstream that was heard
        return Ended.of(broken(self.upstream.upstream, how))
