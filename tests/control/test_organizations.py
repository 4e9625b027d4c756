"""The organization's name and time zone: its keys are told of another zone."""

import pytest

from given_control import House, refused
from keyhouse.control.organizations import Organizations
from keyhouse.core.errors import Code

pytestmark = pytest.mark.asyncio


async def test_another_zone_holds_at_once_for_every_key_and_another_name_concerns_none(house: House) -> None:
    organizations = Organizations(house.database, house.changed.append)
    await organizations.update(house.owner, "Acme Ltd", "Europe/Berlin")
    assert house.changed == []
    changed = await organizations.update(house.owner, "Acme Ltd", "Asia/Tokyo")
    assert (changed.name, changed.time_zone) == ("Acme Ltd", "Asia/Tokyo")
    assert house.changed == ["key_1"]
    assert sorted(row["time_zone"] for row in await house.rows("organizations")) == ["Asia/Tokyo", "Europe/Berlin"]
    assert [event for event, _ in await house.events()] == ["organization.updated"] * 2


async def test_what_cannot_be_meant_changes_nothing(house: House) -> None:
    organizations = Organizations(house.database, house.changed.append)
    before = await house.rows("organizations")
    for name, zone in (("", "UTC"), ("Acme", "Mars/Olympus")):
        await refused(organizations.update(house.owner, name, zone), Code.PARAMETER_INVALID)
    assert await house.rows("organizations") == before
