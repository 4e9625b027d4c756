"""From the upstream to the client: bytes through as they come, counted on the side, and the call settled.

Settled with the upstream's own usage where it gave one that makes sense and the answer came to its end;
else as counted. An upstream's error before any token releases the call and is passed on; one about our own
credential is not the client's fault and is told as ours. A stream that breaks off ends with an error event
and without `[DONE]`. A client that leaves a stream ends it upstream, and is charged for what was made until
then; a plain call whose client left is finished and settled by what the upstream reports.
"""

import asyncio
from typing import Final

from keyhouse.core.bound import Ask, Need
from keyhouse.core.call import Basis
from keyhouse.core.clock import Clock
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.money import DEFAULT_TIER, Counts, format_usd
from keyhouse.gateway.metered import Metered
from keyhouse.gateway.request import Request
from keyhouse.gateway.routing import Upstream
from keyhouse.gateway.upstream import Answer
from keyhouse.ledger.book import Hold, stopping
from keyhouse.wire import errors
from keyhouse.wire.headers import DOWNWARDS, DOWNWARDS_OF_ERRORS, Headers, rate_limits
from keyhouse.wire.meter import StreamMeter
from keyhouse.wire.usage import Reading, counted, output_tokens_in

ANSWER_BYTES_MAX: Final = 64 * 1024 * 1024
"""What a plain answer may weigh; it is held in memory, because its cost goes into its headers."""

RENEW_SECONDS: Final = 0.5
"""How often the deadline of a stream that flows is moved, instead of at each of its pieces."""

_REMOVED: Final = b"[removed]"


class Relay:
    """The second half of one call: an answer that has begun, a hold that is entered, a client that waits."""

    __slots__ = (
        "_answer",
        "_ask",
        "_clock",
        "_hold",
        "_is_cut",
        "_metered",
        "_need",
        "_request",
        "_secret",
        "_upstream",
    )

    def __init__(
        self,
        request: Request,
        answer: Answer,
        hold: Hold,
        metered: Metered,
        ask: Ask,
        need: Need,
        upstream: Upstream,
        clock: Clock,
    ) -> None:
        self._request = request
        self._answer = answer
        self._hold = hold
        self._metered = metered
        self._ask = ask
        self._need = need
        self._upstream = upstream
        self._clock = clock
        self._is_cut = False
        self._secret = upstream.api_key.encode() if upstream.api_key else None

    async def run(self) -> None:
        """Relay and settle. Raises Refusal only while the client has not been answered yet."""
        status = self._answer.status
        if not 200 <= status < 300:
            await self._pass_error(status)
        elif self._ask.stream and (self._answer.header("content-type") or "").startswith("text/event-stream"):
            await self._stream(status)
        else:
            await self._pass_whole(status)

    async def _pass_whole(self, status: int) -> None:
        body = bytearray()
        try:
            while (chunk := await self._answer.chunk()) is not None:
                self._first_byte()
                body += chunk
                if len(body) > ANSWER_BYTES_MAX:
                    raise self._broken(f"sent more than {ANSWER_BYTES_MAX:,} bytes")
        except Refusal as refusal:
            self._settle(self._counted(None, len(body)), errors.form(refusal).status, "upstream_cut")
            raise
        content = self._without_secret(bytes(body))
        reading = self._metered.read_answer(content)
        if reading is not None and not reading.is_clamped:
            charged = self._settle(reading.counts, status, "", Basis.UPSTREAM, reading.tier)
        else:
            unsaid = "" if self._metered.is_silent else "no_usage"
            flag = unsaid if reading is None else "usage_clamped"
            charged = self._settle(self._counted(reading, len(content)), status, flag)
        headers = self._headers(DOWNWARDS, b"application/json")
        headers.append((b"content-length", b"%d" % len(content)))
        if charged is not None:
            headers.append((b"x-keyhouse-cost-usd", format_usd(charged).encode()))
        await self._request.answer(status, headers, content)

    def _counted(self, reading: Reading | None, answer_bytes: int) -> Counts:
        """What to charge for a whole answer of this length by counting. Where no output was asked for, it is none."""
        made = 0 if self._ask.output_tokens_max == 0 else output_tokens_in(answer_bytes)
        need = self._need
        return counted(reading, need.input_tokens_estimate if self._metered.is_silent else need.input_tokens, made)

    async def _pass_error(self, status: int) -> None:
        """The upstream will not, and nothing was used: release, and say what it said, unless it is our own fault."""
        request = self._request
        refusal = self._own_fault(status)
        self._hold.release(status=status if refusal is None else errors.form(refusal).status)
        if refusal is not None:
            raise refusal
        body = bytearray()
        while (chunk := await self._answer.chunk()) is not None and len(body) < ANSWER_BYTES_MAX:
            body += chunk
        content = self._without_secret(bytes(body))
        headers = self._headers(DOWNWARDS_OF_ERRORS, b"application/json")
        headers.append((b"content-length", b"%d" % len(content)))
        request.reason = "upstream_error"
        await request.answer(status, headers, content)

    async def _stream(self, status: int) -> None:
        meter = self._metered.meter(
            wants_usage=self._ask.wants_usage, input_tokens=self._need.input_tokens, secret=self._secret
        )
        headers = self._headers(DOWNWARDS, b"text/event-stream")
        # For proxies in between: nothing of a stream may be kept back or kept.
        headers += [(b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no")]
        await self._request.start(status, headers)
        failure = await self._pump(meter)
        rest = meter.end()
        has_left = self._request.client_has_left and not meter.is_done
        if failure is None and not has_left:
            self._settle_stream(meter.reading, meter, status)
        else:
            self._settle(meter.counts, status, "client_left" if has_left else "upstream_cut")
        if failure is not None:
            self._request.reason = str(failure.code)
            rest = meter.broken_off(failure, self._request.request_id)
        await self._request.end(rest)

    async def _pump(self, meter: StreamMeter) -> Refusal | None:
        """Pass pieces on until the stream ends, and say why if it ended badly. Returns at once if the client leaves."""
        request, answer, loop = self._request, self._answer, asyncio.get_running_loop()
        patience = self._upstream.idle_timeout_ms / 1000
        is_sending = False
        try:
            # One deadline for three events: the upstream stalls, the client stops reading, the client leaves.
            async with asyncio.timeout(patience) as deadline:
                self._hold.watch(lambda: meter.counts, lambda: self._cut(deadline))
                watch = asyncio.create_task(_end_when_client_leaves(request, deadline))
                try:
                    renewed = loop.time()
                    while (chunk := await answer.chunk()) is not None:
                        self._first_byte()
                        passing = meter.feed(chunk)
                        if passing:
                            is_sending = True
                            await request.send(passing)
                            is_sending = False
                        now = loop.time()
                        if now - renewed > RENEW_SECONDS and not (
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
            # ASGI lets `send` say so, too; granian and uvicorn do not.
            request.client_has_left = True
        except Refusal as refusal:
            return refusal
        return None

    def _cut(self, deadline: asyncio.Timeout) -> None:
        """End the stream now: Keyhouse is stopping."""
        self._is_cut = True
        if not deadline.expired():
            deadline.reschedule(0)

    def _settle_stream(self, reading: Reading | None, meter: StreamMeter, status: int) -> None:
        if reading is not None and not reading.is_clamped:
            self._settle(reading.counts, status, "", Basis.UPSTREAM, reading.tier)
        else:
            self._settle(meter.counts, status, "no_usage" if reading is None else "usage_clamped")

    def _settle(
        self, counts: Counts, status: int, flags: str, basis: Basis = Basis.COUNTED, tier: str | None = None
    ) -> int | None:
        request = self._request
        request.counts = counts
        request.flags = flags
        request.charged_nano_usd = self._hold.settle(
            counts, status=status, basis=basis, flags=flags, tier=tier or self._ask.service_tier or DEFAULT_TIER
        )
        return request.charged_nano_usd

    def _first_byte(self) -> None:
        if self._request.first_byte_ms is None:
            self._request.first_byte_ms = self._request.elapsed_ms
            self._hold.first_byte()

    def _headers(self, passing: tuple[str, ...], content_type: bytes) -> Headers:
        """The headers of an answer, beside those of its length and cost."""
        request, answer, admitted = self._request, self._answer, self._hold.admitted
        kind = answer.header("content-type")
        headers: Headers = [
            (b"content-type", content_type if kind is None else kind.encode()),
            (b"x-request-id", request.request_id.encode()),
            (b"x-keyhouse-call-id", self._hold.call_id.encode()),
            (b"openai-version", b"2020-10-01"),
            (b"openai-processing-ms", b"%d" % request.elapsed_ms),
        ]
        named = request.dialect.request_id
        if named != b"x-request-id":
            headers.append((named, request.request_id.encode()))
        if request.credential is not None:
            headers.append((b"openai-organization", request.credential.organization_id.encode()))
        if admitted.remaining:
            headers += rate_limits(admitted.remaining, self._clock.now_ms())
        if admitted.is_shortened and admitted.output_tokens_max is not None:
            headers.append((b"x-keyhouse-max-tokens", b"%d" % admitted.output_tokens_max))
        for name in passing:
            value = answer.header(name)
            if value is not None:
                headers.append((name.encode(), value.encode()))
        upstream_id = answer.header(named.decode())
        if upstream_id is not None:
            headers.append((b"x-keyhouse-upstream-request-id", upstream_id[:200].encode()))
        return headers

    def _own_fault(self, status: int) -> Refusal | None:
        """What to say instead of an upstream's answer that is about us, not about the client's request."""
        if status in (401, 403, 407):
            return Refusal(
                Code.UPSTREAM_BROKEN,
                f"The upstream {self._upstream.name} refused Keyhouse's own credential. Your API key is fine.",
                hint="An administrator should check the api_key of this upstream and what it may use.",
                internal=f"answered {status}",
            )
        if not 400 <= status <= 599:
            return self._broken(f"answered {status}, which is not followed")
        return None

    def _broken(self, how: str) -> Refusal:
        return Refusal(
            Code.UPSTREAM_BROKEN,
            f"The upstream {self._upstream.name} {how}.",
            hint="An administrator should check its base_url.",
        )

    def _without_secret(self, content: bytes) -> bytes:
        """Our credential never leaves the house, not even inside an upstream's error."""
        if self._secret is not None and self._secret in content:
            return content.replace(self._secret, _REMOVED)
        return content


async def _end_when_client_leaves(request: Request, deadline: asyncio.Timeout) -> None:
    await request.until_client_leaves()
    if not deadline.expired():
        deadline.reschedule(0)
