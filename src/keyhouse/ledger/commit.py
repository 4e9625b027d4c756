"""Group commit: whatever arrived while the previous batch was being committed is the next batch.

A batch costs much whatever its size, so one that is about to begin first takes in what is about to arrive: as long as
each turn of the loop brings more (on one core: until some turns in a row brought nothing, because there the loop cannot
go on beside the batch anyway), and, where nobody waits for what is queued, until somebody does, for a moment.
Nobody is answered before the batch that holds their operation is durable. A batch that fails leaves its
closings in the queue, because they must not be lost, and refuses its reservations, because a call that may
or may not be in the books must not be forwarded; should the commit have gone through after all, a release
follows at once.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from keyhouse.core.call import Closing, State
from keyhouse.core.decide import Admitted, Operation, Reserve, Verdict
from keyhouse.core.errors import Code, Refusal
from keyhouse.ledger.tally import Tally
from keyhouse.store.books import Books
from keyhouse.store.engine import Unavailable

BATCH_MAX: Final = 512
PAUSE_SECONDS: Final = 0.1
"""How long to wait after a batch that failed."""

GATHER_SECONDS: Final = 0.005
"""How long closings that nobody waits for may wait for a reservation to be committed with."""

ONE_CORE_TURNS: Final = 4
"""How many turns of the loop in a row bring nothing, where there is one core, before a batch of some size begins."""

FEW: Final = 8
"""What is too little to wait for more: a lone client is not to wait for anybody."""

CLOSING_TRIES: Final = 50
"""How often a closing is tried that fails although the database is there. After that it is given up, so that it
does not take every batch with it; its call stays held, and is closed at the next start."""


class GroupCommit:
    """The one queue into the books. `report` is told, in words for the log, what failed; `tally` counts.

    `turns` of the loop in a row must bring nothing before a batch of some size begins.
    """

    def __init__(
        self,
        books: Books,
        report: Callable[[str, BaseException], None],
        pause_seconds: float = PAUSE_SECONDS,
        *,
        turns: int = 1,
    ) -> None:
        self._books = books
        self._report = report
        self._pause_seconds = pause_seconds
        self._turns = turns
        self._loop = asyncio.get_running_loop()
        self._queue: deque[tuple[Operation, asyncio.Future[Verdict] | None]] = deque()
        self._arrived = asyncio.Event()
        self._awaited = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._tries: dict[str, int] = {}
        self._stopping = False
        self.is_well = True
        self.tally = Tally()

    @property
    def waiting(self) -> int:
        """How many reservations and closings are not in a batch yet."""
        return len(self._queue)

    def submit(self, reserve: Reserve) -> asyncio.Future[Verdict]:
        """Queue a reservation. The future has its verdict once that is durable; it raises Refusal if it cannot be."""
        future: asyncio.Future[Verdict] = self._loop.create_future()
        self._put(reserve, future)
        return future

    def post(self, closing: Closing) -> None:
        """Queue a closing; it will be committed, and needs no answer."""
        self._put(closing, None)

    def close(self, closing: Closing) -> asyncio.Future[Verdict]:
        """The same for whoever wants to know; the future is cancelled if the closing is given up."""
        future: asyncio.Future[Verdict] = self._loop.create_future()
        self._put(closing, future)
        return future

    async def run(self) -> None:
        """Commit batches until `stop`, and then what is left."""
        while not (self._stopping and not self._queue):
            if not self._queue:
                self._idle.set()
                self._arrived.clear()
                await self._arrived.wait()
                continue
            await self._gather()
            batch = [self._queue.popleft() for _ in range(min(BATCH_MAX, len(self._queue)))]
            if not self._queue:
                self._awaited.clear()
            await self._commit(batch)

    async def _commit(self, batch: list[tuple[Operation, asyncio.Future[Verdict] | None]]) -> None:
        """Commit a batch and answer it. One that fails although the database is there is tried by halves: what cannot
        be written must not keep the rest from it.
        """
        operations = [operation for operation, _ in batch]
        began = self._loop.time()
        try:
            decision = await self._books.run(operations)
        except Exception as error:  # noqa: BLE001  whatever it was, callers are waiting and closings must not be lost
            middle = len(batch) // 2
            if middle and not isinstance(error, Unavailable):
                await self._commit(batch[:middle])
                await self._commit(batch[middle:])
            else:
                self._failed(batch, error)
                await asyncio.sleep(self._pause_seconds)
            return
        self.is_well = True
        for operation in operations:
            if isinstance(operation, Closing):
                self._tries.pop(operation.call_id, None)
        self.tally.committed(operations, decision.verdicts, self._loop.time() - began)
        for (operation, future), verdict in zip(batch, decision.verdicts, strict=True):
            self._answer(operation, future, verdict)

    async def _gather(self) -> None:
        if not (self._awaited.is_set() or self._stopping):
            with suppress(TimeoutError):
                await asyncio.wait_for(self._awaited.wait(), GATHER_SECONDS)
        seen = quiet = 0
        while len(self._queue) < BATCH_MAX:
            quiet = 0 if seen < len(self._queue) else quiet + 1
            if quiet >= (self._turns if len(self._queue) > FEW else 1):
                return
            seen = len(self._queue)
            await asyncio.sleep(0)

    async def settled(self) -> None:
        """Wait until everything queued so far is in the books."""
        await self._idle.wait()

    def stop(self) -> None:
        """Let `run` end once the queue is empty."""
        self._stopping = True
        self._arrived.set()
        self._awaited.set()

    def _put(self, operation: Operation, future: asyncio.Future[Verdict] | None) -> None:
        self._queue.append((operation, future))
        self._idle.clear()
        self._arrived.set()
        if future is not None:
            self._awaited.set()

    def _answer(self, operation: Operation, future: asyncio.Future[Verdict] | None, verdict: Verdict) -> None:
        if future is None:
            return
        if not future.done():
            future.set_result(verdict)
        elif isinstance(operation, Reserve) and isinstance(verdict, Admitted):
            # Whoever asked has gone before the answer came: nothing was sent, so nothing is owed.
            self.post(Closing(operation.opening.id, State.RELEASED))

    def _failed(self, batch: list[tuple[Operation, asyncio.Future[Verdict] | None]], error: Exception) -> None:
        self.is_well = False
        self.tally.failed_batches += 1
        self._report("a batch was not committed", error)
        for operation, future in batch:
            if isinstance(operation, Closing):
                self._retry(operation, future, error)
                continue
            self.post(Closing(operation.opening.id, State.RELEASED))
            if future is not None and not future.done():
                future.set_exception(
                    Refusal(
                        Code.LEDGER_UNAVAILABLE,
                        "The ledger cannot be written right now, so the call was not forwarded and costs nothing.",
                        hint="Try again in a moment.",
                        retry_after_ms=1_000,
                    )
                )

    def _retry(self, closing: Closing, future: asyncio.Future[Verdict] | None, error: Exception) -> None:
        tries = self._tries.get(closing.call_id, 0) + (not isinstance(error, Unavailable))
        if tries >= CLOSING_TRIES:
            self._tries.pop(closing.call_id, None)
            self.tally.lost_closings += 1
            self._report(f"call {closing.call_id} could not be closed and stays held until the next start", error)
            if future is not None:
                future.cancel()
            return
        self._tries[closing.call_id] = tries
        self._put(closing, future)
