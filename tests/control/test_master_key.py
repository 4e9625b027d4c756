"""Another master key: what was derived stays, the old file opens nothing more, and the audit log knows."""

import os
from pathlib import Path

import pytest

from given import seeded_entropy
from given_control import House
from keyhouse.control.master_key import rotate_master_key
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.keyring import Keyring
from keyhouse.store.engine import CannotOpen
from keyhouse.store.master_key import open_keyring, read_master_key
from keyhouse.store.schema import audit_heads

pytestmark = pytest.mark.asyncio

FIRST, SECOND, THIRD = (bytes([byte]) * 32 for byte in b"abc")


async def opened(house: House, folder: Path, key: bytes) -> Keyring:
    file = folder / "master.key"
    file.write_text(key.hex())
    assert read_master_key(file) == key
    return await open_keyring(file, house.database, house.clock, seeded_entropy())


async def test_what_is_derived_stays_and_only_the_newest_master_key_opens_it(house: House, tmp_path: Path) -> None:
    before = await opened(house, tmp_path, FIRST)
    for old, new in ((FIRST, SECOND), (SECOND, THIRD), (THIRD, FIRST)):
        await rotate_master_key(house.database, old, new, os.urandom)
        assert await opened(house, tmp_path, new) == before
        with pytest.raises(CannotOpen, match="not the master key of this database"):
            await opened(house, tmp_path, old)
    assert await house.events() == [("master_key.rotated", "org-1")] * 3


async def test_who_has_not_the_present_one_changes_nothing(house: House, tmp_path: Path) -> None:
    await opened(house, tmp_path, FIRST)
    before = await house.everything()
    with pytest.raises(CannotOpen, match="not the master key"):
        await rotate_master_key(house.database, SECOND, THIRD, os.urandom)
    with pytest.raises(Refusal) as caught:
        await rotate_master_key(house.database, FIRST, FIRST, os.urandom)
    assert caught.value.code is Code.CONFLICT
    assert await house.everything() == before


async def test_without_its_audit_entry_it_is_not_changed(house: House, tmp_path: Path) -> None:
    await opened(house, tmp_path, FIRST)
    await house.execute(audit_heads.delete())
    with pytest.raises(AssertionError, match="head of the audit log"):
        await rotate_master_key(house.database, FIRST, SECOND, os.urandom)
    await opened(house, tmp_path, FIRST)
