"""What calls come to: tokens, charges, times and failures, a deck of them for each model, to be dealt from."""

from random import Random
from typing import Final

import msgspec

from keyhouse.core.call import Basis, State
from keyhouse.core.money import Counts, Price, Rate, cost_nano_usd

DECK: Final = 3_000
"""How many different answers a model has."""

COLUMNS: Final = (
    "model",
    "upstream",
    "endpoint",
    "price_id",
    "attempt",
    "instance_id",
    "reserved_nano_usd",
    "reserved_tokens",
    "reserved_tokens_estimate",
    "output_tokens_max",
    "state",
    "basis",
    "charged_nano_usd",
    "input_tokens",
    "cached_input_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
    "status",
    "first_byte_ms",
    "duration_ms",
    "flags",
)
"""What an answer says of its call."""


class Flavor(msgspec.Struct, frozen=True):
    """A model: its price in pico-USD, how much is asked and answered, how fast, and how often it fails of 1,000."""

    model: str
    upstream: str
    rate: Rate
    endpoints: tuple[str, ...]
    input_tokens: int
    output_tokens: int
    first_byte_ms: int
    tokens_per_second: int
    cached: float = 0.35
    reasoning: float = 0.0
    failures: int = 12


_CHAT: Final = ("/v1/chat/completions", "/v1/chat/completions", "/v1/responses")
FLAVORS: Final = (
    Flavor("gpt-5-mini", "openai", Rate(250_000, 25_000, 250_000, 2_000_000), _CHAT, 1_400, 320, 520, 95, 0.4, 0.35),
    Flavor("gpt-5", "openai", Rate(1_250_000, 125_000, 1_250_000, 10_000_000), _CHAT, 2_600, 700, 1_150, 70, 0.45, 0.5),
    Flavor("gpt-4o-mini", "openai", Rate(150_000, 75_000, 150_000, 600_000), _CHAT, 900, 210, 340, 110),
    Flavor(
        "claude-sonnet-4-5",
        "anthropic",
        Rate(3_000_000, 300_000, 3_750_000, 15_000_000),
        ("/v1/chat/completions",),
        3_200,
        540,
        860,
        75,
        0.6,
        failures=20,
    ),
    Flavor("llama-3.3-70b", "vllm-berlin", Rate(90_000, 90_000, 90_000, 300_000), _CHAT, 1_100, 260, 210, 60, 0.0),
    Flavor(
        "text-embedding-3-small", "openai", Rate(20_000, 20_000, 20_000, 0), ("/v1/embeddings",), 600, 0, 90, 1, 0.0
    ),
)
CHAT_FLAVORS: Final = 5
"""The first so many are for chat."""


class Answer(msgspec.Struct, frozen=True, gc=False):
    """One answer: its columns, what a limit has to have room for, and what it counts."""

    row: tuple[object, ...]
    duration_ms: int
    reserved: tuple[int, int, int]
    counted: tuple[int, int, int]


def deck(flavor: Flavor, price: Price, draw: Random, *, trouble: bool = False) -> list[Answer]:
    """Answers of one model; with `trouble` from an hour in which its upstream did badly."""
    failures = 260 if trouble else flavor.failures
    return [_answer(flavor, price, draw, failures) for _ in range(DECK)]


def _answer(flavor: Flavor, price: Price, draw: Random, failures: int) -> Answer:
    given = max(8, round(draw.lognormvariate(0, 0.7) * flavor.input_tokens))
    longest = 0 if flavor.output_tokens == 0 else max(64, 2 * flavor.output_tokens)
    worst = Counts(input=2 * given, output=longest)
    reserved = (cost_nano_usd(worst, price), worst.tokens, given + longest)
    waited = max(20, round(draw.lognormvariate(0, 0.35) * flavor.first_byte_ms))
    if draw.randrange(1_000) < failures:
        return _failed(flavor, price, draw, reserved, waited)
    output = min(longest, round(draw.lognormvariate(0, 0.8) * flavor.output_tokens))
    cached = given * 3 // 4 if draw.random() < flavor.cached and given > 1_000 else 0
    counts = Counts(
        input=given,
        cached_input=cached,
        cache_write=given // 5 if price.rates[0].cache_write > price.rates[0].input and cached == 0 else 0,
        output=output,
        reasoning=round(output * draw.uniform(0.2, 0.7)) if draw.random() < flavor.reasoning else 0,
    )
    answering = output * 1_000 // flavor.tokens_per_second
    is_streamed = flavor.output_tokens > 0 and draw.random() < 0.55
    duration = waited + answering
    has_left = is_streamed and draw.random() < 0.004
    return _made(
        flavor,
        price,
        draw,
        reserved,
        (State.SETTLED, Basis.COUNTED if has_left else Basis.UPSTREAM, 200, "client_left" if has_left else ""),
        counts,
        (waited if is_streamed else max(1, duration - draw.randrange(1, 9)), duration),
    )


def _failed(flavor: Flavor, price: Price, draw: Random, reserved: tuple[int, int, int], waited: int) -> Answer:
    kind = draw.randrange(1_000)
    if kind < 4:
        ending = (State.ORPHANED, Basis.RESERVED, 0, "orphaned")
        return _made(flavor, price, draw, reserved, ending, Counts(), (None, 0), charged=reserved[0])
    status = 429 if kind < 480 else 503 if kind < 680 else 500 if kind < 760 else 400
    took = waited if status != 503 else 3 * waited
    return _made(flavor, price, draw, reserved, (State.RELEASED, None, status, ""), Counts(), (took, took), charged=0)


def _made(
    flavor: Flavor,
    price: Price,
    draw: Random,
    reserved: tuple[int, int, int],
    ending: tuple[State, Basis | None, int, str],
    counts: Counts,
    took: tuple[int | None, int],
    *,
    charged: int | None = None,
) -> Answer:
    state, basis, status, flags = ending
    cost = cost_nano_usd(counts, price) if charged is None else charged
    row = (
        flavor.model,
        flavor.upstream,
        draw.choice(flavor.endpoints),
        price.id,
        1,
        0,
        *reserved,
        None,
        str(state),
        None if basis is None else str(basis),
        cost,
        counts.input,
        counts.cached_input,
        counts.cache_write,
        counts.output,
        counts.reasoning,
        status,
        *took,
        flags,
    )
    counted = (cost, 1, counts.tokens)
    if state is State.RELEASED:
        counted = (0, 0, 0)
    elif state is State.ORPHANED:
        counted = (reserved[0], 1, reserved[1])
    return Answer(row, took[1], (reserved[0], 1, reserved[1]), counted)
