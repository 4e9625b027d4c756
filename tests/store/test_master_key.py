"""The master key is made once, for an empty database, and never remade over an existing one."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy import update

from given import FakeClock, seeded_entropy
from given_engine import Engine
from keyhouse.core.keyring import Keyring, derive, wrap
from keyhouse.store.engine import CannotOpen, Database
from keyhouse.store.master_key import open_keyring
from keyhouse.store.schema import installation

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def database(engine: Engine, tmp_path: Path) -> AsyncIterator[Database]:
    made = engine.open(tmp_path)
    yield made
    await made.close()


async def a_keyring(folder: Path, database: Database, seed: int = 1) -> Keyring:
    return await open_keyring(folder / "master.key", database, FakeClock(), seeded_entropy(seed))


async def test_it_is_made_for_an_empty_database_readable_by_its_owner_only(tmp_path: Path, database: Database) -> None:
    first = await a_keyring(tmp_path / "secrets", database)
    (made,) = (tmp_path / "secrets").iterdir()
    assert (made.name, made.stat().st_mode & 0o777) == ("master.key", 0o600)
    assert await a_keyring(tmp_path / "secrets", database, seed=2) == first
    assert first.pepper.hex() not in repr(first)


async def test_one_that_is_there_is_taken_also_from_a_folder_that_cannot_be_written(
    tmp_path: Path, database: Database
) -> None:
    (tmp_path / "master.key").write_text("ab" * 32)
    os.chmod(tmp_path, 0o500)  # noqa: PTH101  it takes no time
    try:
        assert await a_keyring(tmp_path, database) == derive(b"\xab" * 32)
    finally:
        os.chmod(tmp_path, 0o700)  # noqa: PTH101


async def test_a_missing_one_is_not_remade(tmp_path: Path, database: Database) -> None:
    await a_keyring(tmp_path, database)
    (tmp_path / "master.key").unlink()
    with pytest.raises(CannotOpen, match="is missing, .* from another gateway of this database"):
        await a_keyring(tmp_path, database)
    assert not (tmp_path / "master.key").exists()


async def test_of_gateways_that_start_at_once_with_one_folder_all_have_the_same(
    tmp_path: Path, database: Database
) -> None:
    keyrings = await asyncio.gather(*(a_keyring(tmp_path, database, seed) for seed in range(8)))
    assert len({keyring.pepper for keyring in keyrings}) == 1


async def test_of_gateways_that_start_at_once_with_folders_of_their_own_one_binds_the_database(
    tmp_path: Path, database: Database
) -> None:
    folders = [tmp_path / name for name in "abcd"]
    results = await asyncio.gather(
        *(a_keyring(folder, database, seed) for seed, folder in enumerate(folders)), return_exceptions=True
    )
    bound = [folder for folder, result in zip(folders, results, strict=True) if isinstance(result, Keyring)]
    refused = [str(result) for result in results if isinstance(result, CannotOpen)]
    assert (len(bound), len(refused)) == (1, 3)
    assert all("not the master key of this database" in reason or "is missing" in reason for reason in refused)
    # What the others made is no database's key, and must not be taken for one.
    assert [folder for folder in folders if (folder / "master.key").exists()] == bound


@pytest.mark.parametrize(
    ("content", "says"), [("ab" * 32, "not the master key"), ("ab", "1 bytes"), ("zz", "cannot be read")]
)
async def test_another_or_a_broken_one_is_refused(tmp_path: Path, database: Database, content: str, says: str) -> None:
    await a_keyring(tmp_path, database)
    (tmp_path / "master.key").write_text(content)
    with pytest.raises(CannotOpen, match=says):
        await a_keyring(tmp_path, database)
    assert (tmp_path / "master.key").read_text() == content


async def test_what_a_master_key_opens_is_not_altered_unseen(tmp_path: Path, database: Database) -> None:
    """Whoever can write to the database cannot put a root of their own under it."""
    await a_keyring(tmp_path, database)

    async def alter(wrapped: bytes) -> None:
        altering = update(installation).values(wrapped_root=wrapped)
        await database.write(lambda connection: connection.execute(altering).rowcount)

    for wrapped in (b"", bytes(60), wrap(bytes(32), b"another" * 4, seeded_entropy())):
        await alter(wrapped)
        with pytest.raises(CannotOpen, match="was altered in the database"):
            await a_keyring(tmp_path, database)
