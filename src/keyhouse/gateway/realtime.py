"""`wss /v1/realtime?model=...`: OpenAI's Realtime API. What its events mean is in `wire/realtime.py`.

A session belongs to one upstream, and one that answers to one model there; it is opened before the client's socket is.
No event of the client goes up before the session is known not to answer by itself. When somebody has spoken, and the
client wants that answered, Keyhouse asks for the response in its place: so every response is reserved for before it is
asked for. What is transcribed beside it, or alone (`?intent=transcription`), is in `hearing.py`.
"""

import asyncio
from collections import deque
from typing import Final

from keyhouse.core.errors import Refusal
from keyhouse.core.key import Credential
from keyhouse.core.permissions import Access, Resource
from keyhouse.gateway.authenticate import require_model, require_permission
from keyhouse.gateway.bridge import Bridge
from keyhouse.gateway.client_socket import ClientSocket
from keyhouse.gateway.hearing import Hearing
from keyhouse.gateway.house import House, identify
from keyhouse.gateway.opening import UPWARDS, open_upstream
from keyhouse.gateway.passing import broken
from keyhouse.gateway.realtime_opening import PATH, asked_in, target_of
from keyhouse.gateway.routing import Deployment
from keyhouse.gateway.turns import Turn, begin_turn
from keyhouse.gateway.upstream_socket import Ended, UpstreamSocket
from keyhouse.wire.events import Event, invalid, read_event, realtime_error
from keyhouse.wire.realtime import (
    CLIENT_EVENTS,
    G711_BYTES,
    Session,
    answers_by_itself,
    detects_turns,
    greeting,
    sound_bytes_in,
    sound_bytes_per_second,
    transcribes,
)
from keyhouse.wire.realtime_meter import (
    TRANSCRIPT,
    ServerEvent,
    SpokenMeter,
    cause_of,
    read_realtime_usage,
    read_server_event,
    response_of,
)
from keyhouse.wire.realtime_settings import REALTIME, TRANSCRIPTION

QUIET: Final = "keyhouse_quiet"
"""The id of the update that keeps a session from answering by itself."""

_ANSWER: Final = b'{"type":"response.create"}'
_CLEAR: Final = b'{"type":"input_audio_buffer.clear"}'
_UNSAID: Final = "Nothing says yet what transcribes."
_SAY_IT: Final = "Send a `session.update` that names `audio.input.transcription.model`."
_SOUND: Final = frozenset({"input_audio_buffer.append", "input_audio_buffer.commit"})


async def serve_realtime(socket: ClientSocket, house: House) -> None:
    """Open a session, and carry its events until one side ends it."""
    credential = await identify(socket, house, anew=True)
    require_permission(credential, Resource.REALTIME, Access.WRITE)
    kind, model = asked_in(socket.query)
    bridge = RealtimeBridge(socket, house, credential, kind)
    try:
        if model is not None:
            await bridge.open(model)
        await socket.accept()
        if model is None:
            await bridge.greet()
        await bridge.run()
    finally:
        if bridge.upstream is not None:
            await bridge.upstream.close()


class RealtimeBridge(Bridge):
    """A session of the Realtime API, of kind `realtime` or `transcription`."""

    _deployment: Deployment
    _socket_to: UpstreamSocket

    def __init__(self, socket: ClientSocket, house: House, credential: Credential, kind: str) -> None:
        super().__init__(socket, house, credential)
        self._session = Session("", "", kind)
        self._hearing = Hearing(self)
        self._bytes_per_second = G711_BYTES
        self._detects_turns = False
        self._asked: deque[Turn[SpokenMeter]] = deque()
        self._made: dict[str, Turn[SpokenMeter]] = {}
        self._spoken: set[str] = set()
        self._is_greeted = self._is_begun = False
        self._quiet = asyncio.Event()
        self._opened = self._began

    async def open(self, model: str) -> None:
        """Open the session where this model is. Raises Refusal."""
        require_model(self.credential, model)
        self.socket.model = model[:200]
        kind, routing = self._session.kind, self.house.routing
        self._deployment, self._socket_to = await open_upstream(
            self.house,
            routing.choose(model, self.house.entropy(10)),
            lambda deployment: target_of(deployment, kind),
            self.socket.passing(UPWARDS),
        )
        self._session = Session(model, self._deployment.upstream_model, kind)
        self._opened = self._loop.time()
        self.connected(self._socket_to)

    async def greet(self) -> None:
        """Say that there is a session: some clients wait for that before they say what transcribes."""
        self._is_greeted = True
        await self.say(greeting(self._event_id(), f"sess_{self.house.entropy(10).hex()}"))

    def turns(self) -> list[Turn[SpokenMeter]]:
        """The responses that were asked for, and those that are being made."""
        return [*self._asked, *self._made.values()]

    def settle(self, flags: str) -> None:
        """Settle what is transcribed, too."""
        super().settle(flags)
        self._hearing.end(flags)

    def said(self, refusal: Refusal, event: Event | None) -> bytes:
        """Realtime's `error` event."""
        return realtime_error(refusal, self._event_id(), None if event is None else event.id)

    def look(self, now: float) -> None:
        """Raise Refusal also if the session does not begin in time."""
        super().look(now)
        if self.upstream is None or self._quiet.is_set():
            return
        if now - self._opened > self._deployment.upstream.connect_timeout_ms / 1000:
            raise self._broken("did not begin the session in time")

    async def take(self, event: Event, message_bytes: int) -> None:
        """Pass a client's event on, once what it costs is reserved."""
        if event.type not in CLIENT_EVENTS:
            raise invalid("type", f"There is no event `{event.type[:64]}` here.", "See OpenAI's reference of Realtime.")
        if self.upstream is None:
            await self._open_for(event)
        await self._quiet.wait()
        self._session.note(event, message_bytes)
        if event.type == "response.create":
            await self._create(event)
        elif event.type == "session.update":
            await self._update(event)
        elif event.type in _SOUND:
            await self._hear_out(event)
        else:
            if event.type == "input_audio_buffer.clear":
                self._hearing.clear()
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
        elif event.type.startswith(TRANSCRIPT):
            if not self._hearing.count(event):
                raise self._broken("transcribed what nobody asked for")
        elif isinstance(event.response_id, str) and event.response_id in self._made:
            self._count(event, len(message))
        elif event.type.startswith("input_audio_buffer."):
            await self._listen(event, message)
            return
        await self.pass_on(message)

    async def _listen(self, event: ServerEvent, message: bytes) -> None:
        """The upstream says what becomes of the sound that went up: pass it on, and answer who has spoken."""
        item_id = event.item_id if isinstance(event.item_id, str) else ""
        refusal: Refusal | None = None
        match event.type.removeprefix("input_audio_buffer."):
            case "speech_started":
                self._hearing.use()
            case "speech_stopped" if item_id:
                self._spoken.add(item_id)
            case "committed":
                refusal = await self._hearing.committed(item_id)
            case _:
                pass
        await self.pass_on(message)
        if refusal is not None:
            # What has gone up since is not reserved for: it must not be committed.
            await self._socket_to.send(_CLEAR)
            await self.tell(refusal, None)
        if event.type == "input_audio_buffer.committed" and item_id in self._spoken:
            self._spoken.discard(item_id)
            await self._answer_the_speaker()

    async def _is_own(self, event: ServerEvent, message_bytes: int) -> bool:
        """See to it that the session does not answer by itself; whether the event is nothing to the client."""
        is_first, self._is_begun = not self._is_begun, True
        if is_first:
            self._session.seen_bytes += message_bytes
            update = self._session.quieted(event.session, QUIET)
            if update is not None:
                await self._socket_to.send(update)
                return False
        elif self._session.kind == REALTIME and answers_by_itself(event.session):
            raise self._broken("does not keep a session from answering by itself")
        is_transcribing = transcribes(event.session)
        if is_transcribing and not self._hearing.is_known and self._session.kind == REALTIME:
            raise self._broken("does not keep a session from transcribing by itself")
        self._hearing.shown(is_transcribing)
        self._bytes_per_second = sound_bytes_per_second(event.session)
        self._detects_turns = detects_turns(event.session)
        was_quiet = self._quiet.is_set()
        self._quiet.set()
        return (is_first and self._is_greeted) or (event.type == "session.updated" and not was_quiet)

    async def _open_for(self, event: Event) -> None:
        """Open a session that only transcribes, once the client has said with which model."""
        if event.type != "session.update":
            raise invalid("type", _UNSAID, _SAY_IT)
        transcriber = self._session.read_update(event).settings.transcriber
        assert transcriber is not None  # noqa: S101  no update of such a session is without
        await self.open(transcriber.model)

    async def _update(self, event: Event) -> None:
        """Reserve for what will be transcribed, and only then tell the upstream to."""
        update = self._session.read_update(event)
        called = await self._hearing.follow(update.settings.transcriber, self._deployment.upstream)
        self._session.settings = update.settings
        await self._socket_to.send(update.written(called))

    async def _hear_out(self, event: Event) -> None:
        """Pass sound on, or the word that a piece of it is whole, once its transcript is reserved for."""
        if self._session.kind == TRANSCRIPTION and not self._hearing.is_known:
            raise invalid("type", _UNSAID, _SAY_IT)
        await self._hearing.expect()
        if event.type == "input_audio_buffer.commit":
            self._hearing.use()
        else:
            await self._make_room(sound := sound_bytes_in(event))
            self._hearing.heard(sound, self._bytes_per_second)
        await self._socket_to.send(event.written())

    async def _make_room(self, sound_bytes: int) -> None:
        """See that no more sound waits than is reserved for: silence is thrown away, anything else is the client's."""
        if self._hearing.has_room(sound_bytes, self._bytes_per_second):
            return
        if not (self._detects_turns and self._hearing.is_silent):
            raise invalid("audio", "More sound waits than what transcribes takes at once.", "Commit it, or clear it.")
        await self._socket_to.send(_CLEAR)
        self._hearing.clear()

    async def _create(self, event: Event) -> None:
        """Reserve for a response, and only then ask for it."""
        if self._session.kind == TRANSCRIPTION:
            raise invalid("type", "A session that only transcribes makes no responses.", f"Use {PATH}?model=....")
        ask = self._session.ask_of(event, self._deployment.ceilings.input_tokens)
        turn = await begin_turn(
            self.socket, self.credential, self.house, ask, self._deployment, lambda need: SpokenMeter(need.most)
        )
        turn.hold.at_cut(self.stop)
        turn.event_id = event.id or turn.hold.call_id
        self._asked.append(turn)
        maximum = turn.hold.admitted.output_tokens_max
        message = self._session.created(event, turn.event_id, maximum, is_text=not ask.speaks)
        turn.hold.sent()
        await self._socket_to.send(message)

    async def _answer_the_speaker(self) -> None:
        """Ask for what voice activity detection would have made by itself."""
        if not self._session.settings.answers_turns:
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

    def _event_id(self) -> str:
        return f"event_{self.house.entropy(10).hex()}"

    def _broken(self, how: str) -> Ended:
        return Ended.of(broken(self._deployment.upstream, how))
