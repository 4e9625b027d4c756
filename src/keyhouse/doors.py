"""One address, three doors: which application answers a request, decided on its path alone.

Before any door a request's head must mean one thing to everybody (`wire/head.py`), or it is turned away. Model calls
go to the gateway before any framework has touched them; to the other doors a body must come in time, as the gateway
sees to by itself. Behind a trusted proxy the client's
address is taken from `X-Forwarded-For` here, once for all doors, and from nobody else.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any, Final

from keyhouse.core.clock import Entropy
from keyhouse.core.errors import Refusal
from keyhouse.gateway.request import BODY_SECONDS_MAX, FOUND, body_timeout
from keyhouse.wire import errors
from keyhouse.wire.head import require_plain_head
from keyhouse.wire.openapi import TEXT_TYPE, Route

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

DESCRIBED: Final = (
    Route("GET", "/healthz", "healthz", "health", "Whether the process serves.", (200,), media_type=TEXT_TYPE),
    Route("GET", "/readyz", "readyz", "health", "Whether calls can be admitted.", (200, 503), media_type=TEXT_TYPE),
    Route("GET", "/metrics", "metrics", "health", "Metrics in Prometheus' format.", (200,), media_type=TEXT_TYPE),
    Route("GET", "/openapi.json", "openapi", "health", "This description.", (200,)),
    Route("GET", "/docs", "docs", "health", "This description as a page.", (200,), media_type="text/html"),
)
"""What is answered to machines and to who reads about them, as it is described."""

_OF_THE_ADMIN_API: Final = ("/v1/organization/", "/v1/projects/")

SWITCHED: Final = 101
"""The status of an answer that has become a WebSocket."""

_IS_PLAIN: Final = "is_plain"
_PLAIN = [(b"content-type", b"text/plain; charset=utf-8"), (b"cache-control", b"no-store")]


class Doors:
    """The whole application. `is_ready` says whether calls can be served right now, `metrics` is their page.

    Into `statuses` the answers are counted by door and class of status: `("gateway", 2)`; those to who was turned
    away before any door, as door `edge`.
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
        entropy: Entropy,
        trusted_proxies: Iterable[str] = (),
        body_seconds_max: float = BODY_SECONDS_MAX,
    ) -> None:
        self._gateway = gateway
        self._admin = admin
        self._console = console
        self._is_ready = is_ready
        self._metrics = metrics
        self._statuses = statuses
        self._entropy = entropy
        self._body_seconds_max = body_seconds_max
        self._trusted = [ip_network(network) for network in trusted_proxies]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request to the door that its path names."""
        if scope["type"] == "lifespan":
            await _live(receive, send)
            return
        if scope["type"] == "websocket":
            await self._open(scope, receive, send)
            return
        path: str = scope["path"]
        found = scope.get("extensions", {}).get(FOUND, {})
        try:
            if _IS_PLAIN not in found:
                target_bytes = len(path) + len(scope["query_string"])
                require_plain_head(scope["headers"], target_bytes, scope["http_version"])
                found[_IS_PLAIN] = True
        except Refusal as refusal:
            await self._turn_away(refusal, self._counting("edge", send))
            return
        if self._trusted:
            _believe(scope, self._trusted)
        if path.startswith("/v1/"):
            if path.startswith(_OF_THE_ADMIN_API) or path == "/v1/organization":
                await self._admin(scope, self._hurrying(receive), self._counting("admin", send))
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
            await self._console(scope, self._hurrying(receive), self._counting("console", send))

    async def _open(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request for a WebSocket to the gateway, which alone takes any."""
        path: str = scope["path"]
        is_taken = path.startswith("/v1/")
        try:
            require_plain_head(scope["headers"], len(path) + len(scope["query_string"]), scope["http_version"])
        except Refusal:
            is_taken = False
        if not is_taken:
            # The server answers 403 then (ASGI, WebSocket).
            await receive()
            await send({"type": "websocket.close"})
            return
        if self._trusted:
            _believe(scope, self._trusted)
        await self._gateway(scope, receive, self._counting("gateway", send))

    async def _turn_away(self, refusal: Refusal, send: Send) -> None:
        """Refuse a request that cannot be told apart from what follows it on its connection, and close that."""
        status, headers, body = errors.answer(refusal, f"req_{self._entropy(16).hex()}")
        headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _hurrying(self, receive: Receive) -> Receive:
        """`receive` that raises Refusal once a body takes too long. After the body it waits for as long as it is."""
        ends_at = asyncio.get_running_loop().time() + self._body_seconds_max
        is_whole = False

        async def hurrying() -> MutableMapping[str, Any]:
            nonlocal is_whole
            if is_whole:
                return await receive()
            try:
                async with asyncio.timeout_at(ends_at):
                    message = await receive()
            except TimeoutError:
                raise body_timeout(self._body_seconds_max) from None
            is_whole = not message.get("more_body")
            return message

        return hurrying

    def _counting(self, door: str, send: Send) -> Send:
        """`send` that counts the answer by its status. It is called for every piece of a stream, so it does no more."""
        statuses = self._statuses

        def counting(message: MutableMapping[str, Any]) -> Awaitable[None]:
            if message["type"].endswith((".start", ".whole", ".accept")):
                answer = (door, message.get("status", SWITCHED) // 100)
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
