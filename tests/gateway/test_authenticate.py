"""From headers to a living key or a refusal, without a question to the database for garbage."""

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from given import FakeClock, a_database, seeded_entropy, some_people
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.identifiers import ALPHABET, base62
from keyhouse.core.key import Credential, ModelPolicy, Standing
from keyhouse.core.secret import Kind, digest, mint, parse
from keyhouse.gateway.authenticate import Authenticator, require_endpoint, require_model
from keyhouse.gateway.presented import Presented
from keyhouse.store import schema
from keyhouse.store.model_permissions import insert_model_policy, update_model_policy
from keyhouse.store.sqlite import SqliteDatabase

PEPPER = b"p" * 32
SECRET = mint(Kind.USER, "key_0123456789", seeded_entropy(9)).value


class CountingDatabase:
    """A real database that counts its questions, and can be made to change in the middle of one."""

    def __init__(self, database: SqliteDatabase) -> None:
        self.database = database
        self.questions = 0
        self.meanwhile: Callable[[], None] = lambda: None

    async def read(self, question: Callable[[Any], Any]) -> Any:
        self.questions += 1
        found = await self.database.read(question)
        self.meanwhile()
        return found


async def a_desk(folder: Path) -> tuple[Authenticator, CountingDatabase, FakeClock]:
    clock = FakeClock()
    database = a_database(folder, clock)
    await database.write(some_people)
    stored = update(schema.key_secrets).values(digest=digest(SECRET, PEPPER))
    await database.write(lambda connection: connection.execute(stored).rowcount)
    counting = CountingDatabase(database)
    return Authenticator(counting, PEPPER, clock), counting, clock  # type: ignore[arg-type]


Headers = list[tuple[bytes, bytes]]
ELSEWHERE: Headers = [(b"api-key", b"x")]


def bearer(text: str) -> Headers:
    return [(b"authorization", b"Bearer " + text.encode("latin-1"))]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ([], Code.CREDENTIAL_MISSING),
        (ELSEWHERE, Code.CREDENTIAL_MISSING),
        ([(b"authorization", b"Basic abc")], Code.CREDENTIAL_MISSING),
        (bearer(SECRET) * 2, Code.CREDENTIAL_TWICE),
        (bearer(SECRET) + ELSEWHERE, Code.CREDENTIAL_TWICE),
        (bearer("' OR 1=1 --"), Code.KEY_MALFORMED),
        (bearer("sk-kh_\x00"), Code.KEY_MALFORMED),
        (bearer("x" * 1_000_000), Code.KEY_MALFORMED),
        (bearer(SECRET[:-1] + ("a" if SECRET[-1] != "a" else "b")), Code.KEY_MALFORMED),
        (bearer(mint(Kind.ADMIN, "key_0123456789", seeded_entropy(2)).value), Code.KEY_WRONG_KIND),
    ],
)
async def test_what_is_not_one_whole_credential_is_refused_without_asking_the_database(
    tmp_path: Path, headers: Headers, code: Code
) -> None:
    authenticator, counting, _ = await a_desk(tmp_path)
    with pytest.raises(Refusal) as caught:
        await authenticator.authenticate(Presented(headers), "127.0.0.1")
    assert (caught.value.code, counting.questions) == (code, 0)
    await counting.database.close()


@pytest.mark.asyncio
@pytest.mark.parametrize("is_same_head", [False, True])
async def test_a_key_is_read_once_and_again_after_it_was_changed(tmp_path: Path, *, is_same_head: bool) -> None:
    authenticator, counting, clock = await a_desk(tmp_path)
    presented = Presented(bearer(SECRET))
    for _ in range(3):
        presented = presented if is_same_head else Presented(bearer(SECRET))
        assert (await authenticator.authenticate(presented, "")).key_id == "key_1"
    assert counting.questions == 1
    revoke = update(schema.keys).values(revoked_at_ms=clock.now_ms())
    await counting.database.write(lambda connection: connection.execute(revoke).rowcount)
    authenticator.forget("key_1")
    with pytest.raises(Refusal) as caught:
        await authenticator.authenticate(presented, "")
    assert caught.value.code is Code.KEY_REVOKED
    await counting.database.close()


@pytest.mark.asyncio
async def test_a_revoked_key_that_is_still_remembered_is_refused_where_it_is_read_anew(tmp_path: Path) -> None:
    authenticator, counting, clock = await a_desk(tmp_path)
    await authenticator.authenticate(Presented(bearer(SECRET)), "", anew=True)
    revoke = update(schema.keys).values(revoked_at_ms=clock.now_ms())
    await counting.database.write(lambda connection: connection.execute(revoke).rowcount)
    await authenticator.authenticate(Presented(bearer(SECRET)), "")
    with pytest.raises(Refusal) as caught:
        await authenticator.authenticate(Presented(bearer(SECRET)), "", anew=True)
    assert caught.value.code is Code.KEY_REVOKED
    await counting.database.close()


@pytest.mark.asyncio
async def test_after_a_silence_every_key_is_read_anew(tmp_path: Path) -> None:
    authenticator, counting, _ = await a_desk(tmp_path)
    for _ in range(2):
        authenticator.forget_all()
        for _ in range(2):
            await authenticator.authenticate(Presented(bearer(SECRET)), "")
    assert counting.questions == 2
    await counting.database.close()


FORGETTINGS: list[Callable[[Authenticator], None]] = [lambda a: a.forget("key_1"), Authenticator.forget_all]


@pytest.mark.asyncio
@pytest.mark.parametrize("forget", FORGETTINGS, ids=["one", "all"])
async def test_what_was_read_before_a_change_is_not_remembered_after_it(
    tmp_path: Path, forget: Callable[[Authenticator], None]
) -> None:
    authenticator, counting, _ = await a_desk(tmp_path)
    counting.meanwhile = lambda: forget(authenticator)
    await authenticator.authenticate(Presented(bearer(SECRET)), "")
    counting.meanwhile = lambda: None
    await authenticator.authenticate(Presented(bearer(SECRET)), "")
    assert counting.questions == 2
    await counting.database.close()


@pytest.mark.asyncio
async def test_a_secret_of_right_form_that_nobody_issued_is_unknown(tmp_path: Path) -> None:
    authenticator, counting, _ = await a_desk(tmp_path)
    with pytest.raises(Refusal) as caught:
        await authenticator.authenticate(
            Presented(bearer(mint(Kind.USER, "key_0123456789", seeded_entropy(8)).value)), ""
        )
    assert caught.value.code is Code.KEY_UNKNOWN
    await counting.database.close()


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("address", "is_allowed"), [("10.1.2.3", True), ("::ffff:10.1.2.3", True), ("11.1.2.3", False), ("", False)]
)
async def test_a_key_with_addresses_is_used_from_these_only(tmp_path: Path, address: str, is_allowed: bool) -> None:
    authenticator, counting, _ = await a_desk(tmp_path)
    only = update(schema.keys).values(ip_allowlist='["10.0.0.0/8"]')
    await counting.database.write(lambda connection: connection.execute(only).rowcount)
    if is_allowed:
        await authenticator.authenticate(Presented(bearer(SECRET)), address)
    else:
        with pytest.raises(Refusal) as caught:
            await authenticator.authenticate(Presented(bearer(SECRET)), address)
        assert caught.value.code is Code.ADDRESS_NOT_ALLOWED
    await counting.database.close()


@pytest.mark.asyncio
async def test_a_projects_models_hold_for_all_of_its_keys_from_the_moment_they_are_told(tmp_path: Path) -> None:
    authenticator, counting, _ = await a_desk(tmp_path)

    async def usable() -> list[str]:
        credential = await authenticator.authenticate(Presented(bearer(SECRET)), "127.0.0.1")
        found = []
        for model in ("tiny-1", "tiny-2"):
            try:
                require_model(credential, model)
            except Refusal as refusal:
                found.append(str(refusal.code))
            else:
                found.append(model)
        return found

    assert await usable() == ["tiny-1", "tiny-2"]
    only = ModelPolicy("allow_list", ("tiny-1",))
    await counting.database.write(lambda c: insert_model_policy(c, "proj_1", only))
    authenticator.forget("key_1")
    refused = str(Code.MODEL_NOT_ALLOWED)
    assert await usable() == ["tiny-1", refused]
    for policy, expected in (
        (ModelPolicy("deny_list", ("tiny-1",)), [refused, "tiny-2"]),
        (ModelPolicy("deny_list", ()), ["tiny-1", "tiny-2"]),
        (ModelPolicy("allow_list", ()), [refused, refused]),
    ):
        await counting.database.write(lambda c, policy=policy: update_model_policy(c, "proj_1", policy))  # type: ignore[misc]
        authenticator.forget("key_1")
        assert await usable() == expected
    await counting.database.close()


@pytest.mark.parametrize(
    ("path", "is_allowed"),
    [
        ("/v1/responses", True),
        ("/v1/responses/resp_1/cancel", True),
        ("/v1/responsesx", False),
        ("/v1/chat/completions", False),
        ("/v1/models", False),
    ],
)
def test_a_key_with_a_list_of_endpoints_is_for_those_and_what_is_below_them(path: str, is_allowed: bool) -> None:
    standing = Standing()
    listed = Credential(
        "key_1", 1, Kind.USER, "sk-kh_1...", "org-1", "UTC", "proj_1", "user-1", standing, endpoints=("/v1/responses",)
    )
    if is_allowed:
        require_endpoint(listed, path)
        return
    with pytest.raises(Refusal) as caught:
        require_endpoint(listed, path)
    assert caught.value.code is Code.ENDPOINT_NOT_ALLOWED


@pytest.mark.asyncio
async def test_secrets_that_begin_alike_are_never_taken_for_each_other(tmp_path: Path) -> None:
    """CVE-2026-35030: a cache by the first 20 characters gave one key's rights to whoever had another."""
    authenticator, counting, _ = await a_desk(tmp_path)
    await authenticator.authenticate(Presented(bearer(SECRET)), "127.0.0.1")
    stem, count = SECRET[:-6], 0
    for last in ALPHABET:
        alike = stem[:-1] + last
        alike += base62(zlib.crc32(alike.encode()), 6)
        if alike == SECRET:
            continue
        assert parse(alike) is not None
        with pytest.raises(Refusal) as caught:
            await authenticator.authenticate(Presented(bearer(alike)), "127.0.0.1")
        assert caught.value.code is Code.KEY_UNKNOWN
        count += 1
    assert count == len(ALPHABET) - 1
    await counting.database.close()


@pytest.mark.asyncio
async def test_the_secret_of_a_head_that_comes_again_is_not_digested_again(tmp_path: Path) -> None:
    authenticator, counting, _ = await a_desk(tmp_path)
    await authenticator.authenticate(Presented(bearer(SECRET)), "")
    presented = Presented(bearer("is not read any more"))
    presented.digest = digest(SECRET, PEPPER)
    assert (await authenticator.authenticate(presented, "")).key_id == "key_1"
    await counting.database.close()


@pytest.mark.asyncio
async def test_authentication_writes_nothing(tmp_path: Path) -> None:
    authenticator, counting, _ = await a_desk(tmp_path)
    for _ in range(3):
        await authenticator.authenticate(Presented(bearer(SECRET)), "127.0.0.1")
    used = select(schema.keys.c.last_used_at_ms)
    assert (await counting.database.read(lambda c: c.execute(used).scalars().all())) == [None]
    assert not hasattr(counting, "write")  # what it was given can only be read
    await counting.database.close()
