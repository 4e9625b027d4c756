"""`/settings/organization`: renamed, and in another zone."""

import pytest

from console.given_console import Console

pytestmark = pytest.mark.asyncio
HERE = "/settings/organization"


async def test_name_and_zone_are_changed_and_what_is_wrong_comes_back(at_home: Console) -> None:
    answer = await at_home.send(HERE, form_at=HERE, name="Meridian Rail", time_zone="Asia/Tokyo")
    assert answer.status_code == 303
    page = await at_home.page(HERE)
    assert ('value="Meridian Rail"' in page, "<option selected>Asia/Tokyo</option>" in page) == (True, True)
    assert "Days and times in Asia/Tokyo" in await at_home.page("/members")
    for fields, words in (
        ({"name": "", "time_zone": "UTC"}, "The name is empty"),
        ({"name": "X", "time_zone": "Mars/Olympus"}, "is not a time zone"),
    ):
        answer = await at_home.send(HERE, form_at=HERE, **fields)
        assert (answer.status_code, words in answer.text) == (422, True), words


async def test_a_reader_sees_them_and_who_can_change_them(at_home: Console) -> None:
    await at_home.become("reader")
    page = await at_home.page(HERE)
    assert ("An owner of Meridian Freight" in page, '<form class="setting"' in page) == (True, False)
    assert (await at_home.send(HERE, form_at=HERE, name="X", time_zone="UTC")).status_code == 403
