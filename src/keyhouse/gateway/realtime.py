"""`wss /v1/realtime?model=...`: OpenAI's Realtime API. What its events mean is in `wire/realtime.py`.

A session belongs to one model at one upstream, where it is opened before the client's socket is. No event of the
client goes up before the session is known not to answer by itself. When somebody has spoken, and the client wants that
answered, Keyhouse asks for the response in its place: so every response is reserved for before it is asked for.
"""

import asyncio
from collections import deque
from typing import Final
from urllib.parse import parse_qs, quote

from keyhouse.core.errors import Code, Refusal
from keyhouse.core.key import Credential
from keyhouse.core.permissions import Access, Resource
from keyhouse.gateway.authenticate import require_model, require_permission
from keyhouse.gateway.bridge import Bridge
from keyhouse.gateway.client_socket import ClientSocket
from keyhouse.gateway.house import House, identify
from keyhouse.gateway.opening import UPWARDS, open_upstream
from keyhouse.gateway.passing import broken
from keyhouse.gateway.routing import Deployment
from keyhouse.gateway.turns import Turn, begin_turn
from keyhouse.gateway.upstream_socket import Ended, UpstreamSocket
from keyhouse.wire.events import Event, invalid, read_event, realtime_error
from keyhouse.wire.realtime import CLIENT_EVENTS, Session, answers_by_itself
from keyhouse.wire.realtime_meter import (
    ServerEvent,
    SpokenMeter,
    cause_of,
    read_realtime_usage,
    read_server_event,
    response_of,
)

PATH: Final = "/v1/realtime"
QUIET: Final = "keyhouse_quiet"
"""The id of the update that keeps a session from answering by itself."""

_ANSWER: Final = b'{"type":"response.create"}'
_NOT_SERVED: Final = {
    "call_id": "Calls over WebRTC and SIP are not served: their sound would go past Keyhouse.",
    "intent": "Sessions that only transcribe are not served.",
}


async def serve_realtime(socket: ClientSocket, house: House) -> None:
    """Open a session, and carry its events until one side ends it."""
    credential = await identify(socket, house, anew=True)
    require_permission(credential, Resource.REALTIME, Access.WRITE)
    model = _model_in(socket.query)
    socket.model = model[:200]
    require_model(credential, model)
    deployments = house.routing.choose(model, socket.entropy)
    deployment, upstream = await open_upstream(house, deployments, _target, socket.passing(UPWARDS))
    bridge = RealtimeBridge(socket, house, credential, Session(model, deployment.upstream_model), deployment, upstream)
    try:
        await socket.accept()
        await bridge.run()
    finally:
        await upstream.close()


def _target(deployment: Deployment) -> str:
    """Where a session with this model is opened; Azure's older form calls it a deployment."""
    name = "model" if deployment.upstream.api_version is None else "deployment"
    return deployment.upstream.target(f"/realtime?{name}={quote(deployment.upstream_model, safe='')}")


def _model_in(query: bytes) -> str:
    """The one model that a query names. Raises Refusal."""
    given = parse_qs(query.decode("latin-1"), keep_blank_values=True)
    for name, why in _NOT_SERVED.items():
        if name in given:
            raise invalid(name, why, "Leave it out.")
    models = given.get("model", [])
    if not models:
        raise Refusal(
            Code.PARAMETER_MISSING,
            "Missing required parameter: `model`.",
            hint=f"Connect to {PATH}?model=..., with a model that GET /v1/models lists.",
            param="model",
        )
    if len(models) > 1 or not models[0]:
        raise invalid("model", "`model` must be there once, and not be empty.", "Name one model.")
    return models[0]


class RealtimeBridge(Bridge):
    """A session of the Realtime API."""

    def __init__(
        self,
        socket: ClientSocket,
        house: House,
        credential: Credential,
        session: Session,
        deployment: Deployment,
        upstream: UpstreamSocket,
    ) -> None:
        super().__init__(socket, house, credential)
        self._session = session
        self._deployment = deployment
        self._asked: deque[Turn[SpokenMeter]] = deque()
        self._made: dict[str, Turn[SpokenMeter]] = {}
        self._spoken: set[str] = set()
        self._is_begun = False
        self._quiet = asyncio.Event()
        self._socket_to = upstream
        self.connected(upstream)

    def turns(self) -> list[Turn[SpokenMeter]]:
        """The responses that were asked for, and those that are being made."""
        return [*self._asked, *self._made.values()]

    def said(self, refusal: Refusal, event: Event | None) -> bytes:
        """Realtime's `error` event."""
        event_id = f"event_{self.house.entropy(10).hex()}"
        return realtime_error(refusal, event_id, None if event is None else event.id)

    def look(self, now: float) -> None:
        """Raise Refusal also if the session does not begin in time."""
        super().look(now)
        if not self._quiet.is_set() and now - self._began > self._deployment.upstream.connect_timeout_ms / 1000:
            raise self._broken("did not begin the session in time")

    async def take(self, event: Event, message_bytes: int) -> None:
        """Pass a client's event on, once what it costs is reserved."""
        await self._quiet.wait()
        if event.type not in CLIENT_EVENTS:
            raise invalid("type", f"There is no event `{event.type[:64]}` here.", "See OpenAI's reference of Realtime.")
        self._session.note(event, message_bytes)
        if event.type == "response.create":
            await self._create(event)
        elif event.type == "session.update":
            await self._socket_to.send(self._session.updated(event))
        else:
            await self._socket_to.send(event.written())

    async def hear(self, message: bytes) -> None:
        """Keep account of an upstream's event, and pass it on."""
        event = read_server_event(message)
        if event is None:
            raise self._broken("sent what is not an event")
        if event.type in ("session.created", "session.updated"):
            if await self._is_own(event, len(message)):
                return
        elif event.type == "response.created":
            self._begin(event)
        elif event.type == "response.done":
            self._finish(event)
        elif event.type == "error":
            self._refused(event)
        elif isinstance(event.response_id, str) and event.response_id in self._made:
            self._count(event, len(message))
        elif event.type == "input_audio_buffer.speech_stopped" and isinstance(event.item_id, str):
            self._spoken.add(event.item_id)
        await self.pass_on(message)
        if event.type == "input_audio_buffer.committed" and event.item_id in self._spoken:
            self._spoken.discard(event.item_id)
            await self._answer_the_speaker()

    async def _is_own(self, event: ServerEvent, message_bytes: int) -> bool:
        """See to it that the session does not answer by itself; whether the event is nothing to the client."""
        if not self._is_begun:
            self._is_begun = True
            self._session.seen_bytes += message_bytes
            update = self._session.quieted(event.session, QUIET)
            if update is not None:
                await self._socket_to.send(update)
                return False
        elif answers_by_itself(event.session):
            raise self._broken("does not keep a session from answering by itself")
        was_quiet = self._quiet.is_set()
        self._quiet.set()
        return event.type == "session.updated" and not was_quiet

    async def _create(self, event: Event) -> None:
        """Reserve for a response, and only then ask for it."""
        ask = self._session.ask_of(event, self._deployment.ceilings.input_tokens)
        turn = await begin_turn(
            self.socket, self.credential, self.house, ask, self._deployment, lambda need: SpokenMeter(need.most)
        )
        turn.hold.at_cut(self.stop)
        turn.event_id = event.id or turn.hold.call_id
        self._asked.append(turn)
        message = self._session.created(event, turn.event_id, turn.shortened_to)
        turn.hold.sent()
        await self._socket_to.send(message)

    async def _answer_the_speaker(self) -> None:
        """Ask for what voice activity detection would have made by itself."""
        if not self._session.answers_turns:
            return
        try:
            await self._create(read_event(_ANSWER))
        except Refusal as refusal:
            await self.tell(refusal, None)

    def _begin(self, event: ServerEvent) -> None:
        response_id, _ = response_of(event)
        if not self._asked or response_id is None:
            raise self._broken("made a response that nobody asked for")
        turn = self._made[response_id] = self._asked.popleft()
        turn.hold.first_byte()

    def _count(self, event: ServerEvent, message_bytes: int) -> None:
        self._made[event.response_id].meter.count(event)
        if event.delta is not None:
            self._session.seen_bytes += message_bytes

    def _finish(self, event: ServerEvent) -> None:
        response_id, usage = response_of(event)
        turn = self._made.pop(response_id or "", None)
        if turn is None:
            raise self._broken("finished a response that it had not begun")
        reading = turn.meter.reading = read_realtime_usage(usage)
        if reading is not None:
            self._session.seen_bytes += reading.counts.output
        turn.finish()

    def _refused(self, event: ServerEvent) -> None:
        """An error: if it is about a response that was asked for, that will not be made."""
        cause = cause_of(event)
        if cause == QUIET:
            raise self._broken("does not let a session be kept from answering by itself")
        turn = next((one for one in self._asked if one.event_id == cause), None)
        if turn is not None:
            self._asked.remove(turn)
            turn.refused()

    def _broken(self, how: str) -> Ended:
        return Ended.of(broken(self._deployment.upstream, how))
