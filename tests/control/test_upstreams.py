"""Upstreams and models as the control plane changes them, on both engines, and what other gateways hear of it."""

import asyncio
from pathlib import Path
from typing import cast

import pytest

from given import AUDIT_KEY, FakeClock, seeded_entropy
from given_control import House, a_house
from given_engine import PostgresEngine
from keyhouse.catalog import Catalog, Given, upstream_of
from keyhouse.control.served_models import Models
from keyhouse.control.upstreams import Upstreams
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.sealing import SealingKey
from keyhouse.core.written import Configured, WrittenModel, WrittenUpstream
from keyhouse.store.postgres import PostgresDatabase
from postgres import Cluster

pytestmark = pytest.mark.asyncio

SEALING = SealingKey("1", b"s" * 32)
OWN = WrittenUpstream("own", "https://api.example.com/v1")
MODEL = WrittenModel(name="m", upstreams=("own",), input_usd_per_million="1", output_usd_per_million="2")
CANARY = "sk-upstream-canary"


def verbs(house: House, catalog: Catalog) -> tuple[Upstreams, Models]:
    return (
        Upstreams(house.database, house.entropy, SEALING, Configured(), catalog.reload),
        Models(house.database, house.entropy, Configured(), catalog.reload),
    )


def a_catalog(house: House, given: Given | None = None) -> Catalog:
    return Catalog(given or Given(), house.database, house.clock, SEALING)


async def test_a_stranger_neither_changes_nor_learns_of_an_upstream(house: House) -> None:
    upstreams, models = verbs(house, a_catalog(house))
    own = await upstreams.create(house.owner, OWN, CANARY)
    model = await models.create(house.owner, MODEL)
    before = await house.everything()
    for change in (
        upstreams.update(house.stranger, own.id, lambda written: written),
        upstreams.delete(house.stranger, own.id),
        models.update(house.stranger, model.id, lambda written: written),
        models.delete(house.stranger, model.id),
    ):
        with pytest.raises(Refusal) as caught:
            await change
        assert caught.value.code is Code.NOT_FOUND
    assert await house.everything() == before


async def test_of_a_model_that_comes_and_its_upstream_that_goes_at_once_one_is_refused(house: House) -> None:
    """On PostgreSQL both changes run beside each other."""
    upstreams, models = verbs(house, a_catalog(house))
    for number in range(4):
        own = await upstreams.create(house.owner, WrittenUpstream(f"u{number}", OWN.base_url), None)
        model = WrittenModel(name=f"m{number}", upstreams=(own.written.name,))
        ended = await asyncio.gather(
            models.create(house.owner, model), upstreams.delete(house.owner, own.id), return_exceptions=True
        )
        refusals = [one.code for one in ended if isinstance(one, Refusal)]
        assert refusals in ([Code.CONFLICT], [Code.PARAMETER_INVALID]), ended


async def test_of_two_that_take_a_name_at_once_one_is_refused(house: House) -> None:
    upstreams, _ = verbs(house, a_catalog(house))
    ended = await asyncio.gather(*(upstreams.create(house.owner, OWN, None) for _ in range(4)), return_exceptions=True)
    assert sorted(one.code for one in ended if isinstance(one, Refusal)) == [Code.CONFLICT] * 3


async def test_no_credential_is_in_the_audit_log(house: House) -> None:
    upstreams, _ = verbs(house, a_catalog(house))
    own = await upstreams.create(house.owner, OWN, CANARY)
    await upstreams.update(house.owner, own.id, lambda written: written, CANARY + "-2")
    await upstreams.delete(house.owner, own.id)
    told = repr(await house.rows("audit_events"))
    assert "has_credential" in told
    assert CANARY not in told


async def test_what_the_configuration_has_wins_and_the_other_one_is_not_used(house: House) -> None:
    upstreams, models = verbs(house, a_catalog(house))
    await upstreams.create(house.owner, OWN, CANARY)
    await models.create(house.owner, MODEL)
    fixed = WrittenUpstream("own", "https://fixed.example/v1")
    given = Given(Configured((fixed,)), {"own": upstream_of(fixed, None)})
    catalog = a_catalog(house, given)
    await catalog.reload()
    (deployment,) = catalog.routing.choose("m", b"")
    assert (deployment.upstream.base_url, deployment.upstream.api_key) == ("https://fixed.example/v1", None)


async def test_a_credential_that_was_sealed_with_another_key_is_not_used(house: House) -> None:
    upstreams, models = verbs(house, a_catalog(house))
    await upstreams.create(house.owner, OWN, CANARY)
    await models.create(house.owner, MODEL)
    catalog = Catalog(Given(), house.database, house.clock, SealingKey("1", b"x" * 32))
    await catalog.reload()
    assert catalog.models == ["keyhouse-demo"]
    assert catalog.routing.find_upstream("own") is None


async def test_the_demo_answers_while_there_is_no_model(house: House) -> None:
    catalog = a_catalog(house)
    await catalog.reload()
    assert catalog.models == ["keyhouse-demo"]
    upstreams, models = verbs(house, catalog)
    await upstreams.create(house.owner, OWN, None)
    model = await models.create(house.owner, MODEL)
    assert catalog.models == ["m"]
    await models.delete(house.owner, model.id)
    assert catalog.models == ["keyhouse-demo"]


async def test_every_gateway_hears_of_a_change(cluster: Cluster, tmp_path: Path) -> None:
    engine = PostgresEngine(cluster)
    async with a_house(tmp_path, FakeClock(), engine) as house:
        await _hears(house)
    engine.close()


async def _hears(house: House) -> None:
    address = cast("PostgresDatabase", house.database)._address
    elsewhere = PostgresDatabase(address.dsn, house.clock, seeded_entropy(2))
    elsewhere.chain_with(AUDIT_KEY)
    catalog = Catalog(Given(), elsewhere, house.clock, SEALING)
    is_listening = asyncio.Event()
    keys: list[str] = []
    elsewhere.listen(catalog.hearing(keys.append), catalog.hearing_all(is_listening.set))
    await is_listening.wait()
    await catalog.round()
    assert catalog.models == ["keyhouse-demo"]
    upstreams, models = verbs(house, a_catalog(house))
    await upstreams.create(house.owner, OWN, CANARY)
    await models.create(house.owner, MODEL)
    async with asyncio.timeout(10):
        while catalog.models != ["m"]:
            await catalog.round()
    assert keys == []
    (deployment,) = catalog.routing.choose("m", b"")
    assert deployment.upstream.api_key == CANARY
    await elsewhere.close()
