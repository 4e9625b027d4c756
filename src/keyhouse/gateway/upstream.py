"""The way to an upstream over HTTP, and its guard. Nothing else in Keyhouse speaks to model servers.

No route can miss the guard, because every connection is made here, and to what `address.py` lets through: a name
is resolved here, every address of it is vetted, and the connection goes to the vetted address, so a name cannot mean
something else the second time. Redirects are
not followed, proxies of the environment not used, cookies not kept. What goes up is the body, a fixed list
of headers, and the upstream's own credential.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final, Self, TypeVar

import certifi
import msgspec

from keyhouse import __version__
from keyhouse.core.clock import Clock
from keyhouse.core.errors import Code, Refusal
from keyhouse.gateway.address import Forbidden, Place, vet
from keyhouse.gateway.answer import Answer, Unanswered, Unsent, compressed
from keyhouse.gateway.http1 import Broken, Connection, Silent
from keyhouse.gateway.routing import Auth, Upstream
from keyhouse.gateway.upstream_socket import UpstreamSocket, a_connection, shake_hands
from keyhouse.wire.form import Upload
from keyhouse.wire.headers import ANTHROPIC_VERSION, UPWARDS

P = TypeVar("P", bound=asyncio.Protocol)
Resolve = Callable[[str], Awaitable[list[str]]]
"""All addresses of a name, as text."""

RESOLVED_MS: Final = 30_000
"""How long an address is used before its name is resolved again."""

MODELS_SECONDS: Final = 3.0
IDLE_SECONDS: Final = 30.0
"""How long a connection is kept for the next request."""

HEADER_BYTES_MAX: Final = 1_000
"""What a header of an answer may weigh to be passed on."""

_PLAIN: Final = (b"identity", b"")

LOOK_SECONDS: Final = 1.0
"""After how long an idle connection is looked at before it is used: the upstream may just have closed it."""


class _Listed(msgspec.Struct):
    id: str


class _Models(msgspec.Struct):
    data: list[_Listed]


class UpstreamClient:
    """Connections to every upstream. `resolve` is the system's resolver; tests give another."""

    def __init__(self, clock: Clock, resolve: Resolve | None = None) -> None:
        self._clock = clock
        self._resolve = resolve or _resolve
        self._lines: dict[str, _Line] = {}

    def forward(
        self, upstream: Upstream, path: str, body: bytes | Upload, call_id: str, headers: Sequence[tuple[str, str]] = ()
    ) -> Answer:
        """A POST of `body` to `path` below the upstream's base, in the upstream's own form.

        Nothing is sent before the answer is entered.

        The upstream is told `call_id` as `x-request-id`, so that its record can be held against the books, and
        `headers` of the client's, which stand on the endpoint's own list.
        """
        if isinstance(body, Upload):
            headers = [*headers, ("content-type", body.content_type)]
            return _HttpAnswer(self._line_to(upstream), "POST", path, body.pieces, call_id, headers)
        return _HttpAnswer(self._line_to(upstream), "POST", path, (body,), call_id, headers)

    def ask(self, upstream: Upstream, method: str, target: str, request_id: str) -> Answer:
        """A `method` without a body on `target`, a vetted path and perhaps a query, below the upstream's base."""
        return _HttpAnswer(self._line_to(upstream), method, upstream.target(target), (), request_id, ())

    async def open_socket(self, upstream: Upstream, target: str, headers: Sequence[tuple[str, str]]) -> UpstreamSocket:
        """A WebSocket at `target` below the upstream's base. Raises Unsent, Unanswered, or Refusal for a plain no."""
        return await self._line_to(upstream).open_socket(target, headers)

    def _line_to(self, upstream: Upstream) -> "_Line":
        line = self._lines.get(upstream.name)
        if line is None or (line.upstream is not upstream and line.upstream != upstream):
            if line is not None:
                line.close()
            line = self._lines[upstream.name] = _Line(upstream, self._clock, self._resolve)
        return line

    async def list_models(self, upstream: Upstream) -> list[str]:
        """The names at `GET /models` of an upstream. Raises Refusal if it does not say within a few seconds."""
        line = _Line(upstream, self._clock, self._resolve)
        content = bytearray()
        try:
            async with asyncio.timeout(MODELS_SECONDS):
                async with _HttpAnswer(line, "GET", upstream.target("/models"), (), "models", ()) as answer:
                    while (chunk := await answer.chunk()) is not None:
                        content += chunk
            listed = msgspec.json.decode(bytes(content), type=_Models)
        except TimeoutError:
            raise _refusal(Silent("it did not list its models in time"), upstream, Unanswered) from None
        except msgspec.DecodeError as error:
            raise Refusal(
                Code.UPSTREAM_BROKEN, f"The upstream {upstream.name} does not list its models.", internal=str(error)
            ) from None
        finally:
            line.close()
        return [model.id for model in listed.data]

    async def close(self) -> None:
        """Close all connections."""
        for line in self._lines.values():
            line.close()


class _Line:
    """The connections to one upstream, all to vetted addresses of its name."""

    def __init__(self, upstream: Upstream, clock: Clock, resolve: Resolve) -> None:
        self.upstream = upstream
        self.secret = upstream.secret
        self._clock = clock
        self._resolve = resolve
        self._place = _place(upstream)
        self._headers = _headers(upstream)
        self._heads: dict[tuple[str, str], bytes] = {}
        self._addresses = [] if self._place.is_name else [self._place.host]
        self._resolved_until_ms = 0.0
        self._resolving = asyncio.Lock()
        self._tls: ssl.SSLContext | None = None
        self._idle: list[Connection] = []
        self._sweep: asyncio.TimerHandle | None = None

    def head(self, method: str, path: str, headers: Sequence[tuple[str, str]]) -> bytes:
        """A request's head as far as it is the same for every call; a header given goes before one of our own."""
        if headers:
            return self._place.head(method, path, {**self._headers, **dict(headers)})
        head = self._heads.get((method, path))
        if head is None:
            head = self._place.head(method, path, self._headers)
            # What is asked for again and again is the body's endpoint; the rest are ids.
            if method == "POST":
                self._heads[method, path] = head
        return head

    async def take(self) -> Connection:
        """A connection to an address that was vetted lately. Raises Unsent."""
        await self._vetted()
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open and (connection.idle_seconds < LOOK_SECONDS or connection.is_quiet):
                return connection
            connection.abort()
        loop, patience = asyncio.get_running_loop(), self.upstream.first_byte_timeout_ms / 1000
        return await self._dial(lambda address: Connection(loop, address, patience))

    async def _vetted(self) -> None:
        """Have addresses that were resolved and vetted lately. Raises Unsent."""
        if self._clock.monotonic_ms() >= self._resolved_until_ms:
            async with self._resolving:
                if self._clock.monotonic_ms() >= self._resolved_until_ms:
                    await self._renew()

    async def open_socket(self, target: str, headers: Sequence[tuple[str, str]]) -> UpstreamSocket:
        """A WebSocket to an address that was vetted lately. Raises Unsent, Unanswered or Refusal."""
        upstream = self.upstream
        all_headers = {**{name: self._headers[name] for name in self._headers.keys() - UPWARDS.keys()}, **dict(headers)}
        try:
            self._place.head("GET", target, all_headers)
        except Forbidden as error:
            raise _unsafe(upstream, str(error)) from None
        await self._vetted()
        url = f"ws{upstream.base_url.removeprefix('http')}{target}"
        return await shake_hands(upstream, await self._dial(lambda _: a_connection(url)), all_headers)

    def give_back(self, connection: Connection) -> None:
        """Keep a connection for the next request if it is good for one, and close it if not."""
        if not connection.is_reusable or connection.address not in self._addresses:
            connection.abort()
            return
        connection.rest()
        self._idle.append(connection)
        if self._sweep is None:
            self._sweep = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._close_idle)

    def close(self) -> None:
        """Close what is idle; what is in use ends with its call."""
        self._addresses = []
        while self._idle:
            self._idle.pop().abort()
        if self._sweep is not None:
            self._sweep.cancel()

    async def _renew(self) -> None:
        """Resolve the name again, if it is one, and vet what it means now. Raises Unsent."""
        upstream = self.upstream
        if self._place.is_name:
            try:
                async with asyncio.timeout(upstream.connect_timeout_ms / 1000):
                    found = await self._resolve(self._place.host)
            except (OSError, TimeoutError) as error:
                if not self._addresses:
                    raise Unsent(
                        Code.UPSTREAM_UNAVAILABLE,
                        f"The upstream {upstream.name} cannot be found.",
                        hint="An administrator should check its base_url and the server's DNS.",
                        internal=f"{self._place.host}: {error}",
                    ) from None
                found = []  # what was vetted before is still good while the resolver is away
            try:
                vet(found, allow_private=upstream.allow_private)
            except Forbidden as error:
                raise _unsafe(upstream, str(error)) from None
            if found and (not self._addresses or self._addresses[0] not in found):
                self._addresses = found
                for connection in self._idle:
                    if connection.address not in found:
                        connection.abort()
        self._resolved_until_ms = self._clock.monotonic_ms() + RESOLVED_MS

    async def _dial(self, make: Callable[[str], P]) -> P:
        """A new connection with its own protocol, to the first of the addresses that takes one. Raises Unsent."""
        upstream, place = self.upstream, self._place
        loop = asyncio.get_running_loop()
        if place.is_tls and self._tls is None:
            self._tls = _tls()
        problem: Exception | None = None
        for address in list(self._addresses):
            try:
                async with asyncio.timeout(upstream.connect_timeout_ms / 1000):
                    _, connection = await loop.create_connection(
                        partial(make, address),
                        address,
                        place.port,
                        ssl=self._tls,
                        server_hostname=place.host if place.is_tls else None,
                    )
            except (OSError, TimeoutError) as error:
                problem = error
                if self._addresses[0] == address:
                    # Take the next one from now on, because this one cannot be reached.
                    self._addresses.append(self._addresses.pop(0))
            else:
                return connection
        raise Unsent(
            Code.UPSTREAM_UNAVAILABLE,
            f"The upstream {upstream.name} cannot be reached.",
            hint="Try again in a moment; if it stays so, an administrator should check it.",
            internal=str(problem) or "it did not take a connection in time",
        )

    def _close_idle(self) -> None:
        """Close what has not been used for long; the longest idle come first."""
        self._sweep = None
        idle = self._idle
        while idle and (not idle[0].is_open or idle[0].idle_seconds >= IDLE_SECONDS):
            idle.pop(0).abort()
        if idle:
            left = IDLE_SECONDS - idle[0].idle_seconds
            self._sweep = asyncio.get_running_loop().call_later(left, self._close_idle)


class _HttpAnswer(Answer):
    """An answer over HTTP."""

    __slots__ = ("_body", "_connection", "_headers", "_line", "_method", "_path", "_request_id", "status")

    _connection: Connection

    def __init__(
        self,
        line: _Line,
        method: str,
        path: str,
        body: Sequence[bytes],
        request_id: str,
        headers: Sequence[tuple[str, str]],
    ) -> None:
        self._line = line
        self._method = method
        self._path = path
        self._body = body
        self._request_id = request_id
        self._headers = headers

    async def __aenter__(self) -> Self:
        line, body = self._line, self._body
        try:
            head = line.head(self._method, self._path, self._headers)
        except Forbidden as error:
            raise _unsafe(line.upstream, str(error)) from None
        end = b"x-request-id: %b\r\n\r\n" % self._request_id.encode()
        if self._method == "POST":
            end = b"content-length: %d\r\n%b" % (sum(map(len, body)), end)
        self._connection = await line.take()
        try:
            await self._connection.ask(head + end, body)
        except (Broken, Silent) as error:
            raise _refusal(error, line.upstream, Unanswered) from None
        except BaseException:
            self._connection.abort()
            raise
        self.status = self._connection.status
        coding = self._connection.headers.get(b"content-encoding")
        self.is_compressed = coding is not None and coding.lower() not in _PLAIN
        return self

    async def __aexit__(self, *_: object) -> None:
        self._line.give_back(self._connection)

    def header(self, name: str) -> str | None:
        """The first header of this name; one that is odd or shows our credential counts as absent."""
        value = self._connection.headers.get(name.encode())
        if value is None or not value.isascii() or len(value) > HEADER_BYTES_MAX:
            return None
        secret = self._line.secret
        return None if secret is not None and secret in value else value.decode()

    async def chunk(self) -> bytes | None:
        """The next bytes of the body, as many as have come."""
        if self.is_compressed:
            raise compressed(self._line.upstream)
        try:
            return await self._connection.chunk()
        except (Broken, Silent) as error:
            raise _refusal(error, self._line.upstream) from None


def _place(upstream: Upstream) -> Place:
    """Where an upstream is, if it may be called at all. Raises Unsent."""
    try:
        return Place(upstream.base_url, allow_private=upstream.allow_private)
    except Forbidden as error:
        raise _unsafe(upstream, str(error)) from None


def _headers(upstream: Upstream) -> dict[str, str]:
    """What every request to it carries."""
    headers = {"user-agent": f"keyhouse/{__version__}", **UPWARDS}
    if upstream.auth is Auth.X_API_KEY:
        # A client's own version, where it sends one, goes instead of this one.
        headers["anthropic-version"] = ANTHROPIC_VERSION
    if upstream.api_key is not None:
        name, value = _credential(upstream.auth, upstream.api_key)
        headers[name] = value
    return headers


def _credential(auth: Auth, api_key: str) -> tuple[str, str]:
    """The header in which an upstream wants its credential."""
    return ("authorization", f"Bearer {api_key}") if auth is Auth.BEARER else (auth.value, api_key)


def _tls() -> ssl.SSLContext:
    """How an upstream's certificate is checked: by the system's authorities; where it has none, by Mozilla's."""
    context = ssl.create_default_context()
    if not context.cert_store_stats()["x509_ca"]:
        context.load_verify_locations(certifi.where())
    context.set_alpn_protocols(["http/1.1"])
    return context


def _unsafe(upstream: Upstream, why: str) -> Unsent:
    return Unsent(
        Code.UPSTREAM_UNAVAILABLE,
        f"The upstream {upstream.name} is not called.",
        hint="An administrator should check its base_url, or set allow_private for a server of your own.",
        internal=why,
    )


def _refusal(error: Broken | Silent, upstream: Upstream, kind: type[Refusal] = Refusal) -> Refusal:
    """What it means to a client that an upstream fell silent or did not speak HTTP."""
    if isinstance(error, Silent):
        return kind(
            Code.UPSTREAM_TIMEOUT,
            f"The upstream {upstream.name} did not answer in time.",
            hint="Try again, with a shorter answer or streamed.",
            internal=str(error),
        )
    return kind(
        Code.UPSTREAM_BROKEN,
        f"The upstream {upstream.name} broke off or sent what is not HTTP.",
        hint="Try again; if it stays so, an administrator should check it.",
        internal=str(error),
    )


async def _resolve(name: str) -> list[str]:
    found = await asyncio.get_running_loop().getaddrinfo(name, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))
