"""A WebSocket to an upstream, over a connection to an address that was vetted (`upstream.py`).

The protocol is the `websockets` library's. It is given a connection instead of an address, so it resolves nothing, and
follows no redirect and no proxy. It logs nothing either: what it would log are headers, our credential among them.
"""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from websockets.asyncio.client import ClientConnection
from websockets.client import ClientProtocol
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, WebSocketException
from websockets.uri import parse_uri

from keyhouse.core.errors import Code, Refusal
from keyhouse.gateway.answer import Unanswered
from keyhouse.gateway.passing import broken, own_fault
from keyhouse.gateway.routing import Upstream

MESSAGE_BYTES_MAX: Final = 16 * 1024 * 1024
"""What one event of an upstream may weigh. OpenAI's own maximum of a client's is 15 MiB of audio."""

WAITING_MAX: Final = 4
"""How many events wait here to be passed on before no more are read."""

CLOSE_SECONDS: Final = 2.0
PING_SECONDS: Final = 20.0


class Ended(Refusal):
    """The upstream has ended the session, or its session must be: nothing more can be asked on its socket."""

    @classmethod
    def of(cls, refusal: Refusal) -> "Ended":
        """This refusal, as one that ends the socket."""
        return cls(refusal.code, refusal.message, hint=refusal.hint, internal=refusal.internal)


class UpstreamSocket:
    """An open WebSocket to `upstream`."""

    def __init__(self, upstream: Upstream, connection: ClientConnection) -> None:
        self.upstream = upstream
        self._connection = connection

    async def send(self, message: bytes) -> None:
        """Send an event. Waits while the upstream does not read. Raises Ended if it has gone."""
        try:
            await self._connection.send(message, text=True)
        except (ConnectionClosed, OSError) as error:
            raise self._ended(error) from None

    async def receive(self) -> bytes | None:
        """The next event; None once the upstream has ended the session well. Raises Ended if it broke off."""
        try:
            message = await self._connection.recv()
        except ConnectionClosed as error:
            if error.rcvd is not None and error.rcvd.code in (1000, 1001):
                return None
            raise self._ended(error) from None
        if isinstance(message, bytes):
            raise Ended.of(broken(self.upstream, "sent a message that is not text"))
        return message.encode()

    async def close(self) -> None:
        """Say goodbye, and let go of the connection."""
        with suppress(ConnectionClosed, OSError, TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._connection.close()
        self._connection.transport.abort()

    def _ended(self, error: Exception) -> Ended:
        ended = Ended.of(broken(self.upstream, "broke off in the middle of a session"))
        ended.internal = _harmless(error)
        return ended


def a_connection(url: str) -> ClientConnection:
    """The client's end of a WebSocket that has no connection yet. `url` only names what is asked for."""
    silent = logging.getLogger("keyhouse.silent")
    silent.disabled = True
    protocol = ClientProtocol(parse_uri(url), max_size=MESSAGE_BYTES_MAX, logger=silent)
    return ClientConnection(
        protocol,
        ping_interval=PING_SECONDS,
        ping_timeout=PING_SECONDS,
        close_timeout=CLOSE_SECONDS,
        max_queue=WAITING_MAX,
    )


async def shake_hands(upstream: Upstream, connection: ClientConnection, headers: Mapping[str, str]) -> UpstreamSocket:
    """The socket on a connection that stands. Raises Refusal, or Unanswered where another upstream may be asked."""
    try:
        async with asyncio.timeout(upstream.connect_timeout_ms / 1000):
            await connection.handshake(headers, None)
    except InvalidStatus as error:
        connection.transport.abort()
        raise _refused(upstream, error.response.status_code) from None
    except (InvalidHandshake, WebSocketException, OSError, EOFError, TimeoutError) as error:
        connection.transport.abort()
        raise Unanswered(
            Code.UPSTREAM_UNAVAILABLE,
            f"The upstream {upstream.name} did not open a WebSocket.",
            hint="Try again in a moment; if it stays so, an administrator should check it.",
            internal=_harmless(error),
        ) from None
    except BaseException:
        connection.transport.abort()
        raise
    connection.start_keepalive()
    return UpstreamSocket(upstream, connection)


def _refused(upstream: Upstream, status: int) -> Refusal:
    if status == 429 or status >= 500:
        return Unanswered(
            Code.UPSTREAM_UNAVAILABLE,
            f"The upstream {upstream.name} takes no WebSocket right now: it answered {status}.",
            hint="Try again in a moment.",
            internal=f"answered {status}",
        )
    return own_fault(status, upstream) or broken(upstream, f"takes no WebSocket here: it answered {status}")


def _harmless(error: Exception) -> str:
    """What an error may say in a log: its kind and its close code, not the other side's words."""
    code = error.rcvd.code if isinstance(error, ConnectionClosed) and error.rcvd is not None else None
    return type(error).__name__ if code is None else f"{type(error).__name__} {code}"
