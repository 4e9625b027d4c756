"""The worst case: nothing that a request may turn out to use costs more than what was reserved for it."""

from typing import Any

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from keyhouse.core.bound import (
    OUTPUT_TOKENS_UNKNOWN,
    TEMPLATE_TOKENS,
    TOOL_TOKENS,
    UNKNOWN,
    Ask,
    Ceilings,
    Need,
    worst_case,
)
from keyhouse.core.money import CHEAP_TIERS, Counts, Price, Rate, cost_nano_usd, to_nano

TEXT = Rate(1_000, 500, 1_250, 4_000)
PRICE = Price(1, (TEXT,))


def an_ask(input_bytes: int = 100, **fields: Any) -> Ask:
    return Ask("m", input_bytes, **({"output_tokens_max": 10} | fields))


def test_each_image_in_a_prompt_counts_its_maximum_instead_of_its_bytes() -> None:
    ask = an_ask(1_000_100, media_bytes=1_000_000, images_in=2)
    need = worst_case(ask, PRICE, Ceilings(image_tokens=1_445))
    assert need.input_tokens == 100 + 2 * 1_445 + TEMPLATE_TOKENS
    assert need.tokens_estimate == 25 + 2 * 1_445 + 10
    assert need.unbounded is None
    assert need.nano_usd(10) == to_nano(need.input_tokens * 1_250 + 10 * 4_000)


def test_each_piece_of_audio_in_a_prompt_counts_its_maximum_at_the_rate_of_audio() -> None:
    price = Price(1, (msgspec.structs.replace(TEXT, audio_input=40_000),))
    need = worst_case(an_ask(500_100, media_bytes=500_000, audio_in=1), price, Ceilings(audio_tokens=6_000))
    assert need.input_tokens == 100 + 6_000 + TEMPLATE_TOKENS
    assert need.nano_usd(0) == to_nano(need.input_tokens * 40_000)


def test_what_a_template_may_make_of_tools_counts_but_is_not_expected() -> None:
    need = worst_case(an_ask(400, rewritten_bytes=300), PRICE)
    assert (need.input_tokens, need.input_tokens_estimate) == (400 + 300 + TEMPLATE_TOKENS, 100)


def test_images_seen_and_made_count_at_the_rates_of_images() -> None:
    price = Price(1, (msgspec.structs.replace(TEXT, image_input=10_000, image_output=40_000),))
    ask = an_ask(1_000_100, media_bytes=1_000_000, images_in=2, images=1, has_maximum=False, writes=False)
    need = worst_case(ask, price, Ceilings(output_tokens=500, image_tokens=1_445))
    seen = 2 * 1_445
    assert need.nano_usd(0) == to_nano((100 + seen + TEMPLATE_TOKENS) * 10_000 + 10 * 40_000)
    assert need.most == Counts(100 + seen + TEMPLATE_TOKENS, output=10, images=1, image_input=seen, image_output=10)


def test_an_answer_that_may_be_spoken_costs_the_rate_of_audio() -> None:
    price = Price(1, (msgspec.structs.replace(TEXT, audio_output=80_000),))
    need = worst_case(an_ask(speaks=True, choices=2), price)
    assert (need.unbounded, need.output_token_pico) == (None, 2 * 80_000)


def test_seconds_to_transcribe_are_those_that_are_known_else_the_models_maximum() -> None:
    price = Price(1, (Rate(0, 0, 0, 0),), audio_second=100_000)
    known = worst_case(an_ask(0, audio_seconds=90), price, Ceilings(audio_seconds=1_500))
    assert (known.audio_seconds, known.nano_usd(0)) == (90, to_nano(90 * 100_000))
    longest = worst_case(an_ask(0, audio_seconds=None), price, Ceilings(audio_seconds=1_500))
    assert (longest.audio_seconds, longest.nano_usd(0)) == (1_500, to_nano(1_500 * 100_000))


def test_images_characters_and_the_request_itself_have_their_own_prices() -> None:
    price = Price(1, (Rate(0, 0, 0, 0),), image=40_000_000_000, character=15_000_000, request=1_000_000)
    need = worst_case(an_ask(0, images=4, characters=1_000), price)
    assert (need.images, need.characters) == (4, 1_000)
    assert need.nano_usd(0) == to_nano(4 * 40_000_000_000 + 1_000 * 15_000_000 + 1_000_000)


TIERS = Price(
    1,
    (
        Rate(1_000, 1_000, 1_000, 4_000),
        Rate(2_000, 2_000, 2_000, 6_000, from_input_tokens=1_000),
        Rate(500, 500, 500, 2_000, tier="flex"),
        Rate(3_000, 3_000, 3_000, 9_000, tier="priority"),
    ),
)


@pytest.mark.parametrize(
    ("tier", "input_pico", "output_pico"),
    [
        (None, 3_000, 9_000),  # whoever leaves the choice to the upstream may get any
        ("auto", 3_000, 9_000),
        ("default", 1_000, 4_000),
        ("flex", 1_000, 4_000),  # and may be answered on the default one
        ("scale", 1_000, 4_000),
        ("priority", 3_000, 9_000),
    ],
)
def test_of_the_tiers_that_may_answer_the_dearest_counts(tier: str | None, input_pico: int, output_pico: int) -> None:
    need = worst_case(an_ask(service_tier=tier), TIERS)
    assert need.unbounded is None
    assert need.base_pico == need.input_tokens * input_pico
    assert need.output_token_pico == output_pico


def test_a_prompt_that_may_be_long_costs_the_rate_of_long_ones() -> None:
    short = worst_case(an_ask(999 - TEMPLATE_TOKENS, service_tier="default"), TIERS)
    assert (short.input_tokens, short.base_pico) == (999, 999 * 1_000)
    long = worst_case(an_ask(1_000 - TEMPLATE_TOKENS, service_tier="default"), TIERS)
    assert (long.input_tokens, long.base_pico, long.output_token_pico) == (1_000, 1_000 * 2_000, 6_000)


@pytest.mark.parametrize(
    ("fields", "ceilings", "part"),
    [
        ({"unbounded": "web_search_options"}, UNKNOWN, "web_search_options"),
        ({"images_in": 1}, UNKNOWN, "image_url"),
        ({"images_in": 1}, Ceilings(image_tokens=1_445), None),
        ({"audio_in": 1}, Ceilings(image_tokens=1_445), "input_audio"),
        ({"audio_in": 1}, Ceilings(audio_tokens=1), None),
        ({"audio_seconds": None}, UNKNOWN, None),
        ({"audio_seconds": 60}, UNKNOWN, None),
        ({"speaks": True}, UNKNOWN, "modalities"),
        ({"unseen_input": "conversation"}, UNKNOWN, "conversation"),
        ({"unseen_input": "conversation"}, Ceilings(input_tokens=8_192), None),
        ({"has_maximum": False}, UNKNOWN, "output"),
        ({"has_maximum": False}, Ceilings(100), None),
        ({"service_tier": "priority"}, UNKNOWN, "service_tier"),
        ({"service_tier": "something-new"}, UNKNOWN, "service_tier"),
        ({"service_tier": "flex"}, UNKNOWN, None),
    ],
)
def test_what_nothing_bounds_is_named(fields: dict[str, Any], ceilings: Ceilings, part: str | None) -> None:
    assert worst_case(an_ask(**fields), PRICE, ceilings).unbounded == part


def test_what_the_model_reads_beside_the_body_counts_as_its_longest_prompt() -> None:
    ask = an_ask(unseen_input="previous_response_id")
    assert worst_case(ask, PRICE, Ceilings(input_tokens=8_192)).input_tokens == 8_192
    assert worst_case(ask, PRICE, Ceilings(input_tokens=1)).input_tokens == 100 + TEMPLATE_TOKENS
    assert worst_case(an_ask(), PRICE, Ceilings(input_tokens=8_192)).input_tokens == 100 + TEMPLATE_TOKENS


def test_an_answer_that_cannot_be_shortened_is_reserved_at_its_longest() -> None:
    need = worst_case(an_ask(has_maximum=False, output_tokens_max=None), PRICE, Ceilings(output_tokens=500))
    assert (need.output_tokens_max, need.output_token_pico * need.output_tokens_max) == (0, 0)
    shortened = worst_case(an_ask(output_tokens_max=500), PRICE, Ceilings(output_tokens=500))
    assert need.nano_usd(0) == shortened.nano_usd(500)
    assert need.tokens(0) == shortened.tokens(500)


def test_without_a_price_there_is_no_cost_but_every_count() -> None:
    need = worst_case(an_ask(has_tools=True, images=3, service_tier="priority"), None)
    assert (need.base_pico, need.unbounded, need.images) == (None, None, 3)
    assert need.tokens(10) == 100 + TEMPLATE_TOKENS + TOOL_TOKENS + 10


@pytest.mark.parametrize(
    ("asked", "maximum", "bound", "is_bounded"),
    [(50, 40, 40, True), (30, 40, 30, True), (None, 40, 40, True), (50, None, 50, True), (None, None, -1, False)],
)
def test_an_answers_bound_is_the_smaller_of_what_is_asked_and_what_there_is(
    asked: int | None, maximum: int | None, bound: int, is_bounded: bool
) -> None:
    need = worst_case(an_ask(output_tokens_max=asked), PRICE, Ceilings(maximum))
    assert need.output_tokens_max == (bound if is_bounded else OUTPUT_TOKENS_UNKNOWN)
    assert need.output_is_bounded is is_bounded


PICO = st.integers(0, 10**8) | st.just(10**8)
NAMES = ("default", "flex", "priority", "batch")


@st.composite
def rates(draw: st.DrawFn) -> tuple[Rate, ...]:
    """The default tier's rate, then any others, each tier from its first token on and from any steps."""
    found = []
    for tier in ("default", *draw(st.lists(st.sampled_from(NAMES[1:]), unique=True))):
        for step in (0, *draw(st.lists(st.integers(1, 4_000), max_size=2, unique=True))):
            audio = (draw(st.none() | PICO), draw(st.none() | PICO))
            images = (draw(st.none() | PICO), draw(st.none() | PICO))
            found.append(Rate(draw(PICO), draw(PICO), draw(PICO), draw(PICO), *audio, *images, tier, step))
    return tuple(found)


PRICES = st.builds(Price, st.just(1), rates(), PICO, PICO, PICO, PICO)
ASKS = st.builds(
    Ask,
    st.just("m"),
    st.integers(0, 4_000),
    output_tokens_max=st.none() | st.integers(0, 500),
    choices=st.integers(1, 3),
    has_tools=st.booleans(),
    extra_output_tokens=st.integers(0, 4_000),
    has_maximum=st.booleans(),
    writes=st.booleans(),
    images_in=st.integers(0, 3),
    audio_in=st.integers(0, 2),
    images=st.integers(0, 4),
    characters=st.integers(0, 5_000),
    audio_seconds=st.none() | st.integers(0, 600),
    service_tier=st.sampled_from((None, "auto", "scale", *NAMES)),
    speaks=st.booleans(),
)
CEILINGS = st.builds(
    Ceilings,
    output_tokens=st.none() | st.integers(1, 500),
    image_tokens=st.integers(1, 1_500),
    audio_tokens=st.integers(1, 1_500),
    audio_seconds=st.integers(1, 1_500),
)


def up_to(most: int) -> st.SearchStrategy[int]:
    """Often all of it: that is where a bound breaks."""
    return st.just(most) | st.integers(0, most)


@st.composite
def uses(draw: st.DrawFn, ask: Ask, need: Need, output_tokens: int) -> Counts:
    """Whatever the request may turn out to use, no more than its bounds of anything."""
    fixed = need.fixed_output_tokens
    given_tokens = draw(up_to(need.input_tokens - fixed))
    cached = draw(up_to(given_tokens))
    written = draw(up_to(given_tokens - cached))
    heard = draw(up_to(given_tokens - cached - written))
    seen = draw(up_to(given_tokens - cached - written - heard))
    made = draw(up_to(ask.choices * output_tokens + fixed))
    spoken = draw(up_to(made))
    return Counts(
        input=given_tokens,
        cached_input=cached,
        cache_write=written,
        output=made,
        audio_input=heard,
        audio_output=spoken,
        image_input=seen,
        image_output=draw(up_to(made - spoken)),
        images=draw(up_to(need.images)),
        audio_seconds=draw(up_to(need.audio_seconds)),
        characters=draw(up_to(need.characters)),
    )


@settings(max_examples=150)
@given(ASKS, PRICES, CEILINGS, st.data())
def test_no_use_within_the_bounds_costs_more_than_the_worst_case(
    ask: Ask, price: Price, ceilings: Ceilings, data: st.DataObject
) -> None:
    need = worst_case(ask, price, ceilings)
    assume(need.unbounded is None)
    # A limit may have shortened the answer: what then is reserved has to be enough for that length.
    output_tokens = data.draw(up_to(need.output_tokens_max))
    counts = data.draw(uses(ask, need, output_tokens))
    chosen = (*NAMES, *CHEAP_TIERS) if ask.service_tier in (None, "auto") else (ask.service_tier, "default")
    tier = data.draw(st.sampled_from([name for name in chosen if name is not None]))
    assert cost_nano_usd(counts, price, tier) <= need.nano_usd(output_tokens)
    assert counts.tokens <= need.tokens(output_tokens)
