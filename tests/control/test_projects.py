"""Creating, renaming and archiving projects."""

import msgspec
import pytest
from sqlalchemy import update

from given_control import House, refused
from keyhouse.core.errors import Code
from keyhouse.core.key import why_dead
from keyhouse.store import schema

pytestmark = pytest.mark.asyncio


async def test_a_project_is_made_in_the_actors_organization(house: House) -> None:
    project = await house.projects.create(house.owner, " Search ", "ext-1")
    assert (project.organization_id, project.name, project.external_key_id) == ("org-1", "Search", "ext-1")
    assert (project.is_default, project.archived_at_ms) == (False, None)
    assert await house.events() == [("project.created", project.id)]


async def test_renaming_changes_only_what_it_names(house: House) -> None:
    project = await house.projects.create(house.owner, "Search", "ext-1")
    renamed = await house.projects.update(house.owner, project.id, "Find")
    assert renamed == msgspec.structs.replace(project, name="Find")
    cleared = await house.projects.update(house.owner, project.id, external_key_id=None)
    assert cleared == msgspec.structs.replace(renamed, external_key_id=None)
    details = msgspec.json.decode((await house.rows("audit_events"))[1]["details"])
    assert details == {"name": {"from": "Search", "to": "Find"}}


async def test_archiving_kills_all_its_keys_and_tells_of_each(house: House) -> None:
    first = await house.keys.create(house.owner, house.draft())
    second = await house.keys.create(house.owner, house.draft())
    house.changed.clear()
    project = await house.projects.archive(house.owner, "proj_1")
    assert project.archived_at_ms == house.clock.now_ms()
    assert sorted(house.changed) == sorted(["key_1", first.key.id, second.key.id])
    for issued in (first, second):
        credential = await house.credential(issued.value)
        assert why_dead(credential.standing, house.clock.now_ms()) is Code.PROJECT_ARCHIVED


async def test_an_archived_project_stays_as_it_is(house: House) -> None:
    await house.projects.archive(house.owner, "proj_1")
    before = await house.everything()
    await refused(house.projects.archive(house.owner, "proj_1"), Code.CONFLICT)
    await refused(house.projects.update(house.owner, "proj_1", "x"), Code.CONFLICT)
    assert await house.everything() == before


async def test_the_default_project_is_not_archived(house: House) -> None:
    await house.execute(update(schema.projects).where(schema.projects.c.id == "proj_1").values(is_default=1))
    await refused(house.projects.archive(house.owner, "proj_1"), Code.CONFLICT)
    assert house.changed == []


@pytest.mark.parametrize("project_id", ["proj_1", "proj_none"])
async def test_another_organizations_project_reads_as_missing(house: House, project_id: str) -> None:
    before = await house.everything()
    await refused(house.projects.update(house.stranger, project_id, "x"), Code.NOT_FOUND)
    await refused(house.projects.archive(house.stranger, project_id), Code.NOT_FOUND)
    assert await house.everything() == before
    assert house.changed == []


@pytest.mark.parametrize("role", ["reader", "member"])
async def test_only_an_owner_may_change_projects(house: House, role: str) -> None:
    actor = msgspec.structs.replace(house.owner, role=role)
    await refused(house.projects.create(actor, "x"), Code.NOT_PERMITTED)
    unseen = Code.NOT_FOUND if role == "member" else Code.NOT_PERMITTED
    await refused(house.projects.update(actor, "proj_1", "x"), unseen)
    await refused(house.projects.archive(actor, "proj_1"), unseen)
    assert await house.events() == []


async def test_a_bad_field_is_refused_by_its_name(house: House) -> None:
    assert (await refused(house.projects.create(house.owner, ""), Code.PARAMETER_INVALID)).param == "name"
    refusal = await refused(house.projects.update(house.owner, "proj_1", "x" * 101), Code.PARAMETER_INVALID)
    assert refusal.param == "name"
    for bad in ("", "x" * 201, "a\nb"):
        refusal = await refused(house.projects.create(house.owner, "x", bad), Code.PARAMETER_INVALID)
        assert refusal.param == "external_key_id"
    assert await house.events() == []
