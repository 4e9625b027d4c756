"""Closes what a gateway that died left held.

Nobody knows what such a call used, so it is charged all that it had reserved: releasing it instead could
let a budget be overspent.
"""

from collections.abc import Awaitable, Callable, Sequence

from keyhouse.core.call import Basis, Closing, State
from keyhouse.ledger.commit import BATCH_MAX
from keyhouse.store.books import Books


async def close_orphans(books: Books, close: Callable[[Sequence[Closing]], Awaitable[object]] | None = None) -> int:
    """Close every call that dead gateways left held; returns how many there were.

    Without `close` they go into the books at once, which only whoever has them alone may do: before it serves.
    """
    closed, after = 0, ""
    while ids := await books.held_by_the_dead(after, BATCH_MAX):
        closings = [Closing(call_id, State.ORPHANED, Basis.RESERVED, flags="orphaned") for call_id in ids]
        await (books.run(closings) if close is None else close(closings))
        closed, after = closed + len(ids), ids[-1]
    return closed
