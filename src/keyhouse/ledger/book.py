"""What the gateway sees of the ledger: `async with ledger.hold(opening, need) as hold`.

Entering reserves, durably, or raises. Inside, the gateway says what became of the call. Leaving closes it,
exactly once, whatever happened in between: as settled or released if the gateway said so; else charged by
what was counted if the request may have reached the upstream, and released only if it cannot have. Leaving
does not wait for anything, so that cancellation has no place to land between the decision and its record.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

import msgspec

from keyhouse.core.bound import Need
from keyhouse.core.call import Basis, Closing, Opening, State
from keyhouse.core.clock import Clock
from keyhouse.core.decide import Admitted, Refused, Reserve, Reserved, Verdict
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.money import (
    DEFAULT_TIER,
    TIER_CHARACTERS_MAX,
    UNKNOWN_TIER,
    Counts,
    Price,
    cost_nano_usd,
)
from keyhouse.ledger.commit import GroupCommit
from keyhouse.ledger.refusals import LIMITED, refusal

CALL_NANO_USD_MAX: Final = 10**14
CALL_TOKENS_MAX: Final = 10**12
"""More than any call costs or uses, and little enough for the sums of very many to be numbers of a database."""

STOPPING_RETRY_MS: Final = 1_000
"""When to try again at a gateway that stops: another one answers at once, this one is soon back."""


def stopping() -> Refusal:
    """The refusal of what comes, or still runs, when Keyhouse stops."""
    return Refusal(
        Code.STOPPING,
        "This Keyhouse is stopping.",
        hint="Try again in a moment.",
        retry_after_ms=STOPPING_RETRY_MS,
    )


def _nobody(_: Opening) -> None:
    """Nobody is told of what a limit refuses."""


class Ledger:
    """Admits calls and closes them. `prices` maps price ids to the prices they stand for; `refused` is told of every
    call that a limit refuses.
    """

    def __init__(
        self,
        commit: GroupCommit,
        clock: Clock,
        prices: Mapping[int, Price],
        refused: Callable[[Opening], None] = _nobody,
    ) -> None:
        self._refused = refused
        self._commit = commit
        self._clock = clock
        self._prices = prices
        self._open: set[Hold] = set()
        self._nothing_open = asyncio.Event()
        self.is_stopping = False

    @property
    def is_well(self) -> bool:
        """Whether calls can be admitted: the last batch could be committed, and nobody has asked it to stop."""
        return self._commit.is_well and not self.is_stopping

    @property
    def held(self) -> int:
        """How many calls of this gateway are running."""
        return len(self._open)

    @property
    def waiting(self) -> int:
        """How many reservations and closings are not in a batch yet."""
        return self._commit.waiting

    def hold(self, opening: Opening, need: Need, *, counts_refused: bool = True) -> "Hold":
        """A hold for this call; entering it raises Refusal if the key is dead or a limit is full, which is counted.

        Raises Refusal(PARAMETER_INVALID) for what no call costs: sums of such would be no numbers of the database's.
        """
        if self.is_stopping:
            raise stopping()
        most = need.output_tokens_max
        if need.nano_usd(most) > CALL_NANO_USD_MAX or need.tokens(most) > CALL_TOKENS_MAX:
            raise Refusal(
                Code.PARAMETER_INVALID,
                "This request might cost more than any call does.",
                hint="Ask for fewer choices or prompts, or for shorter answers.",
            )
        price = None if opening.price_id is None else self._prices[opening.price_id]
        refused = self._refused if counts_refused else _nobody
        return Hold(self, self._commit, self._clock, opening, need, price, refused)

    async def drain(self, seconds: float) -> None:
        """Admit nothing more, and give the calls that run so long to end; what then still runs is closed as counted."""
        self.is_stopping = True
        if self._open:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._nothing_open.wait(), seconds)
        for hold in list(self._open):
            hold.cut()

    def opened(self, hold: "Hold") -> None:
        """A call has been admitted."""
        self._open.add(hold)

    def closed(self, hold: "Hold") -> None:
        """A call has ended."""
        self._open.discard(hold)
        if self.is_stopping and not self._open:
            self._nothing_open.set()


class Hold:
    """One call, from its reservation to its close."""

    admitted: Admitted

    def __init__(
        self,
        ledger: Ledger,
        commit: GroupCommit,
        clock: Clock,
        opening: Opening,
        need: Need,
        price: Price | None,
        refused: Callable[[Opening], None],
    ) -> None:
        self._ledger = ledger
        self._commit = commit
        self._clock = clock
        self._opening = opening
        self._need = need
        self._price = price
        self._refused = refused
        self._closing: Closing | None = None
        self._seen: Callable[[], Counts] | None = None
        self._cut: Callable[[], None] | None = None
        self._is_unknowable = False
        self._is_posted = False
        self._was_sent = False
        self._admitted_ms = 0.0
        self._first_byte_ms: int | None = None

    @property
    def call_id(self) -> str:
        """The call's id."""
        return self._opening.id

    async def __aenter__(self) -> Self:
        verdict = await self._verdict()
        if isinstance(verdict, Refused):
            if verdict.code in LIMITED:
                self._refused(self._opening)
            raise refusal(verdict, self._opening, self._clock.now_ms())
        if not isinstance(verdict, Admitted):
            raise TypeError(f"a reservation was answered with {verdict!r}")
        self.admitted = verdict
        if self._ledger.is_stopping:
            # It was asked for before the drain began, which does not know of it: nothing was sent yet.
            self._commit.post(Closing(self.call_id, State.RELEASED))
            raise stopping()
        self._ledger.opened(self)
        self._admitted_ms = self._clock.monotonic_ms()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.abandon()

    async def _verdict(self) -> Verdict:
        future = self._commit.submit(Reserve(self._opening, self._need))
        try:
            return await future
        except asyncio.CancelledError:
            # The queue sees a cancelled future and releases by itself; one that was answered in the same
            # turn of the loop it cannot see.
            if not future.cancelled() and isinstance(future.result(), Admitted):
                self._commit.post(Closing(self.call_id, State.RELEASED))
            raise

    def sent(self) -> None:
        """Say, just before the first byte may go upstream, that from here on the call may cost something."""
        self._was_sent = True

    def first_byte(self) -> None:
        """Say that the first byte of the answer has come."""
        if self._first_byte_ms is None:
            self._first_byte_ms = self._elapsed_ms()

    def watch(self, seen: Callable[[], Counts]) -> None:
        """Say who knows what was used so far: the charge of a call that ends without another word."""
        self._seen = seen

    def at_cut(self, cut: Callable[[], None]) -> None:
        """Say how to end what still runs if the call is closed meanwhile."""
        self._cut = cut

    def expect_the_worst(self) -> None:
        """Say that what is used cannot be counted from here, such as work that goes on upstream after the answer: a
        call that ends without another word is then charged all that it reserved.
        """
        self._is_unknowable = True

    def cut(self) -> None:
        """Close the call while it still runs, and end its answer."""
        self.abandon()
        if self._cut is not None:
            self._cut()

    def abandon(self, *, status: int = 0, flags: str = "abandoned") -> None:
        """Close the call as it stands, if nobody has said how it ended, and have it recorded. Once and for all."""
        if self._is_posted:
            return
        if self._closing is None:
            if not self._was_sent:
                self.release(status=status)
            elif self._is_unknowable:
                self.settle_reserved(status=status, flags=flags)
            else:
                seen = self._need.most if self._seen is None else self._seen()
                self.settle(seen, status=status, basis=Basis.COUNTED, flags=flags)
        self._is_posted = True
        if self._closing is not None:
            self._commit.post(self._closing)
        self._ledger.closed(self)

    def settle(
        self,
        counts: Counts,
        *,
        status: int,
        basis: Basis = Basis.UPSTREAM,
        flags: str = "",
        tier: str = DEFAULT_TIER,
    ) -> int | None:
        """Say what was used, on which service tier, and what HTTP status the client gets. Returns the charge in
        nano-USD, None if unpriced.

        A charge by counting is never more than what was reserved. One by the upstream's report can be, and
        is then shown as an overrun of the limits it counts on.
        """
        reserved = self.admitted.reserved
        if basis is Basis.COUNTED:
            counts = capped(counts, reserved)
        tier = tier[:TIER_CHARACTERS_MAX] if tier.isprintable() else UNKNOWN_TIER
        charged = None if self._price is None else cost_nano_usd(counts, self._price, tier)
        if self._price is not None and not self._price.covers(tier):
            flags = f"{flags} tier_unpriced".strip()
        if charged is not None and charged > reserved.nano_usd:
            if basis is Basis.COUNTED:
                charged = reserved.nano_usd
            else:
                flags = f"{flags} overrun".strip()
        self._close(State.SETTLED, status, basis, counts, charged, flags, tier)
        return charged

    def settle_reserved(self, *, status: int, flags: str) -> int | None:
        """Charge all that was reserved. Returns it in nano-USD, None if unpriced."""
        need, reserved = self._need, self.admitted.reserved
        most = need.most
        counts = msgspec.structs.replace(most, output=reserved.tokens - most.input)
        charged = None if self._price is None else reserved.nano_usd
        self._close(State.SETTLED, status, Basis.RESERVED, counts, charged, flags)
        return charged

    def settle_stated(self, *, status: int) -> None:
        """Charge what was reserved, which is what whoever asked said it costs: no upstream is there to report."""
        self._close(State.SETTLED, status, Basis.STATED, self._need.most, self.admitted.reserved.nano_usd, "")

    def release(self, *, status: int = 0, flags: str = "") -> None:
        """Say that no token was used: the call costs nothing and counts on no limit."""
        self._close(State.RELEASED, status, None, Counts(), 0, flags)

    def _close(
        self,
        state: State,
        status: int,
        basis: Basis | None,
        counts: Counts,
        charged: int | None,
        flags: str,
        tier: str = DEFAULT_TIER,
    ) -> None:
        if self._is_posted:
            return  # Keyhouse is stopping, and this call was closed for it
        if self._closing is not None:
            raise RuntimeError(f"call {self.call_id} is closed twice")
        self._closing = Closing(
            call_id=self.call_id,
            state=state,
            basis=basis,
            counts=counts,
            charged_nano_usd=charged,
            status=status,
            first_byte_ms=self._first_byte_ms,
            duration_ms=self._elapsed_ms(),
            flags=flags,
            tier=tier,
        )

    def _elapsed_ms(self) -> int:
        return round(self._clock.monotonic_ms() - self._admitted_ms)


def capped(counts: Counts, reserved: Reserved) -> Counts:
    """Counts of which the gateway only counted, cut so that none of them is more than what was reserved."""
    given = min(counts.input, reserved.tokens)
    output = min(counts.output, reserved.tokens - given)
    cached = min(counts.cached_input, given)
    written = min(counts.cache_write, given - cached)
    heard, spoken = min(counts.audio_input, given - cached - written), min(counts.audio_output, output)
    return Counts(
        given,
        cached,
        written,
        output,
        min(counts.reasoning, output),
        heard,
        spoken,
        min(counts.images, reserved.images),
        min(counts.audio_seconds, reserved.audio_seconds),
        min(counts.characters, reserved.characters),
        min(counts.image_input, given - cached - written - heard),
        min(counts.image_output, output - spoken),
    )
