"""Batches: many requests in a file, worked on for up to a day at a lower price, and paid like one call.

The file is read when a batch is made: each line by the reader of its endpoint, as if it had been asked by itself, with
its permission, its model and its worst case. What all of them may cost is reserved until the batch is over, and
settled by the usage that the upstream then reports for it.
"""

import asyncio
from typing import Final

import msgspec

from keyhouse.core.bound import Need, worst_case
from keyhouse.core.call import Basis
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.key import Credential
from keyhouse.core.money import DEFAULT_TIER
from keyhouse.core.permissions import Access, Resource
from keyhouse.gateway.answer import Unanswered, Unsent
from keyhouse.gateway.authenticate import require_model, require_permission
from keyhouse.gateway.background import Following
from keyhouse.gateway.house import House, identify, opening_of
from keyhouse.gateway.metered import CHAT, COMPLETIONS, EMBEDDINGS, MODERATIONS, RESPONSES, Metered
from keyhouse.gateway.passing import broken, own_fault, pass_free
from keyhouse.gateway.request import Request
from keyhouse.gateway.routing import Deployment, Upstream
from keyhouse.ledger.book import Hold
from keyhouse.wire import errors
from keyhouse.wire.batches import FINAL, LINES_MAX, BatchAsked, bad_line, read_batch, read_batch_said, read_line

BATCHED: Final = {f"/v1{one.path}": one for one in (CHAT, RESPONSES, COMPLETIONS, EMBEDDINGS, MODERATIONS)}
TIER: Final = "batch"
REFERENCES_AT_ONCE: Final = 500


async def create_batch(request: Request, house: House) -> None:
    """`POST /v1/batches`: reserve for all of it, start it, and follow it to its end."""
    credential = await identify(request, house, anew=True)
    require_permission(credential, Resource.BATCHES, Access.WRITE)
    asked, body = read_batch(await request.body(house.body_bytes_max, house.body_seconds_max))
    metered = BATCHED.get(asked.endpoint)
    if metered is None:
        raise Refusal(
            Code.PARAMETER_INVALID,
            f"There are no batches for {asked.endpoint[:64]!r}.",
            hint=f"There are for {', '.join(BATCHED)}.",
            param="endpoint",
        )
    require_permission(credential, metered.resource, Access.WRITE)
    found = await house.objects.get(credential, "file", asked.input_file_id)
    upstream = house.routing.find_upstream(found.upstream)
    if upstream is None or upstream.is_demo:
        raise Refusal(Code.NOT_FOUND, "The upstream that keeps this file is gone.", param="input_file_id")
    lines = _Lines(house, credential, upstream, metered)
    await lines.read(request, asked)
    deployment = lines.deployment
    price = deployment.price
    opening = opening_of(
        request,
        credential,
        house,
        model=lines.model,
        upstream=upstream.name,
        price_id=None if price is None else price.id,
    )
    async with house.ledger.hold(opening, lines.need) as hold:
        hold.sent()
        hold.expect_the_worst()
        running = _Running(house, credential, upstream, hold, lines.tier)
        try:
            await running.start(request, body)
        except Unsent as refusal:
            hold.release(status=errors.form(refusal).status)
            raise
        except Unanswered as refusal:
            hold.abandon(status=errors.form(refusal).status, flags="no_answer")
            raise
        if running.is_begun:
            following = Following(hold, house.client, upstream, house.poll_seconds, running.finish, running.give_up)
            await following.run("/batches/", running.batch_id)


class _Lines:
    """All requests of a batch, added up as they are read."""

    deployment: Deployment

    def __init__(self, house: House, credential: Credential, upstream: Upstream, metered: Metered) -> None:
        self._house = house
        self._credential = credential
        self._upstream = upstream
        self._metered = metered
        self._number = 0
        self._references: set[tuple[str, str]] = set()
        self._pico = 0
        self.model = ""
        self.tier = DEFAULT_TIER
        self.need = Need(0, 0, 0, 0, 1, None, 0, output_is_bounded=True)

    async def read(self, request: Request, asked: BatchAsked) -> None:
        """Read the whole file from the upstream that keeps it. Raises Refusal for the first line that may not be."""
        rest = b""
        target = f"/files/{asked.input_file_id}/content"
        async with self._house.client.ask(self._upstream, "GET", target, request.request_id) as answer:
            if answer.status != 200:
                raise broken(self._upstream, f"answered {answer.status} when it was asked for the batch's file")
            while (chunk := await answer.chunk()) is not None:
                *whole, rest = (rest + chunk).split(b"\n")
                for line in whole:
                    self._add(line, asked.endpoint)
                if len(rest) > self._house.body_bytes_max:
                    raise bad_line(self._number + 1, "it is too long.")
                await asyncio.sleep(0)
        self._add(rest, asked.endpoint)
        if not self.model:
            raise bad_line(1, "there is none.")
        named = sorted(self._references)
        for begin in range(0, len(named), REFERENCES_AT_ONCE):
            some = named[begin : begin + REFERENCES_AT_ONCE]
            await self._house.objects.keeper(self._credential, some, self._upstream.name)

    def _add(self, line: bytes, endpoint: str) -> None:
        self._number += 1
        if not line.strip():
            return
        if self._number > LINES_MAX:
            raise bad_line(self._number, f"a batch has at most {LINES_MAX:,} requests.")
        assert self._metered.read is not None  # noqa: S101  all of BATCHED take JSON
        try:
            ask = self._metered.read(read_line(line, self._number, endpoint)).ask
        except Refusal as refusal:
            raise bad_line(self._number, refusal.message) from None
        if not self.model:
            self._begin(ask.model)
        if ask.model != self.model:
            raise bad_line(self._number, "it names another model than the first one.")
        self._references.update(ask.references)
        tier = TIER if self.tier == TIER else None
        ask = msgspec.structs.replace(ask, service_tier=tier)
        self._sum(worst_case(ask, self.deployment.price, self.deployment.ceilings))

    def _begin(self, model: str) -> None:
        """The first line: its model is that of all of them."""
        require_model(self._credential, model)
        for deployment in self._house.routing.get(model).deployments:
            if deployment.upstream.name == self._upstream.name and deployment.upstream_model == model:
                break
        else:
            raise bad_line(1, f"the upstream that keeps the file has no model that it calls `{model[:100]}` itself.")
        self.model, self.deployment = model, deployment
        price = deployment.price
        if price is None:
            return
        self.need = msgspec.structs.replace(self.need, base_pico=0)
        if any(rate.tier == TIER for rate in price.rates):
            self.tier = TIER
        if price.request or any(rate.from_input_tokens for rate in price.rates):
            # Its usage is told for all requests together: what each of them was, nobody says.
            self.need = msgspec.structs.replace(self.need, unbounded="batch")

    def _sum(self, one: Need) -> None:
        total, output = self.need, one.output_tokens_max
        unbounded = total.unbounded or one.unbounded or (None if one.output_is_bounded else "output")
        pico = None
        if total.base_pico is not None:
            pico = total.base_pico + (one.base_pico or 0) + one.output_token_pico * output
        self.need = msgspec.structs.replace(
            total,
            input_tokens=total.input_tokens + one.tokens(output),
            input_tokens_estimate=total.input_tokens_estimate + one.tokens_estimate,
            base_pico=pico,
            unbounded=unbounded,
            fixed_output_tokens=total.fixed_output_tokens + one.fixed_output_tokens + one.choices * output,
        )


class _Running:
    """A batch that an upstream works on."""

    def __init__(self, house: House, credential: Credential, upstream: Upstream, hold: Hold, tier: str) -> None:
        self._house = house
        self._credential = credential
        self._upstream = upstream
        self._hold = hold
        self._tier = tier
        self.is_begun = False
        self.batch_id: str | None = None

    async def start(self, request: Request, body: bytes) -> None:
        """Ask for it, and tell the client."""
        async with self._house.client.forward(self._upstream, "/batches", body, self._hold.call_id) as answer:
            self.is_begun = 200 <= answer.status < 300
            if not self.is_begun:
                refusal = own_fault(answer.status, self._upstream)
                self._hold.release(status=answer.status if refusal is None else errors.form(refusal).status)
            await pass_free(request, answer, self._upstream, self._note)

    async def _note(self, content: bytes) -> None:
        said = read_batch_said(content)
        self.batch_id = said.id if isinstance(said.id, str) else None
        await self._house.objects.keep(self._credential, self._upstream.name, said.made)

    async def finish(self, content: bytes) -> bool:
        """Settle by what is said of it, if it is over."""
        said = read_batch_said(content)
        if said.status not in FINAL or said.id != self.batch_id:
            return False
        await self._house.objects.keep(self._credential, self._upstream.name, said.made)
        reading = said.reading
        if reading is not None and not reading.is_clamped:
            self._hold.settle(reading.counts, status=200, basis=Basis.UPSTREAM, tier=self._tier)
        elif said.request_counts is not None and said.request_counts.completed == 0:
            self._hold.release(status=200)
        else:
            self.give_up()
        return True

    def give_up(self) -> object:
        """Settle at all that was reserved: what was used will never be known."""
        return self._hold.settle_reserved(status=200, flags="usage_unknown")
