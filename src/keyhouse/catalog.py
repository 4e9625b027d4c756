"""Which models there are: the configured ones, else OpenAI's; those that administrators added; or else the demo."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

import msgspec
import structlog

from keyhouse import config
from keyhouse.control.prices import WantedPrice, keep_prices
from keyhouse.control.upstreams import row_of
from keyhouse.core.bound import Ceilings
from keyhouse.core.clock import Clock
from keyhouse.core.errors import Refusal
from keyhouse.core.money import Price, Rate
from keyhouse.core.sealing import CannotUnseal, SealingKey, unseal
from keyhouse.core.written import Configured, Served, WrittenModel, WrittenUpstream
from keyhouse.gateway import demo
from keyhouse.gateway.cool_down import CoolDowns
from keyhouse.gateway.known_ceilings import known_image_tokens_max
from keyhouse.gateway.known_prices import known_models, known_price
from keyhouse.gateway.routing import Auth, Deployment, Model, Routing, Upstream
from keyhouse.gateway.upstream import UpstreamClient
from keyhouse.store.engine import CATALOG, Database
from keyhouse.store.prices import list_prices
from keyhouse.store.served_models import StoredModel, list_models
from keyhouse.store.upstreams import StoredUpstream, list_upstreams

OPENAI: Final = "https://api.openai.com/v1"
FIRST_MODELS: Final = frozenset({"gpt-5-mini", "gpt-5-nano", "gpt-4o-mini"})
"""Small chat models: pages try the first of the list."""

DEMO_PRICE: Final = Price(0, (Rate(1_000_000, 500_000, 1_000_000, 2_000_000),))
"""What the demo pretends to cost, so that budgets can be tried out."""

DEMO_OUTPUT_TOKENS_MAX: Final = 512
DEMO_NOTE: Final = "The built-in demo answers as keyhouse-demo, so your first key works at once."


REREAD_SECONDS: Final = 30.0
"""How often what administrators added is read again, if nobody says that it has changed."""


class Given(msgspec.Struct, frozen=True):
    """What does not change while Keyhouse runs: the configuration's models or the environment's."""

    written: Configured = Configured()
    upstreams: Mapping[str, Upstream] = {}
    models: tuple[Model, ...] = ()
    others: Upstream | None = None
    note: str = ""


class Catalog:
    """The models that there are: those `given`, and those that administrators added, which are read again and again.

    `routing` is told of every change, and `prices` has each price there ever was, by its id.
    """

    def __init__(self, given: Given, database: Database, clock: Clock, sealing: SealingKey) -> None:
        self.configured = given.written
        self.routing = Routing({}, CoolDowns(clock))
        self.prices: dict[int, Price] = {}
        self._given = given
        self._database = database
        self._clock = clock
        self._sealing = sealing
        self._read: tuple[list[StoredUpstream], list[StoredModel]] | None = None
        self._reading = asyncio.Lock()
        self._has_changed = asyncio.Event()

    @property
    def models(self) -> list[str]:
        """The names of the models, in the order in which they are listed."""
        return self.routing.names

    @property
    def note(self) -> str:
        """One sentence about where answers come from."""
        return self._given.note or ("Your models answer." if self._has_own() else DEMO_NOTE)

    def hearing(self, forget: Callable[[str], None]) -> Callable[[str], None]:
        """Who is told what other gateways announce: this, of upstreams and models, and `forget`, of keys."""

        def hear(announced: str) -> None:
            if announced == CATALOG:
                self._has_changed.set()
            else:
                forget(announced)

        return hear

    def hearing_all(self, forget_all: Callable[[], None]) -> Callable[[], None]:
        """Who is told that announcements may have been missed."""

        def hear() -> None:
            forget_all()
            self._has_changed.set()

        return hear

    async def round(self) -> None:
        """Wait until something may have changed, or for a while, and read it again."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._has_changed.wait(), REREAD_SECONDS)
        self._has_changed.clear()
        await self.reload()

    async def reload(self) -> None:
        """Read what administrators added, and serve it from now on."""
        async with self._reading:
            found = await self._database.read(lambda c: (list_upstreams(c), list_models(c)))
            if found == self._read:
                return
            now_ms = self._clock.now_ms()
            upstreams, models = self._merged(*found, now_ms)
            wanted = _wanted(models, now_ms)
            prices = await keep_prices(self._database, wanted, now_ms)
            by_place = {(each.model, each.upstream): price for each, price in zip(wanted, prices, strict=True)}
            kept = _with_prices(models, by_place, now_ms)
            for deployment in (deployment for model in kept for deployment in model.deployments):
                if deployment.price is not None:
                    self.prices[deployment.price.id] = deployment.price
            self.routing.replace({model.name: model for model in kept}, upstreams.values(), self._given.others)
            self._read = found

    def _has_own(self) -> bool:
        return self._read is not None and bool(self._read[1])

    def _merged(
        self, stored: list[StoredUpstream], models: list[StoredModel], now_ms: int
    ) -> tuple[dict[str, Upstream], list[Model]]:
        """Both together; of one name, what is given wins. What cannot be served is left out, and said in the log."""
        log = structlog.get_logger("keyhouse.catalog")
        upstreams = dict(self._given.upstreams)
        for one in stored:
            try:
                key = None if one.credential is None else unseal(one.credential, self._sealing, row_of(one.id))
            except CannotUnseal as error:
                log.error("an upstream is not used", upstream=one.written.name, reason=str(error))  # noqa: TRY400
                continue
            if upstreams.setdefault(one.written.name, upstream_of(one.written, key)).name in self._given.upstreams:
                log.warning("an upstream is not used", upstream=one.written.name, reason="the configuration has one")
        merged = {model.name: model for model in self._given.models}
        for written in (model.written for model in models):
            served = [one for one in written.served() if one.name in upstreams]
            if written.name in merged or not served:
                why = "the configuration has one" if written.name in merged else "none of its upstreams is there"
                log.warning("a model is not used", model=written.name, reason=why)
                continue
            merged[written.name] = model_of(written, served, upstreams, now_ms)
        if not merged and self._given.others is None:
            answers = Deployment(demo.UPSTREAM, demo.MODEL, DEMO_PRICE, Ceilings(DEMO_OUTPUT_TOKENS_MAX))
            merged[demo.MODEL] = Model(demo.MODEL, (answers,))
        return upstreams, list(merged.values())


async def load_catalog(
    settings: config.Settings,
    environment: Mapping[str, str],
    database: Database,
    clock: Clock,
    client: UpstreamClient,
    sealing: SealingKey,
) -> Catalog:
    """The models there are now, their prices kept in the books. Raises BadConfiguration."""
    given = Given()
    if settings.upstreams:
        given = _configured(settings, environment, clock.now_ms())
    elif key := config.read_secret("OPENAI_API_KEY", environment):
        base_url = (environment.get("OPENAI_BASE_URL") or OPENAI).rstrip("/")
        others = Upstream("openai", base_url, key, allow_private=base_url != OPENAI)
        names = await _offered(others, client)
        given = Given(
            Configured(
                (WrittenUpstream("openai", base_url, allow_private=others.allow_private),),
                tuple(WrittenModel(name=name, upstreams=("openai",)) for name in names),
            ),
            {"openai": others},
            tuple(Model(name, (_as_it_is(name, others),), owned_by="openai") for name in names),
            others,
            f"{urlsplit(base_url).netloc} is connected as upstream. Your first key works as soon as you make it.",
        )
    catalog = Catalog(given, database, clock, sealing)
    catalog.prices.update({price.id: price for price in await database.read(list_prices)})
    await catalog.reload()
    return catalog


async def _offered(upstream: Upstream, client: UpstreamClient) -> list[str]:
    """What the upstream of the environment says it has, or what OpenAI is known to have; good first ones first."""
    try:
        names = await client.list_models(upstream)
    except Refusal as refusal:
        structlog.get_logger("keyhouse.catalog").warning("models not listed", reason=refusal.message)
        names = known_models("openai") if upstream.base_url == OPENAI else []
    return sorted(names, key=lambda name: (name not in FIRST_MODELS, name))


def _as_it_is(name: str, upstream: Upstream) -> Deployment:
    return Deployment(upstream, name, ceilings=Ceilings(image_tokens=known_image_tokens_max(name)))


def _configured(settings: config.Settings, environment: Mapping[str, str], now_ms: int) -> Given:
    upstreams = {one.name: one for one in upstreams_of(settings, environment)}
    return Given(
        Configured(settings.upstreams, settings.models),
        upstreams,
        tuple(model_of(model, model.served(), upstreams, now_ms) for model in settings.models),
        note="Your configured models answer.",
    )


def model_of(written: WrittenModel, served: Sequence[Served], upstreams: Mapping[str, Upstream], now_ms: int) -> Model:
    """A model as it is served by these of its upstreams."""
    deployments = tuple(_deployment(written, one, upstreams[one.name], now_ms) for one in served)
    return Model(written.name, deployments, owned_by=served[0].name)


def _deployment(model: WrittenModel, served: Served, upstream: Upstream, now_ms: int) -> Deployment:
    there = served.upstream_model or model.name
    known = None
    if served.input_usd_per_million is None and served.has_prices():
        known = _known_price(there, now_ms)
    return Deployment(
        upstream, there, served.price(known), _ceilings(model, there), served.rank or 1, served.weight or 1
    )


def upstreams_of(settings: config.Settings, environment: Mapping[str, str]) -> list[Upstream]:
    """Every configured upstream. Raises BadConfiguration for a credential that is not there."""
    return [upstream_of(one, _credential(one, environment)) for one in settings.upstreams]


def _credential(found: config.Upstream, environment: Mapping[str, str]) -> str | None:
    if found.api_key_env is not None:
        key = config.read_secret(found.api_key_env, environment)
        if not key:
            raise config.BadConfiguration(
                f"upstreams.{found.name}.api_key_env: the environment variable {found.api_key_env} is not set."
            )
        return key
    if found.api_key_file is not None:
        return config.read_secret_file(found.api_key_file, f"upstreams.{found.name}.api_key_file")
    return None


def upstream_of(written: WrittenUpstream, api_key: str | None) -> Upstream:
    """An upstream as it is called, with this credential."""
    return Upstream(
        name=written.name,
        base_url=written.base_url.rstrip("/"),
        api_key=api_key,
        auth=Auth(written.auth),
        api_version=written.api_version,
        max_tokens_only=written.max_tokens_only,
        allow_private=written.allow_private,
        connect_timeout_ms=int(written.connect_timeout_seconds * 1000),
        first_byte_timeout_ms=int(written.first_byte_timeout_seconds * 1000),
        idle_timeout_ms=int(written.idle_timeout_seconds * 1000),
    )


def _ceilings(model: WrittenModel, upstream_model: str) -> Ceilings:
    image_tokens = model.max_image_tokens
    if image_tokens is None:
        image_tokens = known_image_tokens_max(upstream_model)
    return Ceilings(
        model.max_output_tokens,
        image_tokens,
        model.max_audio_tokens,
        model.max_audio_seconds,
        model.max_input_tokens,
    )


def _known_price(upstream_model: str, now_ms: int) -> Price | None:
    return known_price(upstream_model, datetime.fromtimestamp(now_ms / 1000, UTC))


def _wanted(models: list[Model], now_ms: int) -> list[WantedPrice]:
    """What the models shall cost: what is configured wins over what is known. Of what nobody knows there is none."""
    wanted = []
    for model in models:
        for one in model.deployments:
            price, source = one.price, "configuration"
            if price is None:
                price, source = _known_price(one.upstream_model, now_ms), "genai-prices"
            if price is not None:
                wanted.append(WantedPrice(model.name, one.upstream.name, price, source))
    return wanted


def _with_prices(models: list[Model], prices: Mapping[tuple[str, str], Price], now_ms: int) -> list[Model]:
    """The models with these prices, by model and upstream."""
    return [
        msgspec.structs.replace(
            model,
            deployments=tuple(
                msgspec.structs.replace(one, price=prices.get((model.name, one.upstream.name)))
                for one in model.deployments
            ),
            created_at_s=now_ms // 1000,
        )
        for model in models
    ]
