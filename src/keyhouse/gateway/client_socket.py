"""A client that asks for a WebSocket, and the socket that becomes of it, as ASGI has it.

Until it is accepted it is a request like any other: who asks for what is known by its headers alone, and a refusal is
answered with its status, as on HTTP. Afterwards there are messages, one way and the other, and an end with a code.
"""

import asyncio
from collections.abc import MutableMapping
from enum import IntEnum
from typing import Any, Final

from keyhouse.core.clock import Clock, Entropy
from keyhouse.core.errors import Code, Refusal
from keyhouse.gateway.body_room import BodyRoom
from keyhouse.gateway.request import ClientLeft, Receive, Request, Scope, Send
from keyhouse.wire.headers import Headers

SUBPROTOCOL: Final = "realtime"
"""What browsers ask for, and want to be answered with (OpenAI, Realtime with WebSocket)."""

_IN_SUBPROTOCOL: Final = "openai-insecure-api-key."
"""How a browser would send a key, which then anybody can read who uses it: not taken here."""

REASON_BYTES_MAX: Final = 120
"""What a close frame may say is 123 bytes at most (RFC 6455, 5.5)."""


class CloseCode(IntEnum):
    """How a socket ends (RFC 6455, 7.4.1, and IANA's registry after it)."""

    NORMAL = 1000
    GOING_AWAY = 1001
    POLICY = 1008
    INTERNAL = 1011
    RESTART = 1012


class ClientSocket(Request):
    """A request for a WebSocket, and its client's end of it. Its line in the access log is written when it ends."""

    __slots__ = ("_is_connected", "_is_over", "subprotocols")

    def __init__(
        self, scope: Scope, receive: Receive, send: Send, clock: Clock, entropy: Entropy, room: BodyRoom
    ) -> None:
        super().__init__({**scope, "method": "GET"}, receive, send, clock, entropy, room)
        self._is_connected = False
        self._is_over = False
        self.subprotocols: list[str] = list(scope.get("subprotocols") or ())
        self.is_streamed = True
        if any(one.startswith(_IN_SUBPROTOCOL) for one in self.subprotocols):
            self.presented.is_elsewhere = True

    async def accept(self) -> None:
        """Open the socket."""
        await self._connect()
        self.is_answered = True
        self.status = 101
        await self._send(
            {
                "type": "websocket.accept",
                "subprotocol": SUBPROTOCOL if SUBPROTOCOL in self.subprotocols else None,
                "headers": [(b"x-request-id", self.request_id.encode())],
            }
        )

    async def message(self) -> bytes:
        """The client's next message, text or not, as bytes. Raises ClientLeft when there will be none."""
        received = await self._receive()
        if received["type"] != "websocket.receive":
            self._is_over = self.client_has_left = True
            raise ClientLeft
        text: str | None = received.get("text")
        return text.encode() if text is not None else received.get("bytes") or b""

    async def say(self, message: str) -> None:
        """Send a message. Waits while the client does not read."""
        await self._send({"type": "websocket.send", "text": message})

    async def close(self, code: int, reason: str = "") -> None:
        """End the socket, unless the client has done so."""
        if self._is_over:
            return
        self._is_over = True
        said = reason.encode()[:REASON_BYTES_MAX].decode(errors="ignore")
        await self._send({"type": "websocket.close", "code": code, "reason": said})

    async def start(self, status: int, headers: Headers) -> None:
        """Begin an answer instead of the socket. Once there is a socket, there is no other answer."""
        await self._connect()
        self.is_answered = True
        self._is_over = True
        self.status = status
        await self._send({"type": "websocket.http.response.start", "status": status, "headers": headers})

    async def end(self, body: bytes = b"") -> None:
        """The answer's body."""
        await self._send({"type": "websocket.http.response.body", "body": body})

    async def _connect(self) -> None:
        """ASGI's first word, which must be heard before anything is said."""
        if self._is_connected:
            return
        self._is_connected = True
        first: MutableMapping[str, Any] = await self._receive()
        if first["type"] != "websocket.connect":
            raise ClientLeft


async def say_within(socket: ClientSocket, message: str, seconds: float) -> None:
    """Send a message to a client that reads. Raises Refusal if it has not taken it in time."""
    try:
        async with asyncio.timeout(seconds):
            await socket.say(message)
    except TimeoutError:
        socket.client_has_left = True
        raise Refusal(
            Code.SESSION_EXPIRED,
            f"The socket's client has not read for {seconds:g} seconds.",
            hint="Read what comes, or open another socket.",
        ) from None
