"""Closes what a gateway that died left held.

Nobody knows what such a call used, so it is charged all that it had reserved: releasing it instead could
let a budget be overspent.
"""

from keyhouse.core.call import Basis, Closing, State
from keyhouse.ledger.commit import BATCH_MAX
from keyhouse.store.books import Books


async def close_orphans(books: Books) -> int:
    """Close every call that dead gateways left held; returns how many there were. Run before serving."""
    closed, after = 0, ""
    while ids := await books.held_by_the_dead(after, BATCH_MAX):
        await books.run([Closing(call_id, State.ORPHANED, Basis.RESERVED, flags="orphaned") for call_id in ids])
        closed, after = closed + len(ids), ids[-1]
    return closed
