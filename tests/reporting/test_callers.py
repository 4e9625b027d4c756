"""Which key's callers are asked for, and since when."""

from pathlib import Path

import pytest

from given import NOON, FakeClock
from given_calls import a_call
from given_control import a_house, refused
from keyhouse.core.errors import Code
from keyhouse.reporting.callers import DAY_MS, CallerQuestions

pytestmark = pytest.mark.asyncio


async def test_callers_of_the_last_day_of_a_key_of_ones_own(tmp_path: Path) -> None:
    async with a_house(tmp_path, FakeClock()) as house:
        await house.database.write(lambda c: a_call(c, NOON - DAY_MS - 1, address="old"))
        await house.database.write(lambda c: a_call(c, NOON - 1, address="new"))
        questions = CallerQuestions(house.database, house.clock)
        assert [each.address for each in (await questions.of_key("org-1", "key_1")).callers] == ["new"]
        assert len((await questions.of_key("org-1", "key_1", since_ms=0)).callers) == 2
        await refused(questions.of_key("org-2", "key_1"), Code.NOT_FOUND)
        await refused(questions.of_key("org-1", "key_1", project_id="proj_2"), Code.NOT_FOUND)
