"""A WebSocket as ASGI has it, on a connection that HTTP has left (RFC 6455). Frames are the websockets library's.

Until the application accepts it, it is a request like any other, and can be answered like one (ASGI, WebSocket Denial
Response). Messages go through whole; nothing is compressed.
"""

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import Any, Final

from websockets.datastructures import Headers as HandshakeHeaders
from websockets.exceptions import InvalidHandshake
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import SERVER, Protocol, State
from websockets.server import ServerProtocol

from keyhouse.server.exchange import UNREAD_BYTES_MAX, ClientGone, Exchange, Message, Wire

MESSAGE_BYTES_MAX: Final = 16 * 1024 * 1024

_MESSAGE_WEIGHT_MIN: Final = 256

_DENIED: Final = "websocket.http.response."


class Socket:
    """What a request for a WebSocket becomes. `receive` and `send` are the application's, the rest its connection's."""

    def __init__(self, exchange: Exchange, wire: Wire, loop: asyncio.AbstractEventLoop) -> None:
        self._exchange = exchange
        self._wire = wire
        self._loop = loop
        self._protocol = Protocol(SERVER, state=State.OPEN, max_size=MESSAGE_BYTES_MAX)
        self._messages: deque[Message] = deque([{"type": "websocket.connect"}])
        self._part = bytearray()
        self._is_text = False
        self._unread = 0
        self._waiter: asyncio.Future[None] | None = None
        self.scope = exchange.scope
        self.is_open = self.is_over = self.is_asked = False

    @property
    def is_answered(self) -> bool:
        """Whether the application has ended it, or answered something else."""
        return self.is_over or self._exchange.is_answered

    @property
    def is_full(self) -> bool:
        """Whether the application has to take something before more may come."""
        return not self.is_open or self._unread > UNREAD_BYTES_MAX

    # What the connection says.

    def take(self, data: bytes) -> None:
        """Bytes have come."""
        self.is_asked = False
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Frame):
                self._take_frame(event)
        self._flush()
        if self.is_full:
            self._wire.pause()
        if self._protocol.close_expected():
            said = self._protocol.close_rcvd
            self._end(CloseCode.ABNORMAL_CLOSURE if said is None else said.code, "" if said is None else said.reason)

    def leave(self) -> None:
        """The client has gone."""
        self._end(CloseCode.ABNORMAL_CLOSURE, "")

    def ask(self) -> None:
        """Ask the client whether it is still there."""
        self.is_asked = True
        self._protocol.send_ping(b"")
        self._flush()

    # What the application says.

    async def receive(self) -> Message:
        """The next message, or that there will be none."""
        while not self._messages:
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        message = self._messages.popleft()
        if message["type"] == "websocket.receive":
            self._unread -= _weight(message)
            if not self._messages:
                self._wire.resume()
        return message

    async def send(self, message: Message) -> None:
        """Open the socket, send a message, or end it. Raises ClientGone once the client has ended it."""
        kind: str = message["type"]
        if not self.is_open:
            await self._answer(kind, message)
            return
        if self.is_over or self._wire.is_lost:
            raise ClientGone("the client has ended the socket")
        if kind == "websocket.send":
            text = message.get("text")
            if text is not None:
                self._protocol.send_text(text.encode())
            else:
                self._protocol.send_binary(message["bytes"])
        elif kind == "websocket.close":
            self._protocol.send_close(message.get("code", CloseCode.NORMAL_CLOSURE), message.get("reason") or "")
            self.is_over = True
        else:
            raise RuntimeError(f"an open socket does not know {kind}")
        self._flush()
        await self._wire.drained()

    async def _answer(self, kind: str, message: Message) -> None:
        if kind == "websocket.accept":
            await self._accept(message.get("subprotocol"), message.get("headers") or ())
        elif kind == "websocket.close":
            await self._deny(403)
        elif kind.startswith(_DENIED):
            # What the client sends next would be read as a socket's, and a proxy may hand it another client's request.
            self._exchange.is_kept_alive = False
            await self._exchange.send({**message, "type": kind.removeprefix("websocket.")})
        else:
            raise RuntimeError(f"{kind} before the socket was accepted")

    async def _accept(self, subprotocol: str | None, more: Iterable[tuple[bytes, bytes]]) -> None:
        try:
            accepted, _, _ = ServerProtocol().process_request(_handshake(self._exchange.scope))
        except InvalidHandshake:
            await self._deny(400)
            raise ClientGone("its handshake was none") from None
        headers = [
            (b"upgrade", b"websocket"),
            (b"connection", b"Upgrade"),
            (b"sec-websocket-accept", accepted.encode()),
            *more,
        ]
        if subprotocol is not None:
            headers.append((b"sec-websocket-protocol", subprotocol.encode()))
        self._wire.write(self._exchange.make_head(101, headers))
        self.is_open = True
        self._wire.resume()

    async def _deny(self, status: int) -> None:
        headers = [(b"content-length", b"0"), (b"connection", b"close")]
        await self._exchange.send({"type": "http.response.start", "status": status, "headers": headers})
        await self._exchange.send({"type": "http.response.body"})

    def _take_frame(self, frame: Frame) -> None:
        if frame.opcode in (Opcode.TEXT, Opcode.BINARY):
            self._is_text = frame.opcode is Opcode.TEXT
        elif frame.opcode is not Opcode.CONT:
            return
        self._part += frame.data
        if not frame.fin:
            return
        whole = bytes(self._part)
        self._part.clear()
        message: dict[str, Any] = {"type": "websocket.receive"}
        if self._is_text:
            try:
                message["text"] = whole.decode()
            except UnicodeDecodeError:
                self._protocol.fail(CloseCode.INVALID_DATA, "a text that is not UTF-8")
                return
        else:
            message["bytes"] = whole
        self._unread += _weight(message)
        self._messages.append(message)
        self._wake()

    def _end(self, code: int, reason: str) -> None:
        if not self.is_over:
            self.is_over = True
            self._messages.append({"type": "websocket.disconnect", "code": code, "reason": reason})
            self._wake()

    def _flush(self) -> None:
        """Send what the protocol has to say; nothing at its end, after which the connection closes."""
        for data in self._protocol.data_to_send():
            if data:
                self._wire.write(data)
            else:
                self._wire.end()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def _weight(message: Message) -> int:
    """What a message counts among those that wait: an empty one takes memory, too."""
    return _MESSAGE_WEIGHT_MIN + len(message.get("text") or message.get("bytes") or b"")


def _handshake(scope: Message) -> Request:
    headers = HandshakeHeaders()
    for name, value in scope["headers"]:
        headers[name.decode("latin-1")] = value.decode("latin-1")
    return Request(scope["path"], headers)
