"""Invites: read back as they were made, found by their token's hash, and gone when deleted."""

import pytest

from given import NOON, some_people
from keyhouse.core.errors import Code, Refusal
from keyhouse.store.engine import Database
from keyhouse.store.invites import (
    Invite,
    ProjectRole,
    find_by_token,
    get_invite,
    insert_invite,
    list_invites,
    update_accepted,
    update_deleted,
)

pytestmark = pytest.mark.asyncio

INVITE = Invite(
    "invite-1", "org-1", "bob@example.com", "member", (ProjectRole("proj_1", "viewer"),), NOON, "user-1", NOON + 10
)


async def test_an_invite_is_read_back_accepted_and_deleted(database: Database) -> None:
    await database.write(some_people)
    await database.write(lambda c: insert_invite(c, INVITE, b"hash"))
    assert await database.read(lambda c: find_by_token(c, b"hash")) == INVITE
    assert await database.read(lambda c: find_by_token(c, b"other")) is None
    assert await database.read(lambda c: list_invites(c, "org-1")) == (INVITE,)
    assert await database.read(lambda c: list_invites(c, "org-2")) == ()
    await database.write(lambda c: update_accepted(c, "invite-1", "user-1", NOON + 5))
    accepted = await database.read(lambda c: get_invite(c, "org-1", "invite-1"))
    assert (accepted.accepted_at_ms, accepted.accepted_by, accepted.status(NOON + 10)) == (
        NOON + 5,
        "user-1",
        "accepted",
    )
    await database.write(lambda c: update_deleted(c, "invite-1", NOON + 6))
    with pytest.raises(Refusal) as refused:
        await database.read(lambda c: get_invite(c, "org-1", "invite-1"))
    assert refused.value.code is Code.NOT_FOUND


async def test_it_is_pending_until_its_last_millisecond() -> None:
    assert [INVITE.status(NOON + ms) for ms in (0, 9, 10)] == ["pending", "pending", "expired"]
