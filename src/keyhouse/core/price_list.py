"""What a model costs as people write it, in USD as text, and the `Price` in integers that it means."""

from typing import Final

import msgspec

from keyhouse.core.money import DEFAULT_TIER, NANO_PER_USD, PICO_PER_NANO, Price, Rate, parse_price, parse_usd

PRICE_USD_MAX: Final = 1_000_000
"""The dearest price that is taken for meant, of a million tokens as of an image: no worst case of it overflows."""

INPUT_TOKENS_MAX: Final = 100_000_000
SECONDS_PER_MINUTE: Final = 60

BESIDE_TOKENS: Final = (
    "cached_input_usd_per_million",
    "cache_write_usd_per_million",
    "audio_input_usd_per_million",
    "audio_output_usd_per_million",
    "image_input_usd_per_million",
    "image_output_usd_per_million",
)
"""Prices of tokens that mean nothing without those of plain ones."""


class BadField(ValueError):  # noqa: N818  it is an answer, not a fault
    """What was written cannot be meant. `field` names the one at fault, empty where it is several."""

    def __init__(self, field: str, why: str) -> None:
        super().__init__(f"{field}: {why}" if field else why)
        self.field = field
        self.why = why


class WrittenRate(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What tokens cost on another service tier than the default one, or in calls of so many input tokens and more.

    Prices are USD per million tokens, as text.
    """

    tier: str = "default"
    from_input_tokens: int = 0
    input_usd_per_million: str
    cached_input_usd_per_million: str | None = None
    cache_write_usd_per_million: str | None = None
    output_usd_per_million: str
    audio_input_usd_per_million: str | None = None
    audio_output_usd_per_million: str | None = None
    image_input_usd_per_million: str | None = None
    image_output_usd_per_million: str | None = None


class PriceList(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a model costs: USD, as text."""

    input_usd_per_million: str | None = None
    cached_input_usd_per_million: str | None = None
    cache_write_usd_per_million: str | None = None
    output_usd_per_million: str | None = None
    audio_input_usd_per_million: str | None = None
    audio_output_usd_per_million: str | None = None
    image_input_usd_per_million: str | None = None
    image_output_usd_per_million: str | None = None
    image_usd: str | None = None
    audio_usd_per_minute: str | None = None
    characters_usd_per_million: str | None = None
    request_usd: str | None = None
    rates: tuple[WrittenRate, ...] = ()

    def has_prices(self) -> bool:
        """Whether it says anything."""
        return bool(self.rates) or any(text is not None for text in self._texts())

    def require_prices(self) -> None:
        """Raise BadField unless every price is a number that can be meant, and stands beside those that it needs."""
        _require_amounts(self, "")
        if (self.input_usd_per_million is None) != (self.output_usd_per_million is None):
            raise BadField("", "set both input_usd_per_million and output_usd_per_million, or neither")
        for name in BESIDE_TOKENS:
            if self.input_usd_per_million is None and getattr(self, name) is not None:
                raise BadField(
                    name,
                    "expected input_usd_per_million and output_usd_per_million beside it; without them the known "
                    "prices are used",
                )
        self._require_rates()

    def price(self, known: Price | None) -> Price | None:
        """The price, with id 0; None if it says nothing.

        Tokens of which it says nothing cost what is `known` of them: a price of each request comes beside, not
        instead.
        """
        if not self.has_prices():
            return None
        if self.input_usd_per_million is not None:
            known = None
        request = known.request if known else 0
        if self.request_usd is not None:
            request = parse_usd(self.request_usd) * PICO_PER_NANO
        minute_pico = parse_usd(self.audio_usd_per_minute or "0") * PICO_PER_NANO
        return Price(
            id=0,
            rates=known.rates if known else (_rate(self), *(_rate(rate) for rate in self.rates)),
            image=parse_usd(self.image_usd or "0") * PICO_PER_NANO,
            audio_second=-(-minute_pico // SECONDS_PER_MINUTE),
            character=parse_price(self.characters_usd_per_million or "0"),
            request=request,
        )

    def _texts(self) -> list[str | None]:
        return [getattr(self, field) for field in PriceList.__struct_fields__ if field != "rates"]

    def _require_rates(self) -> None:
        if self.rates and self.input_usd_per_million is None:
            raise BadField("rates", "expected input_usd_per_million and output_usd_per_million beside them")
        kinds = {(DEFAULT_TIER, 0)}
        for number, rate in enumerate(self.rates):
            place = f"rates[{number}]"
            _require_amounts(rate, f"{place}.")
            if not 0 <= rate.from_input_tokens <= INPUT_TOKENS_MAX:
                raise BadField(
                    f"{place}.from_input_tokens", f"expected 0 to {INPUT_TOKENS_MAX}, not {rate.from_input_tokens}"
                )
            if not rate.tier or (rate.tier, rate.from_input_tokens) in kinds:
                raise BadField(place, "expected a tier and from_input_tokens that no other rate has")
            kinds.add((rate.tier, rate.from_input_tokens))
        for number, rate in enumerate(self.rates):
            if (rate.tier, 0) not in kinds:
                raise BadField(f"rates[{number}]", f"the tier {rate.tier!r} needs a rate from 0 tokens, too")


def _require_amounts(written: PriceList | WrittenRate, place: str) -> None:
    for name in written.__struct_fields__:
        text = getattr(written, name)
        if "_usd" not in name or text is None:
            continue
        is_per_million = name.endswith("_per_million")
        try:
            # Both are integers below the dollar: micro-USD per million, and nano-USD.
            amount, one_usd = (parse_price(text), 1_000_000) if is_per_million else (parse_usd(text), NANO_PER_USD)
        except ValueError as error:
            unit = "USD per million" if is_per_million else "USD"
            raise BadField(f"{place}{name}", f"{error}; write {unit} as text, such as '0.25'") from None
        if amount > PRICE_USD_MAX * one_usd:
            raise BadField(f"{place}{name}", f"expected at most {PRICE_USD_MAX} USD, not {text}")


def _rate(written: PriceList | WrittenRate) -> Rate:
    given = parse_price(written.input_usd_per_million or "0")
    cached, cache_write = written.cached_input_usd_per_million, written.cache_write_usd_per_million
    heard, spoken = written.audio_input_usd_per_million, written.audio_output_usd_per_million
    seen, drawn = written.image_input_usd_per_million, written.image_output_usd_per_million
    return Rate(
        input=given,
        cached_input=given if cached is None else parse_price(cached),
        cache_write=given if cache_write is None else parse_price(cache_write),
        output=parse_price(written.output_usd_per_million or "0"),
        audio_input=None if heard is None else parse_price(heard),
        audio_output=None if spoken is None else parse_price(spoken),
        image_input=None if seen is None else parse_price(seen),
        image_output=None if drawn is None else parse_price(drawn),
        tier=written.tier if isinstance(written, WrittenRate) else DEFAULT_TIER,
        from_input_tokens=written.from_input_tokens if isinstance(written, WrittenRate) else 0,
    )
