"""What every answer of an upstream goes through on its way to a client, whether or not it costs money.

Its headers are those of a list, our credential is cut out of it wherever it shows, and an error that is about
ourselves is told as ours. The pieces of a stream go on as they come.
"""

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final

from keyhouse.core.errors import Code, Refusal
from keyhouse.core.money import Counts
from keyhouse.gateway.answer import Answer
from keyhouse.gateway.request import Request
from keyhouse.gateway.routing import Upstream
from keyhouse.ledger.book import stopping
from keyhouse.wire.headers import DOWNWARDS, DOWNWARDS_OF_ERRORS, Headers
from keyhouse.wire.meter import StreamMeter
from keyhouse.wire.speech import SoundMeter

ANSWER_BYTES_MAX: Final = 64 * 1024 * 1024
"""What a plain answer may weigh; it is held in memory, because its cost goes into its headers."""

RENEW_SECONDS: Final = 0.5
"""How often at most the deadline of a stream that flows is moved, instead of at each of its pieces."""

UNBUFFERED: Final = [(b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no")]
"""For proxies in between: nothing of a stream may be kept back or kept."""

_REMOVED: Final = b"[removed]"

Made = list[tuple[str, str]]
"""What an upstream keeps, by kind and id."""


def is_stream(answer: Answer) -> bool:
    """Whether it comes as server-sent events."""
    return (answer.header("content-type") or "").startswith("text/event-stream")


def headers_of(
    request: Request, answer: Answer, passing: tuple[str, ...], content_type: bytes, more: Headers | None = None
) -> Headers:
    """The headers of an answer, `more` among them, beside that of its length. `content_type` is for want of its own."""
    kind = answer.header("content-type")
    headers: Headers = [
        (b"content-type", content_type if kind is None else kind.encode()),
        (b"x-request-id", request.request_id.encode()),
        (b"openai-version", b"2020-10-01"),
        (b"openai-processing-ms", b"%d" % request.elapsed_ms),
    ]
    named = request.dialect.request_id
    if named != b"x-request-id":
        headers.append((named, request.request_id.encode()))
    if request.credential is not None:
        headers.append((b"openai-organization", request.credential.organization_id.encode()))
    if more:
        headers += more
    for name in passing:
        value = answer.header(name)
        if value is not None:
            headers.append((name.encode(), value.encode()))
    upstream_id = answer.header(named.decode())
    if upstream_id is not None:
        headers.append((b"x-keyhouse-upstream-request-id", upstream_id[:200].encode()))
    return headers


MAYBE_CHARGED: Final = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_TIMEOUT})
_FILTERED: Final = (b'"content_filter"', b'"ResponsibleAIPolicyViolation"')


def own_fault(status: int, upstream: Upstream) -> Refusal | None:
    """What to say instead of an upstream's answer that is about us, not about the client's request."""
    if status in (401, 403, 407):
        return Refusal(
            Code.UPSTREAM_BROKEN,
            f"The upstream {upstream.name} refused Keyhouse's own credential. Your API key is fine.",
            hint="An administrator should check the api_key of this upstream and what it may use.",
            internal=f"answered {status}",
        )
    if not 400 <= status <= 599:
        return broken(upstream, f"answered {status}, which is not followed")
    return None


def is_charged(status: int, content: bytes) -> bool:
    """Whether an error of `MAYBE_CHARGED` says that the upstream worked before it gave up, and charges for that.

    Azure does where its content filter refuses a prompt, and where it takes too long (Microsoft, plan to manage costs
    for Azure OpenAI: "a 400 error due to a content filter or input limit, or a 408 error due to a timeout").
    """
    return status == HTTPStatus.REQUEST_TIMEOUT or any(code in content for code in _FILTERED)


def broken(upstream: Upstream, how: str) -> Refusal:
    """The refusal where an upstream did what no model server should."""
    return Refusal(
        Code.UPSTREAM_BROKEN,
        f"The upstream {upstream.name} {how}.",
        hint="An administrator should check its base_url.",
    )


def without_secret(content: bytes, secret: bytes | None) -> bytes:
    """Our credential never leaves the house, not even inside an upstream's error."""
    if secret is not None and secret in content:
        return content.replace(secret, _REMOVED)
    return content


async def read_whole(answer: Answer) -> bytes:
    """The whole body, as far as it may be passed on. Raises Refusal if it was cut off."""
    body = bytearray()
    while (chunk := await answer.chunk()) is not None and len(body) < ANSWER_BYTES_MAX:
        body += chunk
    return bytes(body)


async def pass_free(
    request: Request, answer: Answer, upstream: Upstream, note: Callable[[bytes], Awaitable[None]] | None = None
) -> None:
    """Pass a whole answer on that nobody is charged for. Raises Refusal if it is an error about ourselves.

    `note` takes note of what a good one says, before the client can learn of it.
    """
    is_fine = 200 <= answer.status < 300
    if not is_fine and (refusal := own_fault(answer.status, upstream)) is not None:
        raise refusal
    content = without_secret(await read_whole(answer), upstream.secret)
    headers = headers_of(request, answer, DOWNWARDS if is_fine else DOWNWARDS_OF_ERRORS, b"application/json")
    headers.append((b"content-length", b"%d" % len(content)))
    if not is_fine:
        request.reason = "upstream_error"
    elif note is not None:
        await note(content)
    await request.answer(answer.status, headers, content)


async def pass_pieces(request: Request, answer: Answer, upstream: Upstream) -> None:
    """Pass a file on as it comes. One that breaks off has no end, so that nobody takes it for whole."""
    headers = headers_of(request, answer, (*DOWNWARDS, "content-disposition"), b"application/octet-stream")
    if (length := answer.header("content-length") or "").isdecimal():
        headers.append((b"content-length", length.encode()))
    await request.start(answer.status, headers)
    meter = SoundMeter(wants_usage=False, most=Counts(), secret=upstream.secret)
    failure = await Pump(request, answer, meter, upstream, lambda: None).run()
    if failure is not None:
        request.reason = str(failure.code)
        return
    if not request.client_has_left:
        await request.end(meter.end())


class Pump:
    """A stream on its way from the upstream to the client. `begun` is told once the first piece has come.

    `keep` takes note of what the upstream keeps, before the client can learn of it.
    """

    __slots__ = ("_answer", "_begun", "_deadline", "_is_cut", "_keep", "_meter", "_request", "_upstream")

    def __init__(
        self,
        request: Request,
        answer: Answer,
        meter: StreamMeter,
        upstream: Upstream,
        begun: Callable[[], None],
        keep: Callable[[Made], Awaitable[None]] | None = None,
    ) -> None:
        self._request = request
        self._answer = answer
        self._meter = meter
        self._upstream = upstream
        self._begun = begun
        self._keep = keep
        self._is_cut = False
        self._deadline: asyncio.Timeout | None = None

    def cut(self) -> None:
        """End the stream now: Keyhouse is stopping."""
        self._is_cut = True
        if self._deadline is not None and not self._deadline.expired():
            self._deadline.reschedule(0)

    async def run(self) -> Refusal | None:
        """Pass pieces on until the stream ends, and say why if it ended badly. Returns at once if the client leaves."""
        request, answer, meter, keep = self._request, self._answer, self._meter, self._keep
        loop = asyncio.get_running_loop()
        patience = self._upstream.idle_timeout_ms / 1000
        renew_seconds = min(RENEW_SECONDS, patience / 10)
        is_sending = False
        try:
            # One deadline for three events: the upstream stalls, the client stops reading, the client leaves.
            async with asyncio.timeout(patience) as deadline:
                self._deadline = deadline
                watch = asyncio.create_task(_end_when_client_leaves(request, deadline))
                try:
                    renewed = loop.time()
                    while (chunk := await answer.chunk()) is not None:
                        self._begun()
                        passing = meter.feed(chunk)
                        if meter.made and keep is not None:
                            made, meter.made = meter.made, []
                            await keep(made)
                        if passing:
                            is_sending = True
                            await request.send(passing)
                            is_sending = False
                        now = loop.time()
                        if now - renewed > renew_seconds and not (
                            self._is_cut or request.client_has_left or deadline.expired()
                        ):
                            renewed = now
                            deadline.reschedule(now + patience)
                finally:
                    watch.cancel()
        except TimeoutError:
            if self._is_cut:
                return stopping()
            if is_sending:
                request.client_has_left = True
            if request.client_has_left:
                return None
            return Refusal(
                Code.UPSTREAM_TIMEOUT,
                f"The upstream {self._upstream.name} stopped in the middle of its answer.",
                hint="Try again.",
            )
        except ConnectionError:
            # `send` may say so before `receive` does (ASGI 2.4); uvicorn's does not.
            request.client_has_left = True
        except Refusal as refusal:
            return refusal
        return None


async def _end_when_client_leaves(request: Request, deadline: asyncio.Timeout) -> None:
    await request.until_client_leaves()
    if not deadline.expired():
        deadline.reschedule(0)
