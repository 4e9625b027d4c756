"""Changing the master key: the root that it opens stays, wrapped anew, and with it all that is derived from it."""

from keyhouse.core.clock import Entropy
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.keyring import fingerprint, wrap
from keyhouse.store.audit import Event
from keyhouse.store.engine import Actor, Change, Database
from keyhouse.store.installation import Lock, find_lock, update_lock
from keyhouse.store.master_key import root_of
from keyhouse.store.people import find_first_organization


async def rotate_master_key(database: Database, before: bytes, after: bytes, entropy: Entropy) -> None:
    """From now on the database answers to the master key `after`, and no longer to `before`.

    Raises CannotOpen if it does not answer to `before`, Refusal(CONFLICT) if both are the same, if another was quicker,
    or if nobody has set Keyhouse up.
    """
    if fingerprint(before) == fingerprint(after):
        raise Refusal(Code.CONFLICT, "The new master key is the present one.", hint="Name another file.")
    lock = await database.read(find_lock)
    root = root_of(lock, before)
    organization = await database.read(find_first_organization)
    if lock is None or organization is None:
        raise Refusal(Code.CONFLICT, "Keyhouse is not set up yet.", hint="Set it up: so far it protects nothing.")
    anew = Lock(fingerprint(after), wrap(root, after, entropy))

    def write(change: Change) -> None:
        if not update_lock(change.connection, lock, anew):
            raise Refusal(Code.CONFLICT, "Someone else changed the master key.", hint="Ask them for the new one.")
        change.record(Event.MASTER_KEY_ROTATED, organization.id)

    await database.change(Actor("system", organization.id, "", "", ""), write)
