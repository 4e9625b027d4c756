"""Which models there are: the configured ones, else OpenAI's, else the demo; each with its upstream and price."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

import msgspec
import structlog
from sqlalchemy import Connection

from keyhouse import config
from keyhouse.core.bound import Ceilings
from keyhouse.core.clock import Clock
from keyhouse.core.errors import Refusal
from keyhouse.core.money import Price, Rate
from keyhouse.gateway import demo
from keyhouse.gateway.known_ceilings import known_image_tokens_max
from keyhouse.gateway.known_prices import known_models, known_price
from keyhouse.gateway.routing import Auth, Deployment, Model, Upstream
from keyhouse.gateway.upstream import UpstreamClient
from keyhouse.store.engine import Database
from keyhouse.store.prices import get_price

OPENAI: Final = "https://api.openai.com/v1"
FIRST_MODELS: Final = frozenset({"gpt-5-mini", "gpt-5-nano", "gpt-4o-mini"})
"""Small chat models: pages try the first of the list."""

DEMO_PRICE: Final = Price(0, (Rate(1_000_000, 500_000, 1_000_000, 2_000_000),))
"""What the demo pretends to cost, so that budgets can be tried out."""

DEMO_OUTPUT_TOKENS_MAX: Final = 512


class Catalog(msgspec.Struct, frozen=True):
    """The models by public name, who gets the names that are not among them, and one sentence about it all."""

    models: Mapping[str, Model]
    note: str
    others: Upstream | None = None


async def load_catalog(
    settings: config.Settings, environment: Mapping[str, str], database: Database, clock: Clock, client: UpstreamClient
) -> Catalog:
    """The models there are now, their prices kept in the books. Raises BadConfiguration."""
    now_ms = clock.now_ms()
    others = None
    if settings.upstreams:
        models, note = _configured(settings, environment, now_ms), "Your configured models answer."
    elif key := config.read_secret("OPENAI_API_KEY", environment):
        base_url = (environment.get("OPENAI_BASE_URL") or OPENAI).rstrip("/")
        others = Upstream("openai", base_url, key, allow_private=base_url != OPENAI)
        models = [Model(name, (_as_it_is(name, others),), owned_by="openai") for name in await _offered(others, client)]
        note = f"{urlsplit(base_url).netloc} is connected as upstream. Your first key works as soon as you make it."
    else:
        answers = Deployment(demo.UPSTREAM, demo.MODEL, DEMO_PRICE, Ceilings(DEMO_OUTPUT_TOKENS_MAX))
        models = [Model(demo.MODEL, (answers,))]
        note = "The built-in demo answers as keyhouse-demo, so your first key works at once."
    kept = await database.write(lambda connection: _with_prices(connection, models, now_ms))
    return Catalog({model.name: model for model in kept}, note, others)


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


def _configured(settings: config.Settings, environment: Mapping[str, str], now_ms: int) -> list[Model]:
    upstreams = {upstream.name: upstream for upstream in upstreams_of(settings, environment)}
    return [
        Model(
            name=model.name,
            deployments=tuple(_deployment(model, served, upstreams[served.name], now_ms) for served in model.served()),
            owned_by=model.served()[0].name,
        )
        for model in settings.models
    ]


def _deployment(model: config.Model, served: config.Served, upstream: Upstream, now_ms: int) -> Deployment:
    there = served.upstream_model or model.name
    known = None
    if served.input_usd_per_million is None and served.has_prices():
        known = _known_price(there, now_ms)
    return Deployment(
        upstream, there, served.price(known), _ceilings(model, there), served.rank or 1, served.weight or 1
    )


def upstreams_of(settings: config.Settings, environment: Mapping[str, str]) -> list[Upstream]:
    """Every configured upstream. Raises BadConfiguration for a credential that is not there."""
    return [_upstream(upstream, environment) for upstream in settings.upstreams]


def _upstream(found: config.Upstream, environment: Mapping[str, str]) -> Upstream:
    key = None
    if found.api_key_env is not None:
        key = config.read_secret(found.api_key_env, environment)
        if not key:
            raise config.BadConfiguration(
                f"upstreams.{found.name}.api_key_env: the environment variable {found.api_key_env} is not set."
            )
    elif found.api_key_file is not None:
        key = config.read_secret_file(found.api_key_file, f"upstreams.{found.name}.api_key_file")
    return Upstream(
        name=found.name,
        base_url=found.base_url.rstrip("/"),
        api_key=key,
        auth=Auth(found.auth),
        api_version=found.api_version,
        allow_private=found.allow_private,
        connect_timeout_ms=int(found.connect_timeout_seconds * 1000),
        first_byte_timeout_ms=int(found.first_byte_timeout_seconds * 1000),
        idle_timeout_ms=int(found.idle_timeout_seconds * 1000),
    )


def _ceilings(model: config.Model, upstream_model: str) -> Ceilings:
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


def _with_prices(connection: Connection, models: list[Model], now_ms: int) -> list[Model]:
    """The models with prices that have ids: what is configured wins over what is known."""
    kept = []
    for model in models:
        deployments = []
        for one in model.deployments:
            price, source = one.price, "configuration"
            if price is None:
                price, source = _known_price(one.upstream_model, now_ms), "genai-prices"
            if price is not None:
                price = get_price(connection, model.name, one.upstream.name, price, source, now_ms)
            deployments.append(msgspec.structs.replace(one, price=price))
        kept.append(msgspec.structs.replace(model, deployments=tuple(deployments), created_at_s=now_ms // 1000))
    return kept
