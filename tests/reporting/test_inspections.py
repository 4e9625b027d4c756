"""The key inspector, against keys that were really made, rotated and ended."""

import pytest

from given_control import House, rotating
from keyhouse.core.authority import Sight
from keyhouse.core.secret import redact
from keyhouse.reporting.inspections import Finding, Inspections, What
from reporting.test_keys import called


def inspections(house: House) -> Inspections:
    return Inspections(house.database, house.clock, house.pepper)


@pytest.mark.asyncio
async def test_an_old_secret_is_known_and_its_story_is_told_in_order(house: House) -> None:
    house.clock.turn(days=1)
    old, new = await rotating(house)
    made_ms = house.clock.now_ms()
    await house.execute(called(old.key.id, made_ms + 1_000, 1, 1))
    await house.execute(called(old.key.id, made_ms + 2_000, 2, 2))
    house.clock.turn(hours=2)
    found = await inspections(house).look("org-1", f"  {old.value}\n")
    (key,) = found.keys
    assert (found.finding, key.key.id, key.secret.version) == (Finding.KEYS, old.key.id, 1)
    assert (key.owner_name, key.project_name, found.shown) == ("Ada", "Main", redact(old.value))
    told = [(moment.what, moment.by, moment.version) for moment in key.story]
    assert told == [
        (What.CREATED, "Ada", 1),
        (What.ROTATED, "Ada", 2),
        (What.LAST_CALL, "", 1),
        (What.IN_USE, "", 2),
        (What.OLD_ENDED, "", 1),
    ]
    assert old.value not in repr(found)
    assert new.value not in repr(found)


@pytest.mark.asyncio
async def test_the_last_four_characters_find_living_and_ended_secrets(house: House) -> None:
    old, new = await rotating(house)
    house.clock.turn(hours=2)
    await house.keys.revoke(house.owner, old.key.id)
    for value, version in ((old.value, 1), (new.value, 2)):
        for text in (value[-4:], redact(value), redact(value).replace("...", "…")):
            found = await inspections(house).look("org-1", text)
            assert [(key.key.id, key.secret.version) for key in found.keys] == [(old.key.id, version)], text
            assert found.keys[0].story[-1].what is What.REVOKED


@pytest.mark.asyncio
async def test_a_secret_of_another_organization_reads_as_missing(house: House) -> None:
    issued = await house.keys.create(house.owner, house.draft())
    for text in (issued.value, issued.value[-4:]):
        assert (await inspections(house).look("org-2", text)).finding is Finding.UNKNOWN


@pytest.mark.asyncio
async def test_what_is_no_key_is_told_apart(house: House) -> None:
    issued = await house.keys.create(house.owner, house.draft())
    admin = await house.keys.create_admin(house.owner, "terraform", None)
    wrong = "x" if issued.value[-1] != "x" else "y"
    for text, finding in (
        (issued.value[:-1] + wrong, Finding.DAMAGED),
        (issued.value[:-1], Finding.DAMAGED),
        ("sk-proj-abcdefghijklmnop", Finding.OTHERS),
        (admin.value, Finding.ADMIN_KEY),
        ("", Finding.NOTHING),
        ("abc", Finding.NOTHING),
        ("a' b", Finding.NOTHING),
        ("what is this", Finding.NOTHING),
        ("zz%z", Finding.NOTHING),
        ("0000", Finding.UNKNOWN),
    ):
        found = await inspections(house).look("org-1", text)
        assert (found.finding, found.keys) == (finding, ()), text


@pytest.mark.asyncio
async def test_only_calls_with_the_secret_asked_about_are_its_last_call(house: House) -> None:
    old, new = await rotating(house)
    await house.execute(called(old.key.id, house.clock.now_ms() + 1_000, 1, 1))
    found = await inspections(house).look("org-1", new.value)
    assert What.LAST_CALL not in [moment.what for moment in found.keys[0].story]


@pytest.mark.asyncio
async def test_of_a_key_out_of_sight_only_the_holder_of_a_secret_learns_that_it_is_there(house: House) -> None:
    issued = await house.keys.create(house.owner, house.draft())
    elsewhere, own = Sight(frozenset(), "user-9"), Sight(frozenset(), "user-1")
    found = await inspections(house).look("org-1", issued.value, elsewhere)
    assert (found.finding, found.keys) == (Finding.HIDDEN, ())
    assert (await inspections(house).look("org-1", issued.value[-4:], elsewhere)).finding is Finding.UNKNOWN
    for sight in (own, Sight(frozenset({"proj_1"}), "user-9")):
        for text in (issued.value, issued.value[-4:]):
            assert (await inspections(house).look("org-1", text, sight)).finding is Finding.KEYS
