"""One address, three doors: which application answers a request, decided on the raw path alone.

Model calls go to the gateway before any framework has touched them. Behind a trusted proxy the client's
address is taken from `X-Forwarded-For` here, once for all doors, and from nobody else.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

_PLAIN = [(b"content-type", b"text/plain; charset=utf-8"), (b"cache-control", b"no-store")]


class Doors:
    """The whole application. `is_ready` says whether calls can be served right now, `metrics` is their page.

    Into `statuses` the answers are counted by door and class of status: `("gateway", 2)`.
    """

    def __init__(
        self,
        *,
        gateway: ASGIApp,
        admin: ASGIApp,
        console: ASGIApp,
        is_ready: Callable[[], bool],
        metrics: Callable[[], bytes],
        statuses: dict[tuple[str, int], int],
        trusted_proxies: Iterable[str] = (),
    ) -> None:
        self._gateway = gateway
        self._admin = admin
        self._console = console
        self._is_ready = is_ready
        self._metrics = metrics
        self._statuses = statuses
        self._trusted = [ip_network(network) for network in trusted_proxies]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request to the door that its path names."""
        if scope["type"] == "lifespan":
            await _live(receive, send)
            return
        if scope["type"] != "http":
            # A refused WebSocket handshake is answered with 403 by the server (ASGI, Websocket).
            await send({"type": "websocket.close"})
            return
        if self._trusted:
            _believe(scope, self._trusted)
        path: str = scope["path"]
        if path.startswith("/v1/"):
            is_admin = path.startswith("/v1/organization/") or path == "/v1/organization"
            if is_admin:
                await self._admin(scope, receive, self._counting("admin", send))
            else:
                await self._gateway(scope, receive, self._counting("gateway", send))
        elif path == "/healthz":
            await _say(send, 200, b"ok\n")
        elif path == "/readyz":
            is_ready = self._is_ready()
            await _say(send, 200 if is_ready else 503, b"ready\n" if is_ready else b"the ledger cannot be written\n")
        elif path == "/metrics":
            # On a thread: what it is made with is slow to load.
            await _say(send, 200, await asyncio.to_thread(self._metrics))
        else:
            await self._console(scope, receive, self._counting("console", send))

    def _counting(self, door: str, send: Send) -> Send:
        """`send` that counts the answer by its status. It is called for every piece of a stream, so it does no more."""
        statuses = self._statuses

        def counting(message: MutableMapping[str, Any]) -> Awaitable[None]:
            if message["type"] == "http.response.start":
                answer = (door, message["status"] // 100)
                statuses[answer] = statuses.get(answer, 0) + 1
            return send(message)

        return counting


async def _live(receive: Receive, send: Send) -> None:
    """Answer a server that insists on the lifespan protocol: what has to be opened is open already."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def _say(send: Send, status: int, body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": _PLAIN})
    await send({"type": "http.response.body", "body": body})


def _believe(scope: Scope, trusted: list[IPv4Network | IPv6Network]) -> None:
    """Take the client's address from the nearest hop that is not a trusted proxy itself."""
    client = scope.get("client")
    if client is None or not _is_trusted(client[0], trusted):
        return
    hops = [
        hop.strip()
        for name, value in scope["headers"]
        if name == b"x-forwarded-for"
        for hop in value.decode("latin-1").split(",")
    ]
    for hop in reversed(hops):
        try:
            ip_address(hop)
        except ValueError:
            return
        scope["client"] = (hop, 0)
        if not _is_trusted(hop, trusted):
            return


def _is_trusted(address: str, trusted: list[IPv4Network | IPv6Network]) -> bool:
    try:
        found = ip_address(address)
    except ValueError:
        return False
    return any(found in network for network in trusted)
