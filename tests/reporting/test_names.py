"""Names of ids, within one organization."""

import pytest

from given_control import House
from keyhouse.reporting.names import Names


@pytest.mark.asyncio
async def test_keys_people_and_projects_are_named_and_nobody_elses(house: House) -> None:
    questions = Names(house.database)
    ids = ["key_1", "user-1", "proj_1", "key_2", "user-2", "proj_2", "nothing"]
    assert await questions.names("org-1", ids) == {"key_1": "first", "user-1": "Ada", "proj_1": "Main"}
    assert await questions.names("org-1", []) == {}
