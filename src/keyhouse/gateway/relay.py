"""From the upstream to the client: bytes through as they come, counted on the side, and the call settled.

Settled with the upstream's own usage where it gave one that makes sense and the answer came to its end;
else as counted. An upstream's error before any token releases the call and is passed on; one about our own
credential is not the client's fault and is told as ours. A stream that breaks off ends with an error event
and without `[DONE]`. A client that leaves a stream ends it upstream, and is charged for what was made until
then; a plain call whose client left is finished and settled by what the upstream reports. What the upstream keeps of
an answer is noted before the client learns of it.
"""

from collections.abc import Awaitable, Callable

import msgspec

from keyhouse.core.bound import Ask, Need
from keyhouse.core.call import Basis
from keyhouse.core.clock import Clock
from keyhouse.core.errors import Refusal
from keyhouse.core.money import DEFAULT_TIER, Counts, format_usd
from keyhouse.gateway.answer import Answer, compressed
from keyhouse.gateway.metered import Metered
from keyhouse.gateway.passing import (
    ANSWER_BYTES_MAX,
    MAYBE_CHARGED,
    UNBUFFERED,
    Made,
    Pump,
    broken,
    headers_of,
    is_charged,
    is_stream,
    own_fault,
    read_whole,
    without_secret,
)
from keyhouse.gateway.request import Request
from keyhouse.gateway.routing import Upstream
from keyhouse.ledger.book import Hold
from keyhouse.wire import errors
from keyhouse.wire.headers import DOWNWARDS, DOWNWARDS_OF_ERRORS, Headers, rate_limits
from keyhouse.wire.meter import StreamMeter
from keyhouse.wire.responses_meter import RESPONSE, UNFINISHED, read_kept
from keyhouse.wire.usage import Reading, counted, output_tokens_in


class Relay:
    """The second half of one call: an answer that has begun, a hold that is entered, a client that waits.

    `keep` takes note of what the upstream keeps of the answer, and says whether it could. `unfinished` is the id of
    an answer whose work goes on in the background: then the call is not settled yet.
    """

    __slots__ = (
        "_answer",
        "_ask",
        "_clock",
        "_hold",
        "_is_unkept",
        "_keep",
        "_kept_id",
        "_metered",
        "_need",
        "_request",
        "_secret",
        "_upstream",
        "unfinished",
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
        keep: Callable[[Made], Awaitable[bool]] | None = None,
    ) -> None:
        self._request = request
        self._answer = answer
        self._hold = hold
        self._metered = metered
        self._ask = ask
        self._need = need
        self._upstream = upstream
        self._clock = clock
        self._keep = keep
        self._is_unkept = False
        self._kept_id: str | None = None
        self.unfinished: str | None = None
        self._secret = upstream.secret

    async def run(self) -> None:
        """Relay and settle. Raises Refusal only while the client has not been answered yet."""
        status = self._answer.status
        is_fine = 200 <= status < 300
        if self._answer.is_compressed:
            refusal = compressed(self._upstream)
            close = self.give_up if is_fine else self._hold.release
            close(status=errors.form(refusal).status)
            raise refusal
        if not is_fine:
            await self._pass_error(status)
        elif self._ask.stream and is_stream(self._answer):
            await self._stream(status, self._metered.meter)
        elif self._metered.meter_of_pieces is not None:
            await self._stream(status, self._metered.meter_of_pieces)
        else:
            await self._pass_whole(status)

    async def _pass_whole(self, status: int) -> None:
        body = bytearray()
        try:
            while (chunk := await self._answer.chunk()) is not None:
                body += chunk
                if len(body) > ANSWER_BYTES_MAX:
                    raise broken(self._upstream, f"sent more than {ANSWER_BYTES_MAX:,} bytes")
        except Refusal as refusal:
            status = errors.form(refusal).status
            if self._ask.background:
                self.give_up(status)
            else:
                self._settle(self._counted(None, len(body)), status, "upstream_cut")
            raise
        content = without_secret(bytes(body), self._secret)
        charged = self._settle_whole(content, status)
        headers = self._headers(DOWNWARDS, b"application/json")
        headers.append((b"content-length", b"%d" % len(content)))
        if charged is not None:
            headers.append((b"x-keyhouse-cost-usd", format_usd(charged).encode()))
        if self._keep is not None:
            await self._keep_made(read_kept(content).made)
            self._say_unkept()
        await self._request.answer(status, headers, content)

    def _settle_whole(self, content: bytes, status: int) -> int | None:
        """Settle by what a whole answer says; one whose work goes on in the background is `unfinished` instead."""
        if self._ask.background and (kept := read_kept(content)).status in UNFINISHED:
            self.unfinished = kept.id
            return None if kept.id is not None else self.give_up(status)
        reading = self._metered.read_answer(content)
        if reading is not None and not reading.is_clamped:
            return self._settle(reading.counts, status, "", Basis.UPSTREAM, reading.tier)
        unsaid = "" if self._metered.is_silent else "no_usage"
        flag = unsaid if reading is None else "usage_clamped"
        return self._settle(self._counted(reading, len(content)), status, flag)

    def _counted(self, reading: Reading | None, answer_bytes: int) -> Counts:
        """What to charge for a whole answer of this length by counting. Where no output was asked for, it is none."""
        is_text = self._ask.writes and self._ask.output_tokens_max != 0
        most = self._need.most
        if self._metered.is_silent:
            most = msgspec.structs.replace(most, input=self._need.input_tokens_estimate)
        return counted(reading, most, output_tokens_in(answer_bytes) if is_text else 0)

    async def _pass_error(self, status: int) -> None:
        """The upstream will not, and says why, unless that is our own fault. It is free unless it worked before."""
        request = self._request
        refusal = own_fault(status, self._upstream)
        is_doubtful = refusal is None and status in MAYBE_CHARGED
        if not is_doubtful:
            self._hold.release(status=status if refusal is None else errors.form(refusal).status)
        if refusal is not None:
            raise refusal
        content = without_secret(await read_whole(self._answer), self._secret)
        if is_doubtful and is_charged(status, content):
            self._settle(self._counted(None, 0), status, "refused_late")
        elif is_doubtful:
            self._hold.release(status=status)
        headers = self._headers(DOWNWARDS_OF_ERRORS, b"application/json")
        headers.append((b"content-length", b"%d" % len(content)))
        request.reason = "upstream_error"
        await request.answer(status, headers, content)

    async def _stream(self, status: int, metered_by: Callable[..., StreamMeter]) -> None:
        meter = metered_by(wants_usage=self._ask.wants_usage, most=self._need.most, secret=self._secret)
        headers = self._headers(DOWNWARDS, b"text/event-stream")
        headers += UNBUFFERED
        if not is_stream(self._answer) and (length := self._answer.header("content-length") or "").isdecimal():
            headers.append((b"content-length", length.encode()))
        await self._request.start(status, headers)
        keep = None if self._keep is None else self._keep_made
        pump = Pump(self._request, self._answer, meter, self._upstream, self._first_byte, keep)
        self._hold.watch(lambda: meter.counts)
        self._hold.at_cut(pump.cut)
        failure = await pump.run()
        rest = meter.end()
        if keep is not None:
            await keep(meter.made)
        has_left = self._request.client_has_left and not meter.is_done
        if self._ask.background and not meter.is_done:
            self.unfinished = self._kept_id
            if self._kept_id is None:
                self.give_up(status)
        elif failure is None and not has_left:
            self._settle_stream(meter.reading, meter, status)
        else:
            self._settle(meter.counts, status, "client_left" if has_left else "upstream_cut")
        self._say_unkept()
        if has_left:
            return  # nobody hears an end, and who does not read would keep it, and this call, waiting
        if failure is not None:
            await self._request.break_off(failure, meter.broken_off(failure, self._request.request_id))
        else:
            await self._request.end(rest)

    async def finish(self, content: bytes) -> bool:
        """Settle by an answer that was read back, at all that was reserved if it is silent. False while it goes on."""
        kept = read_kept(content)
        if kept.status in UNFINISHED:
            return False
        if kept.id != self.unfinished:
            return False  # nothing that can be read, or another answer
        await self._keep_made(kept.made)
        reading = self._metered.read_answer(content)
        if reading is None or reading.is_clamped:
            self.give_up()
        else:
            self._settle(reading.counts, self._request.status, "", Basis.UPSTREAM, reading.tier)
        return True

    def give_up(self, status: int | None = None) -> int | None:
        """Settle a call of which it will never be known what it used at all that was reserved for it."""
        request = self._request
        request.flags = "usage_unknown"
        status = request.status if status is None else status
        request.charged_nano_usd = self._hold.settle_reserved(status=status, flags=request.flags)
        return request.charged_nano_usd

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
        admitted = self._hold.admitted
        more: Headers = [(b"x-keyhouse-call-id", self._hold.call_id.encode())]
        if admitted.remaining:
            more += rate_limits(admitted.remaining, self._clock.now_ms())
        if admitted.is_shortened and admitted.output_tokens_max is not None:
            more.append((b"x-keyhouse-max-tokens", b"%d" % admitted.output_tokens_max))
        return headers_of(self._request, self._answer, passing, content_type, more)

    def _say_unkept(self) -> None:
        if self._is_unkept:
            self._request.flags = f"{self._request.flags} not_kept".strip()

    async def _keep_made(self, made: Made) -> None:
        """Take note of what the upstream keeps of this answer. What cannot be noted passes all the same: it is paid."""
        for kind, found in made:
            if kind == RESPONSE and self._kept_id is None:
                self._kept_id = found
        if self._keep is not None and made and not await self._keep(made):
            self._is_unkept = True
