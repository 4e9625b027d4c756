"""The master key is made once, for an empty database, and never remade over an existing one."""

from pathlib import Path

import pytest

from given import FakeClock, a_database, seeded_entropy
from keyhouse.core.keyring import Keyring
from keyhouse.store.engine import CannotOpen
from keyhouse.store.master_key import open_keyring


async def a_keyring(folder: Path, seed: int = 1) -> Keyring:
    database = a_database(folder)
    try:
        return await open_keyring(folder / "master.key", database, FakeClock(), seeded_entropy(seed))
    finally:
        await database.close()


@pytest.mark.asyncio
async def test_it_is_made_for_an_empty_database_readable_by_its_owner_only(tmp_path: Path) -> None:
    first = await a_keyring(tmp_path)
    assert (tmp_path / "master.key").stat().st_mode & 0o777 == 0o600
    assert await a_keyring(tmp_path, seed=2) == first
    assert first.pepper.hex() not in repr(first)


@pytest.mark.asyncio
async def test_a_missing_one_is_not_remade(tmp_path: Path) -> None:
    await a_keyring(tmp_path)
    (tmp_path / "master.key").unlink()
    with pytest.raises(CannotOpen, match="is missing"):
        await a_keyring(tmp_path)
    assert not (tmp_path / "master.key").exists()


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("content", "says"), [("ab" * 32, "not the master key"), ("ab", "1 bytes"), ("zz", "cannot be read")]
)
async def test_another_or_a_broken_one_is_refused(tmp_path: Path, content: str, says: str) -> None:
    await a_keyring(tmp_path)
    (tmp_path / "master.key").write_text(content)
    with pytest.raises(CannotOpen, match=says):
        await a_keyring(tmp_path)
    assert (tmp_path / "master.key").read_text() == content
