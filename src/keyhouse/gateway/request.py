"""One HTTP request as the gateway sees it: what came with it, how its body is read, how it is answered."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, MutableMapping
from typing import Any, Final

from keyhouse.core.clock import Clock, Entropy
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.key import Credential
from keyhouse.core.money import Counts
from keyhouse.gateway.body_room import BodyRoom
from keyhouse.gateway.presented import Presented
from keyhouse.wire.errors import OPENAI
from keyhouse.wire.headers import Headers

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

BODY_BYTES_MAX: Final = 20 * 1000 * 1000
BODY_SECONDS_MAX: Final = 60.0
UPLOAD_BYTES_MAX: Final = 100 * 1000 * 1000
"""What a form may weigh: it holds files."""

UPLOAD_SECONDS_MAX: Final = 300.0
DISCARD_BYTES_MAX: Final = 100 * 1000 * 1000
DISCARD_SECONDS_MAX: Final = 5.0

AT_HAND: Final = "keyhouse.at_hand"
"""What our own server adds to ASGI: asks for the whole body if it has come, None if it has to be waited for."""

WHOLE: Final = "keyhouse.response.whole"
"""And what it takes beside ASGI's messages: an answer in one."""

FOUND: Final = "keyhouse.found"
"""And a place for what follows from a request's head alone, which later requests with the same head share."""

_PRESENTED: Final = "presented"

_JSON: Final = b"application/json"


class ClientLeft(Exception):  # noqa: N818  it is news, not a fault
    """The client closed its connection before its request was whole."""


class Request:
    """A request and what becomes of it. What is set on it by the steps ends up in the access log's line."""

    __slots__ = (
        "_at_hand",
        "_clock",
        "_headers",
        "_receive",
        "_room",
        "_send",
        "_started_ms",
        "address",
        "call_id",
        "charged_nano_usd",
        "client_has_left",
        "counts",
        "credential",
        "dialect",
        "entropy",
        "first_byte_ms",
        "flags",
        "held_bytes",
        "is_answered",
        "is_streamed",
        "method",
        "model",
        "path",
        "presented",
        "query",
        "reason",
        "request_id",
        "status",
        "upstream",
    )

    def __init__(
        self, scope: Scope, receive: Receive, send: Send, clock: Clock, entropy: Entropy, room: BodyRoom
    ) -> None:
        self._receive = receive
        self._send = send
        self._clock = clock
        self._room = room
        self.held_bytes = 0
        self._started_ms = clock.monotonic_ms()
        random = entropy(26)
        self.request_id = "req_" + random[:16].hex()
        self.entropy = random[16:]
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.query: bytes = scope.get("query_string", b"")
        client = scope.get("client")
        self.address: str = client[0] if client else ""
        extensions: dict[str, Any] = scope.get("extensions", {})
        self._at_hand: Callable[[], bytes | None] | None = extensions.get(AT_HAND)
        self._headers: Iterable[tuple[bytes, bytes]] = scope["headers"]
        found: dict[str, Any] = extensions.get(FOUND, {})
        presented: Presented | None = found.get(_PRESENTED)
        if presented is None:
            presented = found[_PRESENTED] = Presented(self._headers)
        self.presented = presented
        self.dialect = OPENAI
        self.credential: Credential | None = None
        self.call_id: str | None = None
        self.model: str | None = None
        self.upstream: str | None = None
        self.is_streamed = False
        self.is_answered = False
        self.client_has_left = False
        self.status = 0
        self.reason: str | None = None
        self.counts: Counts | None = None
        self.charged_nano_usd: int | None = None
        self.first_byte_ms: int | None = None
        self.flags = ""

    @property
    def elapsed_ms(self) -> int:
        """Milliseconds since the request came."""
        return round(self._clock.monotonic_ms() - self._started_ms)

    def values(self, name: bytes) -> list[bytes]:
        """The values of every header of this name, which is in lower case."""
        return [value for given, value in self._headers if given == name]

    def form_type(self) -> str | None:
        """The content type, if it is a form's."""
        kinds = self.values(b"content-type")
        if len(kinds) != 1 or not kinds[0].lower().startswith(b"multipart/"):
            return None
        return kinds[0].decode("latin-1")

    def passing(self, names: Collection[bytes]) -> list[tuple[str, str]]:
        """The headers of these names, to be passed on. One that is not ASCII counts as absent."""
        if not names:
            return []
        return [(name.decode(), value.decode()) for name, value in self._headers if name in names and value.isascii()]

    async def body(self, bytes_max: int = BODY_BYTES_MAX, seconds_max: float = BODY_SECONDS_MAX) -> bytes:
        """The whole body. Raises Refusal if it is too large or too slow, ClientLeft if it never ends."""
        # Most bodies have come with their heads: nothing to wait for, and no deadline to set.
        body = None if self._at_hand is None else self._at_hand()
        if body is not None:
            if len(body) > bytes_max:
                raise _too_large(bytes_max)
            return body
        parts = bytearray()
        await self.feed(parts.extend, bytes_max, seconds_max)
        return bytes(parts)

    async def feed(self, take: Callable[[bytes], None], bytes_max: int, seconds_max: float) -> None:
        """Give the body to `take` as it comes, so that it is not held twice. Raises what `body` and `take` do."""
        await self._refuse_announced(bytes_max, seconds_max)
        try:
            async with asyncio.timeout(seconds_max):
                await self._take_parts(take, bytes_max)
        except TimeoutError:
            raise body_timeout(seconds_max) from None

    async def _take_parts(self, take: Callable[[bytes], None], bytes_max: int) -> None:
        seen = 0
        while True:
            message = await self._receive()
            if message["type"] != "http.request":
                raise ClientLeft
            part = message.get("body", b"")
            seen += len(part)
            if seen > bytes_max:
                if message.get("more_body"):
                    await self._discard(DISCARD_SECONDS_MAX)
                raise _too_large(bytes_max)
            try:
                self._room.take(len(part))
            except Refusal:
                if message.get("more_body"):
                    await self._discard(DISCARD_SECONDS_MAX)
                raise
            self.held_bytes += len(part)
            take(part)
            if not message.get("more_body"):
                return

    async def _refuse_announced(self, bytes_max: int, seconds_max: float) -> None:
        """Refuse a body that says itself that it is too large."""
        announced = self.values(b"content-length")
        if len(announced) == 1 and announced[0].isdigit() and int(announced[0][:20]) > bytes_max:
            await self._discard(min(seconds_max, DISCARD_SECONDS_MAX))
            raise _too_large(bytes_max)

    async def _discard(self, seconds_max: float) -> None:
        """Let a body that will be refused run out for a moment: who is still sending would not read the answer."""
        seen = 0
        try:
            async with asyncio.timeout(seconds_max):
                while seen < DISCARD_BYTES_MAX:
                    message = await self._receive()
                    seen += len(message.get("body", b""))
                    if not message.get("more_body"):
                        return
        except TimeoutError:
            return

    async def until_client_leaves(self) -> None:
        """Wait for the client to close its connection. Only after the body was read."""
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.client_has_left = True

    async def start(self, status: int, headers: Headers) -> None:
        """Begin the answer."""
        self.is_answered = True
        self.status = status
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def send(self, body: bytes) -> None:
        """Send a part of the answer."""
        await self._send({"type": "http.response.body", "body": body, "more_body": True})

    async def end(self, body: bytes = b"") -> None:
        """Send the last part of the answer."""
        await self._send({"type": "http.response.body", "body": body})

    async def break_off(self, refusal: Refusal, last_words: bytes | None) -> None:
        """Leave an answer unfinished, after last words that say why, if it has a place for them.

        The server then closes the connection, so that nobody can take the answer for a whole one.
        """
        self.reason = str(refusal.code)
        if last_words:
            await self.send(last_words)

    async def answer(self, status: int, headers: Headers, body: bytes) -> None:
        """The whole answer at once."""
        if self._at_hand is None:
            await self.start(status, headers)
            await self.end(body)
        else:
            self.is_answered = True
            self.status = status
            await self._send({"type": WHOLE, "status": status, "headers": headers, "body": body})

    async def answer_json(self, content: bytes) -> None:
        """A whole answer in JSON that no call stands behind."""
        headers = [
            (b"content-type", _JSON),
            (b"content-length", b"%d" % len(content)),
            (b"x-request-id", self.request_id.encode()),
            (b"openai-version", b"2020-10-01"),
            (b"openai-processing-ms", b"%d" % self.elapsed_ms),
        ]
        await self.answer(200, headers, content)


def body_timeout(seconds_max: float) -> Refusal:
    """The refusal of a body that is too slow."""
    return Refusal(
        Code.BODY_TIMEOUT,
        f"The request's body did not come within {seconds_max:g} seconds.",
        hint="Send it in one go.",
    )


def _too_large(bytes_max: int) -> Refusal:
    return Refusal(
        Code.BODY_TOO_LARGE,
        f"The request's body is larger than {bytes_max / 1_000_000:g} MB.",
        hint="Send less text, or smaller files.",
    )
