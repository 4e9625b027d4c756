"""The way to an upstream over HTTP, and its guard. Nothing else in Keyhouse speaks to model servers.

No route can miss the guard, because it is here: plain http and addresses that are not public are refused
unless that upstream says `allow_private`; a name is resolved here, every address of it is vetted, and the
connection goes to the vetted address, so a name cannot mean something else the second time. Redirects are
not followed, proxies of the environment not used, cookies not kept. What goes up is the body, a fixed list
of headers, and the upstream's own credential.
"""

import asyncio
import socket
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final, Self

import msgspec
from pyreqwest.client import Client, ClientBuilder
from pyreqwest.exceptions import BuilderError, PyreqwestError, RequestTimeoutError
from pyreqwest.http import Url
from pyreqwest.request import RequestBuilder, StreamRequest
from pyreqwest.response import Response

from keyhouse import __version__
from keyhouse.core.clock import Clock
from keyhouse.core.errors import Code, Refusal
from keyhouse.gateway.routing import Auth, Upstream
from keyhouse.wire.headers import ANTHROPIC_VERSION, UPWARDS

Resolve = Callable[[str], Awaitable[list[str]]]
"""All addresses of a name, as text."""

RESOLVED_MS: Final = 30_000
"""How long an address is used before its name is resolved again."""

MODELS_TIMEOUT: Final = timedelta(seconds=3)

SHORT_BYTES: Final = 1024 * 1024
"""A plain answer up to this length is read in one go."""

POOL_IDLE: Final = timedelta(seconds=30)
_NAT64: Final = IPv6Network("64:ff9b::/96")


class Unsent(Refusal):
    """Nothing can have reached the upstream, so the call cost nothing."""


class Unanswered(Refusal):
    """The request may have reached the upstream, but no answer began: what it cost is not known."""


class _Listed(msgspec.Struct):
    id: str


class _Models(msgspec.Struct):
    data: list[_Listed]


class Answer(ABC):
    """An upstream's answer while it comes in: an async context manager that ends with it."""

    status: int

    @abstractmethod
    async def __aenter__(self) -> Self:
        """Send the request and wait for the answer to begin. Raises Unsent or Unanswered."""

    @abstractmethod
    async def __aexit__(self, *_: object) -> None:
        """Stop listening; the upstream sees its client leave."""

    @abstractmethod
    def header(self, name: str) -> str | None:
        """The first header of this name; None if there is none that can be read."""

    @abstractmethod
    async def chunk(self) -> bytes | None:
        """The next bytes of the body, None at its end. Raises Refusal if it was cut off."""


class UpstreamClient:
    """Connections to every upstream. `resolve` is the system's resolver; tests give another."""

    def __init__(self, clock: Clock, resolve: Resolve | None = None) -> None:
        self._clock = clock
        self._resolve = resolve or _resolve
        self._lines: dict[str, _Line] = {}

    def forward(
        self, upstream: Upstream, path: str, body: bytes, call_id: str, headers: Sequence[tuple[str, str]] = ()
    ) -> Answer:
        """A POST of `body` to `path` below the upstream's base. Nothing is sent before the answer is entered.

        The upstream is told `call_id` as `x-request-id`, so that its record can be held against the books, and
        `headers` of the client's, which stand on the endpoint's own list.
        """
        return _HttpAnswer(self._line_to(upstream), path, body, call_id, headers)

    def ask(self, upstream: Upstream, method: str, target: str, request_id: str) -> Answer:
        """A `method` without a body on `target`, a vetted path and perhaps a query, below the upstream's base."""
        return _BareAnswer(self._line_to(upstream), method, target, request_id)

    def _line_to(self, upstream: Upstream) -> "_Line":
        line = self._lines.get(upstream.name)
        if line is None or line.upstream != upstream:
            line = self._lines[upstream.name] = _Line(upstream, self._clock, self._resolve)
        return line

    async def list_models(self, upstream: Upstream) -> list[str]:
        """The names at `GET /models` of an upstream. Raises Refusal if it does not say within a few seconds."""
        line = _Line(upstream, self._clock, self._resolve)
        try:
            client = await line.client()
            answer = await client.get(line.url("/models")).timeout(MODELS_TIMEOUT).build().send()
            listed = msgspec.json.decode(bytes(await answer.bytes()), type=_Models)
        except PyreqwestError as error:
            raise _refusal(error, upstream, Unanswered) from None
        except msgspec.DecodeError as error:
            raise Refusal(
                Code.UPSTREAM_BROKEN, f"The upstream {upstream.name} does not list its models.", internal=str(error)
            ) from None
        finally:
            await line.close()
        return [model.id for model in listed.data]

    async def close(self) -> None:
        """Close all connections."""
        for line in self._lines.values():
            await line.close()


class _Line:
    """The connections to one upstream, all to vetted addresses of its name."""

    def __init__(self, upstream: Upstream, clock: Clock, resolve: Resolve) -> None:
        self.upstream = upstream
        self._clock = clock
        self._resolve = resolve
        self._url = _vetted_url(upstream)
        self._urls: dict[str, Url] = {}
        self._addresses: list[str] = []
        self._resolved_until_ms = 0.0
        self._resolving = asyncio.Lock()
        self._client: Client | None = None

    def url(self, path: str) -> Url:
        """The address of `path` at this upstream."""
        url = self._urls.get(path)
        if url is None:
            url = self._urls[path] = Url(self.upstream.base_url + path)
        return url

    async def client(self) -> Client:
        """Connections to an address that was vetted lately. Raises Unsent."""
        if self._client is not None and self._clock.monotonic_ms() < self._resolved_until_ms:
            return self._client
        async with self._resolving:
            if self._client is None or self._clock.monotonic_ms() >= self._resolved_until_ms:
                await self._renew()
        assert self._client is not None  # noqa: S101  _renew has made it, or raised
        return self._client

    @property
    def addresses(self) -> int:
        """How many addresses there are to try."""
        return max(1, len(self._addresses))

    def try_another(self, failed: Client) -> None:
        """Take the next address from now on, because this one cannot be reached."""
        if failed is self._client and len(self._addresses) > 1:
            self._addresses.append(self._addresses.pop(0))
            self._client = self._connected(self._addresses[0])

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.close()

    async def _renew(self) -> None:
        domain = self._url.domain
        if domain is not None:
            try:
                async with asyncio.timeout(self.upstream.connect_timeout_ms / 1000):
                    addresses = await self._resolve(domain)
            except (OSError, TimeoutError) as error:
                if self._client is None:
                    raise Unsent(
                        Code.UPSTREAM_UNAVAILABLE,
                        f"The upstream {self.upstream.name} cannot be found.",
                        hint="An administrator should check its base_url and the server's DNS.",
                        internal=f"{domain}: {error}",
                    ) from None
                addresses = []  # what was vetted before is still good while the resolver is away
            _vet(addresses, self.upstream)
            if addresses and (self._client is None or self._addresses[0] not in addresses):
                self._client = self._connected(addresses[0])
                self._addresses = addresses
        elif self._client is None:
            self._client = self._connected(None)
        self._resolved_until_ms = self._clock.monotonic_ms() + RESOLVED_MS

    def _connected(self, address: str | None) -> Client:
        headers = dict(UPWARDS)
        if self.upstream.auth is Auth.X_API_KEY:
            # A client's own version, where it sends one, goes instead of this one.
            headers["anthropic-version"] = ANTHROPIC_VERSION
        if self.upstream.api_key is not None:
            name, value = _credential(self.upstream.auth, self.upstream.api_key)
            headers[name] = value
        builder = (
            ClientBuilder()
            .user_agent(f"keyhouse/{__version__}")
            .default_headers(headers)
            .follow_redirects(enable=False)
            .referer(enable=False)
            .no_proxy()
            .gzip(enable=False)
            .brotli(enable=False)
            .zstd(enable=False)
            .deflate(enable=False)
            .connect_timeout(timedelta(milliseconds=self.upstream.connect_timeout_ms))
            .read_timeout(timedelta(milliseconds=self.upstream.first_byte_timeout_ms))
            .pool_idle_timeout(POOL_IDLE)
            .https_only(not self.upstream.allow_private)
        )
        if address is not None and self._url.domain is not None:
            # Port 0: the URL's own.
            builder = builder.resolve(self._url.domain, address, 0)
        return builder.build()


class _HttpAnswer(Answer):
    """An answer over HTTP."""

    __slots__ = ("_body", "_call_id", "_headers", "_is_read", "_line", "_path", "_request", "_response", "status")

    _request: StreamRequest
    _response: Response

    def __init__(self, line: _Line, path: str, body: bytes, call_id: str, headers: Sequence[tuple[str, str]]) -> None:
        self._line = line
        self._path = path
        self._body = body
        self._call_id = call_id
        self._headers = headers
        self._is_read = False

    async def __aenter__(self) -> Self:
        tries = 0
        while True:
            client = await self._line.client()
            try:
                builder = self._builder(client).header("x-request-id", self._call_id)
                for name, value in self._headers:
                    builder = builder.header(name, value)
                # Its default would hold the first bytes back until 64 KiB or the end have come.
                self._request = builder.body_bytes(self._body).streamed_read_buffer_limit(0).build_streamed()
                self._response = await self._request.__aenter__()
            except PyreqwestError as error:
                refusal = _refusal(error, self._line.upstream, Unanswered)
                tries += 1
                if isinstance(refusal, Unsent) and tries < self._line.addresses:
                    self._line.try_another(client)
                    continue
                raise refusal from None
            self.status = self._response.status
            return self

    def _builder(self, client: Client) -> RequestBuilder:
        return client.post(self._line.url(self._path))

    async def __aexit__(self, *_: object) -> None:
        await self._request.__aexit__(None, None, None)

    def header(self, name: str) -> str | None:
        """The first header of this name; one that is not ASCII counts as absent."""
        try:
            return self._response.get_header(name)
        except ValueError:
            return None

    def _is_short(self) -> bool:
        length = self.header("content-length")
        if length is None or not length.isdecimal() or int(length[:20]) > SHORT_BYTES:
            return False
        return not (self.header("content-type") or "").startswith("text/event-stream")

    async def chunk(self) -> bytes | None:
        """The next bytes of the body; all at once where an answer says that it is short."""
        if self._is_read:
            return None
        try:
            if self._is_short():
                # Each wait for a piece is a way between threads, and the last one only says that it was the last.
                self._is_read = True
                return (await self._response.bytes()).to_bytes()
            chunk = await self._response.body_reader.read_chunk()
        except PyreqwestError as error:
            raise _refusal(error, self._line.upstream) from None
        return None if chunk is None else chunk.to_bytes()


def _credential(auth: Auth, api_key: str) -> tuple[str, str]:
    """The header in which an upstream wants its credential."""
    return ("x-api-key", api_key) if auth is Auth.X_API_KEY else ("authorization", f"Bearer {api_key}")


class _BareAnswer(_HttpAnswer):
    """The answer to a request without a body, at an address that is not asked for again and again."""

    __slots__ = ("_method",)

    def __init__(self, line: _Line, method: str, target: str, request_id: str) -> None:
        super().__init__(line, target, b"", request_id, ())
        self._method = method

    def _builder(self, client: Client) -> RequestBuilder:
        return client.request(self._method, Url(self._line.upstream.base_url + self._path))


def _vetted_url(upstream: Upstream) -> Url:
    """The upstream's address, if it may be called at all. A host that is an address is vetted right here."""
    url = Url(upstream.base_url)
    if url.scheme not in ("http", "https") or url.host_str is None or url.username or url.password is not None:
        raise _unsafe(upstream, "its base_url is not a plain http(s) address")
    if url.scheme != "https" and not upstream.allow_private:
        raise _unsafe(upstream, "its base_url is not https")
    if url.domain is None:
        _vet([url.host_str.strip("[]")], upstream)
    return url


def _vet(addresses: list[str], upstream: Upstream) -> None:
    """Raise Unsent unless every one of these addresses is public, or private ones are allowed."""
    if upstream.allow_private:
        return
    for address in addresses:
        if not is_public(address):
            raise _unsafe(upstream, f"its address {address} is not public")


def is_public(address: str) -> bool:
    """Whether this is an address of the public internet, also where an IPv4 address hides in an IPv6 one."""
    found: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
    if isinstance(found, IPv6Address):
        hidden = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)
        if found in _NAT64:
            hidden = IPv4Address(int(found) & 0xFFFF_FFFF)
        if hidden is not None:
            return is_public(str(hidden))
    return found.is_global and not (found.is_multicast or found.is_reserved or found.is_unspecified)


def _unsafe(upstream: Upstream, why: str) -> Unsent:
    return Unsent(
        Code.UPSTREAM_UNAVAILABLE,
        f"The upstream {upstream.name} is not called.",
        hint="An administrator should check its base_url, or set allow_private for a server of your own.",
        internal=why,
    )


def _refusal(error: PyreqwestError, upstream: Upstream, kind: type[Refusal] = Refusal) -> Refusal:
    """What a failure means: `kind`, or Unsent for one to connect, which alone is sure not to have reached anyone.

    pyreqwest raises ConnectError also where a connection broke after the request was sent, so its type says
    nothing; the phase is in the list of causes.
    """
    details = getattr(error, "details", None) or {}
    internal = "; ".join(cause["message"] for cause in details.get("causes") or ()) or str(error)
    if isinstance(error, BuilderError) or "client error (Connect)" in internal:
        return Unsent(
            Code.UPSTREAM_UNAVAILABLE,
            f"The upstream {upstream.name} cannot be reached.",
            hint="Try again in a moment; if it stays so, an administrator should check it.",
            internal=internal,
        )
    if isinstance(error, RequestTimeoutError):
        return kind(
            Code.UPSTREAM_TIMEOUT,
            f"The upstream {upstream.name} did not answer in time.",
            hint="Try again, with a shorter answer or streamed.",
            internal=internal,
        )
    return kind(
        Code.UPSTREAM_BROKEN,
        f"The upstream {upstream.name} broke off or sent what is not HTTP.",
        hint="Try again; if it stays so, an administrator should check it.",
        internal=internal,
    )


async def _resolve(name: str) -> list[str]:
    found = await asyncio.get_running_loop().getaddrinfo(name, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))
