"""An open socket between a client and an upstream: events both ways, each call in the books before it can cost.

The laws of `call.py` hold for every response on it. Beside the two ways there is a watch: a key that dies ends the
socket at once, and so do silence, age, an upstream that does not answer, and a Keyhouse that stops. However it ends,
the client is told why in an event before it is closed, and every call that still runs is settled by what was counted.
A client that does not read is waited for, and its upstream with it, but not for ever.
"""

import asyncio
from abc import ABC, abstractmethod
from contextlib import suppress
from typing import Any

from keyhouse.core.errors import Code, Refusal
from keyhouse.core.key import Credential
from keyhouse.gateway.client_socket import ClientSocket, CloseCode, say_within
from keyhouse.gateway.house import House, identify
from keyhouse.gateway.passing import without_secret
from keyhouse.gateway.request import ClientLeft
from keyhouse.gateway.turns import Turn
from keyhouse.gateway.upstream_socket import Ended, UpstreamSocket
from keyhouse.ledger.book import stopping
from keyhouse.wire import errors
from keyhouse.wire.events import Event, read_event


class Bridge(ABC):
    """One client's socket, and the upstream's behind it. What events mean is its API's to say."""

    def __init__(self, socket: ClientSocket, house: House, credential: Credential) -> None:
        self.socket = socket
        self.house = house
        self.credential = credential
        self.upstream: UpstreamSocket | None = None
        self._has_upstream = asyncio.Event()
        self._is_cut = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._began = self._heard = self._heard_upstream = self._loop.time()

    @abstractmethod
    async def take(self, event: Event, message_bytes: int) -> None:
        """Do what a client's event asks for. Raises Refusal, of which the client is told."""

    @abstractmethod
    async def hear(self, message: bytes) -> None:
        """Do what an upstream's event means, and pass it on. Raises Ended if it ends the socket."""

    @abstractmethod
    def turns(self) -> list[Turn[Any]]:
        """The calls that run."""

    @abstractmethod
    def said(self, refusal: Refusal, event: Event | None) -> bytes:
        """The event that tells the client of a refusal of this event, or of the whole socket."""

    def settle(self, flags: str) -> None:
        """The socket is over: settle every call that still runs by what was counted."""
        for turn in self.turns():
            turn.cut(flags)

    def connected(self, upstream: UpstreamSocket) -> None:
        """There is an upstream from now on."""
        self.upstream = upstream
        self._has_upstream.set()

    def stop(self) -> None:
        """End it now: Keyhouse is stopping, and its calls are closed already."""
        self._is_cut.set()

    async def run(self) -> None:
        """Carry events until one side ends it. Raises nothing that is not a fault of ours."""
        ways = [asyncio.create_task(way()) for way in (self._upwards, self._downwards, self._watch, self._until_cut)]
        code, reason = CloseCode.NORMAL, None
        try:
            done, _ = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            error = next((found for one in done if (found := one.exception()) is not None), None)
            if isinstance(error, Refusal):
                code, reason = _code_of(error), error
            elif error is not None and not isinstance(error, ClientLeft | ConnectionError):
                code = CloseCode.INTERNAL
                raise error
        finally:
            await self._end(ways, code, reason)

    async def pass_on(self, message: bytes) -> None:
        """Send the client an upstream's event."""
        await self.say(without_secret(message, None if self.upstream is None else self.upstream.upstream.secret))

    async def say(self, message: bytes) -> None:
        """Send the client an event. Raises Refusal if it does not read."""
        await say_within(self.socket, message.decode(errors="replace"), self.house.sockets.read_seconds)

    async def tell(self, refusal: Refusal, event: Event | None) -> None:
        """Tell the client what was refused of an event. Raises it again if the socket cannot go on after it."""
        if isinstance(refusal, Ended) or errors.form(refusal).status == 401:
            raise refusal
        self.socket.reason = str(refusal.code)
        await self.say(self.said(refusal, event))

    async def _upwards(self) -> None:
        while True:
            message = await self.socket.message()
            self._heard = self._loop.time()
            self.credential = await identify(self.socket, self.house)
            event: Event | None = None
            try:
                if len(message) > self.house.body_bytes_max:
                    raise _too_large(self.house.body_bytes_max)
                event = read_event(message)
                await self.take(event, len(message))
            except Refusal as refusal:
                await self.tell(refusal, event)

    async def _downwards(self) -> None:
        await self._has_upstream.wait()
        upstream = self.upstream
        while upstream is not None and (message := await upstream.receive()) is not None:
            self._heard = self._heard_upstream = self._loop.time()
            await self.hear(message)

    async def _watch(self) -> None:
        limits = self.house.sockets
        while True:
            await asyncio.sleep(limits.tick_seconds)
            self.credential = await identify(self.socket, self.house)
            now, is_quiet = self._loop.time(), not self.turns()
            if self.house.ledger.is_stopping and is_quiet:
                raise stopping()
            if now - self._began > limits.session_seconds:
                raise _expired(f"was open for {limits.session_seconds:g} seconds, and is not open for longer")
            if is_quiet and now - self._heard > limits.idle_seconds:
                raise _expired(f"was silent for {limits.idle_seconds:g} seconds")
            self.look(now)

    def look(self, now: float) -> None:
        """Raise Refusal if an upstream that has something to say is silent for too long."""
        turns = self.turns()
        if self.upstream is None or not turns:
            return
        upstream = self.upstream.upstream
        since = max(self._heard_upstream, min(turn.began for turn in turns))
        if now - since > upstream.idle_timeout_ms / 1000:
            raise Refusal(
                Code.UPSTREAM_TIMEOUT, f"The upstream {upstream.name} did not answer in time.", hint="Try again."
            )

    async def _until_cut(self) -> None:
        await self._is_cut.wait()
        raise stopping()

    async def _end(self, ways: list[asyncio.Task[None]], code: CloseCode, reason: Refusal | None) -> None:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        self.settle("client_left" if self.socket.client_has_left else "upstream_cut")
        if reason is not None:
            self.socket.reason = str(reason.code)
        try:
            await self._say_goodbye(code, reason)
        finally:
            if self.upstream is not None:
                await self.upstream.close()

    async def _say_goodbye(self, code: CloseCode, reason: Refusal | None) -> None:
        """Last words, and the end: whoever does not read them now never will."""
        with suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(self.house.sockets.goodbye_seconds):
                if reason is not None and not self.socket.client_has_left:
                    await self.socket.say(self.said(reason, None).decode())
                await self.socket.close(code, "" if reason is None else reason.message)


def _code_of(refusal: Refusal) -> CloseCode:
    if refusal.code is Code.STOPPING:
        return CloseCode.RESTART
    if refusal.code is Code.SESSION_EXPIRED:
        return CloseCode.GOING_AWAY
    return CloseCode.POLICY if errors.form(refusal).status in (401, 403) else CloseCode.INTERNAL


def _expired(how: str) -> Refusal:
    return Refusal(Code.SESSION_EXPIRED, f"The socket {how}.", hint="Open another one.")


def _too_large(bytes_max: int) -> Refusal:
    return Refusal(
        Code.BODY_TOO_LARGE,
        f"The event is larger than {bytes_max / 1_000_000:g} MB.",
        hint="Send it in smaller pieces.",
    )
