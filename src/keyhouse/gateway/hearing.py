"""What is transcribed of what a session hears: each transcript is a call of its own, reserved for ahead.

When a piece of sound is committed, and so transcribed, the upstream decides by itself where it detects voice activity.
So there always is a reservation for what is committed next, before any sound goes up; the piece that is committed takes
it over, and the one after that gets another. Where that does not fit, no more sound goes up until it does.
"""

import asyncio
from typing import Final

from keyhouse.core.errors import Refusal
from keyhouse.gateway.authenticate import require_model
from keyhouse.gateway.bridge import Bridge
from keyhouse.gateway.opening import at_upstream
from keyhouse.gateway.routing import Deployment, Upstream
from keyhouse.gateway.turns import Turn, begin_turn
from keyhouse.gateway.upstream_socket import Ended
from keyhouse.wire.events import invalid
from keyhouse.wire.realtime_meter import TRANSCRIPT, HeardMeter, ServerEvent
from keyhouse.wire.realtime_settings import TRANSCRIBER_BYTES_MAX, Transcriber
from keyhouse.wire.transcriptions import ask_to_transcribe

ENDPOINT: Final = "/v1/audio/transcriptions"
"""What a transcript counts as in the books: OpenAI makes it there, too (Realtime, session.update)."""

_PARAM: Final = "session.audio.input.transcription.model"


class Hearing:
    """The transcripts of one session, on its bridge.

    They are wanted as the client said last, on from when the upstream is told so until it shows that they are off, and
    shown as it said last: what is committed then is transcribed.
    """

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge
        self._transcriber: tuple[Transcriber, Deployment] | None = None
        self._is_wanted = self._is_on = self._is_shown = False
        self._next: Turn[HeardMeter] | None = None
        self._is_next_used = False
        self._made: dict[str, Turn[HeardMeter]] = {}
        self._reserving = asyncio.Lock()
        self._refusal: Refusal | None = None
        self._refused_at = 0.0
        self._ask_again_seconds = bridge.house.sockets.ask_again_seconds
        self._loop = asyncio.get_running_loop()

    @property
    def is_known(self) -> bool:
        """Whether it was ever said what transcribes."""
        return self._transcriber is not None

    async def follow(self, wanted: Transcriber | None, upstream: Upstream) -> str:
        """Reserve for what is to be transcribed so, before the upstream is told to; None: no more is wanted.

        Returns what the upstream calls it. Raises Refusal.
        """
        called = ""
        if wanted is not None:
            transcriber = wanted, self._where(wanted.model, upstream)
            self._refusal = None
            await self._renew(transcriber)
            self._transcriber = transcriber
            called = transcriber[1].upstream_model
            self._is_on = True
        self._is_wanted = wanted is not None
        return called

    def shown(self, is_given: bool | None) -> None:
        """The upstream shows whether it transcribes from here on; None: it does not say, and is taken at our word."""
        self._is_shown = self._is_wanted if is_given is None else is_given
        if not self._is_wanted and not self._is_shown:
            self._is_on = False
            if self._next is not None:
                self._next.unused()
                self._next = None

    async def expect(self) -> None:
        """See that what may be committed next is reserved for, before sound goes up. Raises Refusal."""
        if self._is_on and self._transcriber is not None and self._next is None:
            await self._renew(self._transcriber)

    def has_room(self, sound_bytes: int, bytes_per_second: int) -> bool:
        """Whether so much more sound is within what was reserved for."""
        return self._next is None or self._next.meter.has_room(sound_bytes, bytes_per_second)

    @property
    def is_silent(self) -> bool:
        """Whether nobody was heard to speak, and nothing is to be committed, since the last piece."""
        return not self._is_next_used

    def heard(self, sound_bytes: int, bytes_per_second: int) -> None:
        """So much sound has gone up."""
        if self._next is not None:
            self._next.meter.hear(sound_bytes, bytes_per_second)

    def use(self) -> None:
        """What was heard may be transcribed from here on: it is to be committed, or somebody is heard to speak."""
        if self._next is not None:
            self._is_next_used = True
            self._next.hold.sent()

    def clear(self) -> None:
        """What was heard is thrown away."""
        if self._next is not None:
            self._next.meter.forget()

    async def committed(self, item_id: str) -> Refusal | None:
        """What was heard is being transcribed. Reserves for what comes after it, and says why if that does not fit.

        Raises Ended for sound that was on its way when the last reservation did not fit.
        """
        if not self._is_shown:
            # It has not come to the update that wants transcripts, or will not have it.
            self._is_next_used = False
            self.clear()
            return None
        if self._next is None:
            if self._refusal is not None:
                raise Ended.of(self._refusal)
            return None
        self.use()
        if item_id in self._made:
            self._made[item_id].cut("upstream_cut")
        self._made[item_id], self._next = self._next, None
        try:
            await self.expect()
        except Refusal as refusal:
            return refusal
        return None

    def count(self, event: ServerEvent) -> bool:
        """Keep account of an event of a transcript; False if it ends one that nobody reserved for."""
        item_id = event.item_id if isinstance(event.item_id, str) else ""
        turn = self._made.get(item_id)
        is_end = event.type in (f"{TRANSCRIPT}completed", f"{TRANSCRIPT}failed")
        if turn is None:
            # Some models write while somebody still speaks.
            if self._next is not None and not is_end:
                self.use()
                self._next.meter.count(event)
            return self._next is not None and not is_end
        turn.meter.count(event)
        if is_end:
            del self._made[item_id]
            if event.type == f"{TRANSCRIPT}completed":
                turn.finish()
            else:
                turn.refused()
        return True

    def end(self, flags: str) -> None:
        """The session is over: what may have been transcribed is charged as counted, and nothing else."""
        for turn in self._made.values():
            turn.cut(flags)
        self._made.clear()
        waiting, self._next = self._next, None
        if waiting is not None:
            if self._is_next_used:
                waiting.cut(flags)
            else:
                waiting.unused()

    async def _renew(self, transcriber: tuple[Transcriber, Deployment]) -> None:
        async with self._reserving:
            if self._next is not None:
                return
            now = self._loop.time()
            if self._refusal is not None and now - self._refused_at < self._ask_again_seconds:
                raise self._refusal.with_traceback(None)
            try:
                turn = await self._reserve(*transcriber)
            except Refusal as refusal:
                self._refusal, self._refused_at = refusal, now
                raise
            self._next, self._is_next_used, self._refusal = turn, False, None

    async def _reserve(self, transcriber: Transcriber, deployment: Deployment) -> Turn[HeardMeter]:
        bridge, ask = self._bridge, ask_to_transcribe(transcriber.model, TRANSCRIBER_BYTES_MAX, stream=True)
        turn = await begin_turn(
            bridge.socket,
            bridge.credential,
            bridge.house,
            ask,
            deployment,
            lambda need: HeardMeter(need.most, transcriber.text_bytes),
            ENDPOINT,
        )
        turn.hold.at_cut(bridge.stop)
        return turn

    def _where(self, model: str, upstream: Upstream) -> Deployment:
        if self._transcriber is not None and model != self._transcriber[0].model:
            raise invalid(_PARAM, "A session keeps the model that transcribes.", "Open another socket.")
        require_model(self._bridge.credential, model)
        return at_upstream(self._bridge.house.routing.get(model).deployments, upstream.name, model, _PARAM)
