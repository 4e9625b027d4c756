"""The worst case: the most a request can cost, known before anything is sent.

Input: a byte-level token is at least one byte, and the JSON text of a body is never shorter than the text
in it, so the body's length bounds what the model reads; a fixed surcharge covers what a chat template adds.
Images and audio in it count by the model's documented maximum instead of by their bytes.
What the upstream keeps and reads with it (an earlier answer, a conversation) is not in the body: then only the
model's longest prompt bounds the input.
Output: what the client allows, else the model's maximum, times the number of choices. Of several rates that
may apply (service tiers, long prompts, cache writes) the dearest counts. Anything whose cost cannot be
bounded this way makes the need unbounded, and where a usd limit applies it is refused.
"""

from typing import Final

import msgspec

from keyhouse.core.money import DEFAULT_TIER, Counts, Price, Rate, to_nano

OUTPUT_TOKENS_MIN: Final = 16
"""The shortest answer worth shortening a request to."""

OUTPUT_TOKENS_UNKNOWN: Final = 16_384
"""Written into a request, where a limit needs a bound, when neither client nor model has a maximum."""

TEMPLATE_TOKENS: Final = 64
"""What a chat template adds around the first message; each further one is covered by its own JSON's bytes."""

TOOL_TOKENS: Final = 1_024
"""What templates add when tools are offered, beside the tools' own text."""


LONG_CACHE_FACTOR: Final = 2
"""What writing to a cache for an hour costs, in prices of plain input (Anthropic, prompt caching)."""

_FLEXIBLE_TIERS: Final = frozenset({None, "auto"})
"""Tiers that leave the choice to the upstream, which may take any."""


class Ceilings(msgspec.Struct, frozen=True):
    """A model's documented maxima; None where nobody said.

    Tokens of the longest answer, of the largest image in a prompt and of the longest audio in it; seconds of
    the longest audio to transcribe; tokens of the longest prompt, with all that the upstream adds to it.
    """

    output_tokens: int | None = None
    image_tokens: int | None = None
    audio_tokens: int | None = None
    audio_seconds: int | None = None
    input_tokens: int | None = None


UNKNOWN: Final = Ceilings()


class Ask(msgspec.Struct, frozen=True, gc=False):
    """What a request asks for, as far as the gateway must know it.

    `input_bytes` is the length of what is sent to be read, of which `media_bytes` are `images_in` images and
    `audio_in` pieces of audio rather than text; `rewritten_bytes` is what a chat template may add to JSON in it that
    it writes anew. `output_tokens_max` is the client's own maximum for one choice.
    `unseen_input` names the first part that makes the model read what is not in the body, such as an earlier answer
    that the upstream keeps: then only the longest prompt of the model bounds the input. `has_maximum` is false where
    the endpoint knows no maximum of its answer: then the model's own always counts.
    `images` are to be made, `characters` to be spoken; `audio_seconds` are to be transcribed, None where only the
    model's maximum bounds them. `speaks`: the answer may be audio, in output tokens. `unbounded` names the first
    part whose cost nothing of this bounds, such as a server-side tool. `references` are the objects kept by the
    upstream that the request names, each with its parameter's name; `is_kept`: the upstream will keep the answer as
    such an object. `background`: the answer comes before the work is done. `long_cache`: the prompt may be written to
    a cache for an hour. `extra_output_tokens` may come beside the answer itself, such as a rejected prediction.
    `writes` is false where the answer is images or sound: then nobody but the upstream can say how many tokens it is,
    and it is none where neither the model's maximum nor its price knows any.
    """

    model: str
    input_bytes: int
    stream: bool = False
    wants_usage: bool = False
    output_tokens_max: int | None = None
    choices: int = 1
    has_tools: bool = False
    extra_output_tokens: int = 0
    unbounded: str | None = None
    media_bytes: int = 0
    rewritten_bytes: int = 0
    images_in: int = 0
    audio_in: int = 0
    images: int = 0
    characters: int = 0
    audio_seconds: int | None = 0
    service_tier: str | None = None
    speaks: bool = False
    unseen_input: str | None = None
    has_maximum: bool = True
    references: tuple[tuple[str, str], ...] = ()
    is_kept: bool = False
    background: bool = False
    long_cache: bool = False
    writes: bool = True


class Need(msgspec.Struct, frozen=True, gc=False):
    """A request's worst case, linear in the length of its answer so that the answer can be shortened to fit.

    Prices are pico-USD, None where the model's price is unknown. `input_tokens_estimate` and
    `output_tokens_requested` serve limits in tokens a minute, which reserve an estimate as OpenAI's do.
    `output_is_bounded` is false where nobody has set a maximum: then one must be written into the request.
    Of `input_tokens`, `fixed_output_tokens` are output whose length nobody can choose, `unwritten_output_tokens` of
    them not the text of the answer, `audio_input_tokens` are heard and `image_input_tokens` seen. `audio_is_bounded` is
    false where nobody says how long the audio is at most.
    """

    input_tokens: int
    input_tokens_estimate: int
    output_tokens_max: int
    output_tokens_requested: int
    choices: int
    base_pico: int | None
    output_token_pico: int
    output_is_bounded: bool
    unbounded: str | None = None
    images: int = 0
    audio_seconds: int = 0
    characters: int = 0
    fixed_output_tokens: int = 0
    unwritten_output_tokens: int = 0
    audio_input_tokens: int = 0
    image_input_tokens: int = 0
    audio_is_bounded: bool = True

    @property
    def most(self) -> Counts:
        """What is used of a call of which nothing more is known than that it was sent: all it asked for but the text
        of its answer.
        """
        return Counts(
            input=self.input_tokens - self.fixed_output_tokens,
            output=self.unwritten_output_tokens,
            audio_input=self.audio_input_tokens,
            image_input=self.image_input_tokens,
            image_output=self.unwritten_output_tokens if self.images else 0,
            images=self.images,
            audio_seconds=self.audio_seconds,
            characters=self.characters,
        )

    def nano_usd(self, output_tokens: int) -> int:
        """The most the call can cost if an answer has at most `output_tokens`."""
        return to_nano((self.base_pico or 0) + self.output_token_pico * output_tokens)

    def tokens(self, output_tokens: int) -> int:
        """The most tokens the call can use if an answer has at most `output_tokens`."""
        return self.input_tokens + self.choices * output_tokens

    @property
    def tokens_estimate(self) -> int:
        """What limits in tokens a minute reserve."""
        return self.input_tokens_estimate + self.choices * self.output_tokens_requested


def worst_case(ask: Ask, price: Price | None, ceilings: Ceilings = UNKNOWN) -> Need:
    """The worst case of `ask` on a model with this price and these maxima."""
    unbounded = ask.unbounded or _unbounded(ask, price, ceilings)
    audio_tokens = ask.audio_in * (ceilings.audio_tokens or 0)
    image_tokens = ask.images_in * (ceilings.image_tokens or 0)
    media_tokens = image_tokens + audio_tokens
    text_bytes = ask.input_bytes - ask.media_bytes
    surcharge = TEMPLATE_TOKENS + (TOOL_TOKENS if ask.has_tools else 0)
    input_tokens = text_bytes + ask.rewritten_bytes + media_tokens + surcharge
    if ask.unseen_input is not None:
        # All that the model reads at once, seen or not, fits into its longest prompt.
        input_tokens = max(input_tokens, ceilings.input_tokens or 0)
    asked, most = ask.output_tokens_max, ceilings.output_tokens
    output_tokens_max = OUTPUT_TOKENS_UNKNOWN if most is None else most
    if not ask.writes and most is None and not _costs_output(price):
        output_tokens_max = 0
    if asked is not None and (most is None or asked < most):
        output_tokens_max = asked
    fixed_output = unwritten_output = ask.extra_output_tokens
    if not ask.has_maximum:
        # No maximum can be written into the request, so the answer can never be shortened to what fits.
        fixed_output += ask.choices * output_tokens_max
        output_tokens_max = 0
        unwritten_output = unwritten_output if ask.writes else fixed_output
    audio_seconds = (ceilings.audio_seconds or 0) if ask.audio_seconds is None else ask.audio_seconds
    base_pico, output_pico = None, 0
    if price is not None:
        rates = _applicable(price, ask.service_tier, input_tokens)
        output_pico, input_pico = rates[0].dearest_output, rates[0].dearest_input
        for rate in rates[1:]:
            output_pico, input_pico = max(output_pico, rate.dearest_output), max(input_pico, rate.dearest_input)
        base_pico = input_tokens * input_pico + fixed_output * output_pico + price.request
        if price.is_more_than_tokens:
            base_pico += ask.images * price.image + audio_seconds * price.audio_second
            base_pico += ask.characters * price.character
    return Need(
        input_tokens=input_tokens + fixed_output,
        input_tokens_estimate=-(-text_bytes // 4) + media_tokens,
        output_tokens_max=output_tokens_max,
        output_tokens_requested=asked or 0,
        choices=ask.choices,
        base_pico=base_pico,
        output_token_pico=ask.choices * output_pico,
        output_is_bounded=asked is not None or most is not None,
        unbounded=unbounded,
        images=ask.images,
        audio_seconds=audio_seconds,
        characters=ask.characters,
        fixed_output_tokens=fixed_output,
        unwritten_output_tokens=unwritten_output,
        audio_input_tokens=audio_tokens,
        image_input_tokens=image_tokens,
        audio_is_bounded=ask.audio_seconds is not None or ceilings.audio_seconds is not None,
    )


def _unbounded(ask: Ask, price: Price | None, ceilings: Ceilings) -> str | None:
    """The first part of which the model's maximum is not known, or the tier whose rate is not."""
    if ask.unseen_input is not None and ceilings.input_tokens is None:
        return ask.unseen_input
    if not ask.has_maximum and ceilings.output_tokens is None and _costs_output(price):
        return "output"
    if ask.images_in and ceilings.image_tokens is None and _costs_input(price):
        return "image_url"
    if ask.audio_in and ceilings.audio_tokens is None and _costs_input(price):
        return "input_audio"
    if ask.audio_seconds is None and ceilings.audio_seconds is None and (price is None or price.audio_second):
        return "audio"
    if price is None:
        return None
    if ask.long_cache and any(rate.cache_write < LONG_CACHE_FACTOR * rate.input for rate in price.rates):
        return "cache_control"
    if ask.speaks and price.rates[0].audio_output is None:
        return "modalities"
    return None if price.covers(ask.service_tier) else "service_tier"


def _costs_input(price: Price | None) -> bool:
    """Whether a token of input costs something, as far as that is known."""
    return price is None or any(rate.dearest_input for rate in price.rates)


def _costs_output(price: Price | None) -> bool:
    """Whether a token of output costs something, as far as that is known."""
    return price is not None and any(rate.dearest_output for rate in price.rates)


def _applicable(price: Price, tier: str | None, input_tokens: int) -> list[Rate] | tuple[Rate, ...]:
    """The rates that a request may be charged by: a tier that was asked for can be answered on the default one."""
    rates = price.rates
    if len(rates) == 1:
        return rates
    return [
        rate
        for rate in rates
        if rate.from_input_tokens <= input_tokens and (tier in _FLEXIBLE_TIERS or rate.tier in (tier, DEFAULT_TIER))
    ]
