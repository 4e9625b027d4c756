"""Projects through OpenAI's own client, strict about every field."""

from collections.abc import Iterator

import pytest
from openai import ConflictError, OpenAI

from admin.town import NOW, Town


@pytest.fixture
def sdk(town: Town) -> Iterator[OpenAI]:
    with town.sdk() as client:
        yield client


def test_a_project_is_created_renamed_listed_and_archived(sdk: OpenAI) -> None:
    projects = sdk.admin.organization.projects
    made = projects.create(name="Research", external_key_id="cost-7", extra_body={"residency": "EU", "role": "owner"})
    assert (made.name, made.status, made.external_key_id, made.archived_at) == ("Research", "active", "cost-7", None)
    assert made.created_at == NOW
    renamed = projects.update(made.id, name="Studies")
    assert (renamed.name, renamed.external_key_id) == ("Studies", "cost-7")
    assert projects.retrieve(made.id) == renamed
    archived = projects.archive(made.id)
    assert (archived.status, archived.archived_at) == ("archived", NOW)
    assert made.id not in {project.id for project in projects.list()}
    assert made.id in {project.id for project in projects.list(include_archived=True)}
    with pytest.raises(ConflictError):
        projects.update(made.id, name="again")
    with pytest.raises(ConflictError, match="default project"):
        projects.archive("proj_1")


def test_paging_one_by_one_gives_every_project_once_in_order(sdk: OpenAI) -> None:
    projects = sdk.admin.organization.projects
    made = ["proj_1", *(projects.create(name=f"p{number}").id for number in range(4))]
    seen = [project.id for project in projects.list(limit=1)]
    assert sorted(seen) == sorted(made)
    assert seen == [project.id for project in projects.list(limit=100)]
