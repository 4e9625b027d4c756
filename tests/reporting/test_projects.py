"""Projects, within one organization."""

import pytest

from given_control import House, refused
from keyhouse.core.errors import Code
from keyhouse.reporting.projects import ProjectQuestions


@pytest.mark.asyncio
async def test_archived_projects_are_listed_only_when_asked_for_and_always_found(house: House) -> None:
    questions = ProjectQuestions(house.database)
    made = await house.projects.create(house.owner, "Research")
    await house.projects.archive(house.owner, made.id)
    assert [project.id for project in await questions.list("org-1")] == ["proj_1"]
    everything = await questions.list("org-1", include_archived=True)
    assert {project.id for project in everything} == {"proj_1", made.id}
    assert (await questions.one("org-1", made.id)).archived_at_ms is not None
    await refused(questions.one("org-2", made.id), Code.NOT_FOUND)
