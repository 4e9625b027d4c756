"""Rows of keys: recognized by their digest, listed in order, and within one organization."""

from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from sqlalchemy import Update, insert, update
from sqlalchemy.exc import IntegrityError

from given import NOON, FakeClock
from given_control import House, a_house
from given_engine import Engine
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.key import ApiKey, Standing
from keyhouse.core.secret import Kind
from keyhouse.store import keys as rows
from keyhouse.store import schema
from keyhouse.store.engine import Connection
from keyhouse.store.service_accounts import ServiceAccount, insert_service_account

pytestmark = pytest.mark.asyncio

DIGEST = b"key_1"
"""What `given.some_people` writes as the digest of `key_1`."""


@pytest_asyncio.fixture
async def house(tmp_path: Path, engine: Engine) -> AsyncIterator[House]:
    async with a_house(tmp_path, FakeClock(), engine) as made:
        yield made


def key_row(**values: Any) -> Update:
    return update(schema.keys).where(schema.keys.c.id == "key_1").values(**values)


async def standing(house: House) -> Standing:
    found = await house.database.read(lambda c: rows.find_credential(c, DIGEST))
    assert found is not None
    return found.standing


async def test_a_living_keys_standing_is_clear(house: House) -> None:
    assert await standing(house) == Standing()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (key_row(expires_at_ms=5), Standing(expires_at_ms=5)),
        (key_row(disabled_at_ms=5), Standing(disabled_at_ms=5)),
        (key_row(revoked_at_ms=5), Standing(revoked_at_ms=5)),
        (update(schema.key_secrets).values(ends_at_ms=5), Standing(secret_ends_at_ms=5)),
        (update(schema.projects).values(archived_at_ms=5), Standing(project_archived_at_ms=5)),
        (update(schema.users).values(disabled_at_ms=5), Standing(owner_gone_at_ms=5)),
        (update(schema.memberships).values(removed_at_ms=5), Standing(owner_gone_at_ms=5)),
        (key_row(owner_id="user-2"), Standing(owner_gone_at_ms=0)),
        (key_row(owner_id="nobody"), Standing(owner_gone_at_ms=0)),
        (key_row(owner_id="svc_acct_1", kind="service_account"), Standing()),
        (key_row(owner_id="svc_acct_2", kind="service_account"), Standing(owner_gone_at_ms=5)),
        (key_row(owner_id="svc_acct_3", kind="service_account"), Standing(owner_gone_at_ms=0)),
    ],
    ids=[
        "expired",
        "disabled",
        "revoked",
        "rotated",
        "project archived",
        "owner disabled",
        "owner removed",
        "owner elsewhere",
        "owner unknown",
        "service account",
        "service account deleted",
        "service account unknown",
    ],
)
async def test_everything_that_kills_a_key_is_in_its_standing(house: House, change: Update, expected: Standing) -> None:
    for account_id, deleted_at_ms in (("svc_acct_1", None), ("svc_acct_2", 5)):
        account = ServiceAccount(account_id, "org-1", "proj_1", "bot", "member", NOON, deleted_at_ms)
        await house.database.write(partial(insert_service_account, account=account))
    await house.execute(change)
    assert await standing(house) == expected


@pytest.mark.parametrize(("disabled", "removed"), [(5, 9), (9, 5)])
async def test_an_owner_is_gone_from_the_first_of_two_moments(house: House, disabled: int, removed: int) -> None:
    await house.execute(update(schema.users).values(disabled_at_ms=disabled))
    await house.execute(update(schema.memberships).values(removed_at_ms=removed))
    assert (await standing(house)).owner_gone_at_ms == 5


async def test_only_the_whole_digest_is_recognized(house: House) -> None:
    def ask(digest: bytes) -> Callable[[Connection], object]:
        return lambda connection: rows.find_credential(connection, digest)

    assert await house.database.read(ask(DIGEST)) is not None
    for other in (b"", b"key_", b"key_10", b"KEY_1", b"%"):
        assert await house.database.read(ask(other)) is None


async def test_two_keys_never_share_a_digest(house: House) -> None:
    clash = insert(schema.key_secrets).values(
        key_id="key_2", version=2, digest=DIGEST, pepper_version=1, last_four="aaaa", created_at_ms=0, created_by=""
    )
    with pytest.raises(IntegrityError):
        await house.execute(clash)


async def test_an_admin_keys_credential_has_no_project(house: House) -> None:
    await house.execute(key_row(project_id=None, kind="admin"))
    found = await house.database.read(lambda c: rows.find_credential(c, DIGEST))
    assert found is not None
    assert (found.kind, found.project_id, found.standing) == (Kind.ADMIN, "", Standing())
    assert found.redacted == "sk-admin-kh_1...x9Fa"


async def test_a_key_is_found_only_in_its_organization_its_project_and_as_its_kind(house: House) -> None:
    def ask(*place: str, **narrower: Any) -> Callable[[Connection], object]:
        return lambda connection: rows.find_key(connection, *place, **narrower)

    assert await house.database.read(ask("org-1", "key_1")) is not None
    assert await house.database.read(ask("org-1", "key_1", project_id="proj_1")) is not None
    for missing in (
        ask("org-2", "key_1"),
        ask("org-1", "key_2"),
        ask("org-1", "key_1", project_id="proj_2"),
        ask("org-1", "key_1", kinds=rows.ADMIN_KINDS),
    ):
        assert await house.database.read(missing) is None


async def test_a_key_comes_back_as_it_was_written_with_its_secrets_newest_first(house: House) -> None:
    issued = await house.keys.create(
        house.owner,
        house.draft(models=("a", "b"), ip_allowlist=("10.0.0.0/8",), expires_at_ms=NOON + 1),
    )
    rotated = await house.keys.rotate(house.owner, issued.key.id, 1_000)
    key = await house.database.read(lambda c: rows.get_key(c, "org-1", issued.key.id))
    assert key == rotated.key
    assert [secret.version for secret in key.secrets] == [2, 1]
    assert (key.models, key.ip_allowlist, key.expires_at_ms) == (("a", "b"), ("10.0.0.0/8",), NOON + 1)


async def test_keys_are_listed_page_by_page_without_gaps_or_repeats(house: House) -> None:
    made = ["key_1"]
    for place in range(7):
        house.clock.turn(ms=place % 2)
        made.append((await house.keys.create(house.owner, house.draft(name=f"k{place}"))).key.id)

    async def page(after: str | None, *, newest_first: bool) -> tuple[ApiKey, ...]:
        return await house.database.read(
            lambda c: rows.list_keys(c, "org-1", after=after, limit=3, newest_first=newest_first)
        )

    times = {row["id"]: row["created_at_ms"] for row in await house.rows("api_keys")}
    for newest_first in (True, False):
        found = await page(None, newest_first=newest_first)
        seen = [key.id for key in found]
        while len(found) == 3:
            found = await page(seen[-1], newest_first=newest_first)
            seen += [key.id for key in found]
        assert sorted(seen) == sorted(made)
        order = [times[key_id] for key_id in seen]
        assert order == sorted(order, reverse=newest_first)


async def test_a_list_holds_neither_revoked_nor_admin_nor_foreign_keys_unless_asked(house: House) -> None:
    await house.keys.revoke(house.owner, "key_1")
    admin = await house.keys.create_admin(house.owner, "terraform", None)

    async def listed(**narrower: Any) -> list[str]:
        return [key.id for key in await house.database.read(lambda c: rows.list_keys(c, "org-1", **narrower))]

    assert await listed() == []
    assert await listed(include_revoked=True) == ["key_1"]
    assert await listed(include_revoked=True, project_id="proj_2") == []
    assert await listed(kinds=rows.ADMIN_KINDS) == [admin.key.id]


async def test_continuing_after_another_organizations_key_is_refused(house: House) -> None:
    with pytest.raises(Refusal) as caught:
        await house.database.read(lambda c: rows.list_keys(c, "org-1", after="key_2"))
    assert (caught.value.code, caught.value.param) == (Code.PARAMETER_INVALID, "after")


async def test_names_are_told_within_one_organization(house: House) -> None:
    names = await house.database.read(lambda c: rows.list_names(c, "org-1", ["key_1", "key_2", "key_3"]))
    assert names == {"key_1": "first"}


async def test_updating_a_key_leaves_owner_project_and_last_use_alone(house: House) -> None:
    await house.execute(key_row(last_used_at_ms=77))
    key = await house.database.read(lambda c: rows.get_key(c, "org-1", "key_1"))
    forged = msgspec.structs.replace(key, owner_id="user-2", project_id="proj_2", last_used_at_ms=1, name="new")
    await house.database.write(lambda c: rows.update_key(c, forged))
    after = await house.database.read(lambda c: rows.get_key(c, "org-1", "key_1"))
    assert after == msgspec.structs.replace(key, name="new")
