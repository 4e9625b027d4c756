"""Which models there are, without a configuration: what the environment's upstream says it has, or the demo."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from given import FakeClock, a_database
from keyhouse.catalog import Catalog, load_catalog
from keyhouse.config import BadConfiguration, Settings, Upstream
from keyhouse.core.bound import UNKNOWN, Ask, Ceilings, worst_case
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.money import AMOUNT_MAX, Price, Rate
from keyhouse.core.price_list import WrittenRate
from keyhouse.core.sealing import SealingKey
from keyhouse.core.written import Served
from keyhouse.core.written import WrittenModel as Model
from keyhouse.gateway.routing import NAME_CHARACTERS_MAX, Deployment
from keyhouse.gateway.routing import Model as RoutedModel
from keyhouse.gateway.upstream import UpstreamClient

SEALING = SealingKey("1", b"s" * 32)


@asynccontextmanager
async def a_server(body: bytes, status: str = "200 OK") -> AsyncIterator[tuple[str, list[bytes]]]:
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        head = f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", seen


async def loaded(folder: Path, environment: dict[str, str], settings: Settings | None = None) -> Catalog:
    clock = FakeClock()
    database = a_database(folder, clock)
    client = UpstreamClient(clock)
    try:
        return await load_catalog(settings or Settings(), environment, database, clock, client, SEALING)
    finally:
        await client.close()
        await database.close()


def the_one(model: RoutedModel) -> Deployment:
    """The deployment of a model that has one."""
    (deployment,) = model.deployments
    return deployment


def routed(catalog: Catalog, name: str) -> Deployment:
    """Where a call for a model of this name goes."""
    (deployment,) = catalog.routing.choose(name, b"")
    return deployment


@pytest.mark.asyncio
async def test_without_anything_the_demo_answers_and_no_other_name(tmp_path: Path) -> None:
    catalog = await loaded(tmp_path, {})
    assert catalog.models == ["keyhouse-demo"]
    with pytest.raises(Refusal) as caught:
        routed(catalog, "gpt-5")
    assert caught.value.code is Code.MODEL_UNKNOWN


@pytest.mark.asyncio
async def test_the_environments_upstream_is_asked_for_its_models_and_gets_the_names_it_did_not_list(
    tmp_path: Path,
) -> None:
    async with a_server(b'{"data":[{"id":"zeta"},{"id":"gpt-5-mini"}],"object":"list"}') as (url, seen):
        catalog = await loaded(tmp_path, {"OPENAI_API_KEY": "sk-env", "OPENAI_BASE_URL": f"{url}/"})
    assert b"authorization: Bearer sk-env" in seen[0].replace(b"Authorization", b"authorization")
    assert catalog.models == ["gpt-5-mini", "zeta"]
    price = the_one(catalog.routing.get("gpt-5-mini")).price
    assert price is not None
    assert (price.id > 0, price.rates[0].input, price.rates[0].output) == (True, 250_000, 2_000_000)
    assert the_one(catalog.routing.get("zeta")).price is None
    other = routed(catalog, "brand-new")
    assert (other.upstream.base_url, other.upstream_model, other.price) == (url, "brand-new", None)
    with pytest.raises(Refusal) as caught:
        routed(catalog, "x" * (NAME_CHARACTERS_MAX + 1))
    assert caught.value.code is Code.MODEL_UNKNOWN


@pytest.mark.asyncio
@pytest.mark.parametrize(("body", "status"), [(b"<html>", "200 OK"), (b"{}", "401 Unauthorized"), (b"", "500 No")])
async def test_an_upstream_that_does_not_list_its_models_still_gets_calls(
    tmp_path: Path, body: bytes, status: str
) -> None:
    async with a_server(body, status) as (url, _):
        catalog = await loaded(tmp_path, {"OPENAI_API_KEY": "sk-env", "OPENAI_BASE_URL": url})
    assert catalog.models == []
    assert routed(catalog, "tiny-1").upstream.name == "openai"


@pytest.mark.asyncio
async def test_configured_models_have_their_own_prices_and_no_other_name_is_served(tmp_path: Path) -> None:
    settings = Settings(
        upstreams=(Upstream("local", "http://127.0.0.1:1/v1/", api_key_env="LOCAL_KEY", allow_private=True),),
        models=(
            Model(
                name="tiny-1",
                upstreams=("local",),
                input_usd_per_million="1.00",
                cached_input_usd_per_million="0.50",
                output_usd_per_million="2.00",
                max_output_tokens=512,
            ),
            Model("known", ("local",), "gpt-5-mini"),
            Model("unknown", ("local",)),
        ),
    )
    catalog = await loaded(tmp_path, {"LOCAL_KEY": "sk-1", "OPENAI_API_KEY": "sk-env"}, settings)
    tiny, known, unknown = [the_one(catalog.routing.get(name)) for name in catalog.models]
    assert tiny.price == Price(1, (Rate(1_000_000, 500_000, 1_000_000, 2_000_000),))
    assert (tiny.upstream.base_url, tiny.ceilings.output_tokens) == ("http://127.0.0.1:1/v1", 512)
    assert known.price is not None
    assert unknown.price is None
    with pytest.raises(Refusal):
        catalog.routing.get("gpt-5")


@pytest.mark.asyncio
async def test_each_upstream_of_a_model_has_its_own_name_price_and_place(tmp_path: Path) -> None:
    settings = Settings(
        upstreams=tuple(Upstream(name, "https://api.example/v1") for name in ("a", "b", "c")),
        models=(
            Model(
                "gpt-5-mini",
                (
                    "a",
                    Served("b", rank=1, weight=3, input_usd_per_million="1", output_usd_per_million="2"),
                    Served("c", upstream_model="gpt-4o"),
                ),
            ),
        ),
    )
    a, b, c = (await loaded(tmp_path, {}, settings)).routing.get("gpt-5-mini").deployments
    assert [(one.upstream.name, one.upstream_model, one.rank, one.weight) for one in (a, b, c)] == [
        ("a", "gpt-5-mini", 1, 1),
        ("b", "gpt-5-mini", 1, 3),
        ("c", "gpt-4o", 3, 1),
    ]
    assert b.price == Price(2, (Rate(1_000_000, 1_000_000, 1_000_000, 2_000_000),))
    assert a.price is not None
    assert c.price is not None
    assert len({one.price.id for one in (a, b, c) if one.price}) == 3
    assert a.price.rates[0].input == 250_000
    assert c.price.rates[0].input == 2_500_000
    assert c.ceilings == Ceilings(image_tokens=1_445)


@pytest.mark.asyncio
async def test_a_price_keeps_its_id_until_it_changes(tmp_path: Path) -> None:
    ids = []
    for output in ("2.00", "2.00", "3.00"):
        settings = Settings(
            upstreams=(Upstream("local", "http://127.0.0.1:1/v1", allow_private=True),),
            models=(Model("tiny-1", ("local",), input_usd_per_million="1.00", output_usd_per_million=output),),
        )
        price = the_one((await loaded(tmp_path, {}, settings)).routing.get("tiny-1")).price
        assert price is not None
        ids.append(price.id)
    assert ids == [1, 1, 2]


@pytest.mark.asyncio
async def test_a_credential_that_is_not_set_stops_the_start_with_its_name(tmp_path: Path) -> None:
    settings = Settings(upstreams=(Upstream("local", "https://api.example/v1", api_key_env="LOCAL_KEY"),))
    with pytest.raises(BadConfiguration, match=r"upstreams.local.api_key_env: the environment variable LOCAL_KEY"):
        await loaded(tmp_path, {}, settings)


LOCAL = Upstream("local", "http://127.0.0.1:1/v1", allow_private=True)
FREE = Rate(0, 0, 0, 0)


async def priced(folder: Path, model: Model) -> Price | None:
    """What one configured model costs."""
    catalog = await loaded(folder, {}, Settings(upstreams=(LOCAL,), models=(model,)))
    return the_one(catalog.routing.get(model.name)).price


@pytest.mark.asyncio
async def test_every_rate_that_is_configured_is_kept_with_its_tier_and_its_step(tmp_path: Path) -> None:
    rates = (
        WrittenRate(tier="priority", input_usd_per_million="3", output_usd_per_million="8"),
        WrittenRate(
            from_input_tokens=200_001,
            input_usd_per_million="2",
            cached_input_usd_per_million="0.2",
            cache_write_usd_per_million="2.5",
            output_usd_per_million="6",
            audio_input_usd_per_million="40",
            audio_output_usd_per_million="80",
        ),
    )
    model = Model(
        "m",
        ("local",),
        input_usd_per_million="1",
        cache_write_usd_per_million="1.25",
        output_usd_per_million="4",
        audio_output_usd_per_million="64",
        rates=rates,
    )
    price = await priced(tmp_path, model)
    assert price is not None
    assert price.rates == (
        Rate(1_000_000, 1_000_000, 1_250_000, 4_000_000, None, 64_000_000),
        Rate(3_000_000, 3_000_000, 3_000_000, 8_000_000, tier="priority"),
        Rate(2_000_000, 200_000, 2_500_000, 6_000_000, 40_000_000, 80_000_000, from_input_tokens=200_001),
    )


@pytest.mark.asyncio
async def test_what_is_priced_beside_tokens_is_in_pico_usd_each(tmp_path: Path) -> None:
    model = Model("m", ("local",), image_usd="0.04", audio_usd_per_minute="0.006", characters_usd_per_million="15")
    assert await priced(tmp_path, model) == Price(1, (FREE,), 40_000_000_000, 100_000_000, 15_000_000, 0)
    # A second that is no whole number of pico-USD is rounded upwards.
    third = Model("n", ("local",), audio_usd_per_minute="0.000001", request_usd="0.01")
    assert await priced(tmp_path, third) == Price(2, (FREE,), 0, 16_667, 0, 10_000_000_000)


@pytest.mark.asyncio
async def test_a_price_of_each_request_comes_beside_the_known_prices_of_tokens(tmp_path: Path) -> None:
    """Instead of them, every token would be free and no budget would hold."""
    price = await priced(tmp_path, Model("gpt-5-mini", ("local",), request_usd="0.01"))
    assert price is not None
    assert price.rates == (Rate(250_000, 25_000, 250_000, 2_000_000),)
    assert price.request == 10_000_000_000
    own = await priced(
        tmp_path,
        Model("gpt-5-mini", ("local",), input_usd_per_million="0", output_usd_per_million="0", request_usd="0.01"),
    )
    assert own is not None
    assert (own.rates, own.request) == ((FREE,), 10_000_000_000)
    searching = await priced(tmp_path, Model("sonar-pro", ("local",), image_usd="1"))
    plain = await priced(tmp_path, Model("sonar-pro", ("local",)))
    assert searching is not None
    assert plain is not None
    assert (searching.rates, searching.request) == (plain.rates, plain.request)
    without = await priced(tmp_path, Model("sonar-pro", ("local",), request_usd="0"))
    assert without is not None
    assert (without.rates, without.request) == (plain.rates, 0)


@pytest.mark.asyncio
async def test_the_dearest_prices_can_be_kept_and_reserved(tmp_path: Path) -> None:
    dearest = "1000000"
    model = Model(
        "m",
        ("local",),
        input_usd_per_million=dearest,
        output_usd_per_million=dearest,
        image_usd=dearest,
        request_usd=dearest,
    )
    price = await priced(tmp_path, model)
    assert price is not None
    need = worst_case(Ask("m", 100_000_000, output_tokens_max=1_000_000, images=10), price)
    assert need.nano_usd(1_000_000) <= AMOUNT_MAX


@pytest.mark.asyncio
async def test_maxima_are_the_configured_ones_else_what_is_known_of_images(tmp_path: Path) -> None:
    models = (
        Model(
            "all",
            ("local",),
            max_output_tokens=1,
            max_image_tokens=2,
            max_audio_tokens=3,
            max_audio_seconds=4,
            max_input_tokens=5,
        ),
        Model("gpt-4o", ("local",)),
        Model("alias", ("local",), "gpt-4o"),
        Model("own", ("local",), "gpt-4o", max_image_tokens=5),
        Model("tiny-1", ("local",)),
    )
    catalog = await loaded(tmp_path, {}, Settings(upstreams=(LOCAL,), models=models))
    found = {name: the_one(catalog.routing.get(name)) for name in catalog.models}
    assert found["all"].ceilings == Ceilings(1, 2, 3, 4, 5)
    assert found["gpt-4o"].ceilings == found["alias"].ceilings == Ceilings(image_tokens=1_445)
    assert found["own"].ceilings == Ceilings(image_tokens=5)
    assert found["tiny-1"].ceilings == UNKNOWN
