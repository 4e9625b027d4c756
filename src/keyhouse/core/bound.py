"""The worst case: the most a request can cost, known before anything is sent.

Input: a byte-level token is at least one byte, and the JSON text of a body is never shorter than the text
in it, so the body's length bounds what the model reads; a fixed surcharge covers what a chat template adds.
Output: what the client allows, else the model's maximum, times the number of choices. Anything whose
cost cannot be bounded this way makes the need unbounded, and where a usd limit applies it is refused.
"""

from typing import Final

import msgspec

from keyhouse.core.money import Price, to_nano

OUTPUT_TOKENS_MIN: Final = 16
"""The shortest answer worth shortening a request to."""

OUTPUT_TOKENS_UNKNOWN: Final = 16_384
"""Written into a request, where a limit needs a bound, when neither client nor model has a maximum."""

TEMPLATE_TOKENS: Final = 64
"""What a chat template adds around the first message; each further one is covered by its own JSON's bytes."""

TOOL_TOKENS: Final = 1_024
"""What templates add when tools are offered, beside the tools' own text."""


class Ask(msgspec.Struct, frozen=True):
    """What a request asks for, as far as the gateway must know it.

    `input_bytes` is the body's length. `output_tokens_max` is the client's own maximum for one choice.
    `unbounded` names the first part whose cost the body's length does not bound, such as an image.
    """

    model: str
    input_bytes: int
    stream: bool = False
    wants_usage: bool = False
    output_tokens_max: int | None = None
    choices: int = 1
    has_tools: bool = False
    prediction: bool = False
    unbounded: str | None = None


class Need(msgspec.Struct, frozen=True, gc=False):
    """A request's worst case, linear in the length of its answer so that the answer can be shortened to fit.

    Prices are pico-USD, None where the model's price is unknown. `input_tokens_estimate` and
    `output_tokens_requested` serve limits in tokens a minute, which reserve an estimate as OpenAI's do.
    `output_is_bounded` is false where nobody has set a maximum: then one must be written into the request.
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


def worst_case(ask: Ask, price: Price | None, model_output_tokens_max: int | None) -> Need:
    """The worst case of `ask` on a model with this price and this maximum length of an answer."""
    surcharge = TEMPLATE_TOKENS + (TOOL_TOKENS if ask.has_tools else 0)
    input_tokens = ask.input_bytes + surcharge
    bounds = [bound for bound in (ask.output_tokens_max, model_output_tokens_max) if bound is not None]
    output_tokens_max = min(bounds) if bounds else OUTPUT_TOKENS_UNKNOWN
    # Rejected predictions are charged as output (OpenAI, predicted outputs): at most their own text.
    predicted = ask.input_bytes if ask.prediction else 0
    base_pico = None if price is None else input_tokens * price.dearest_input + predicted * price.output
    return Need(
        input_tokens=input_tokens + predicted,
        input_tokens_estimate=-(-ask.input_bytes // 4),
        output_tokens_max=output_tokens_max,
        output_tokens_requested=ask.output_tokens_max or 0,
        choices=ask.choices,
        base_pico=base_pico,
        output_token_pico=0 if price is None else ask.choices * price.output,
        output_is_bounded=bool(bounds),
        unbounded=ask.unbounded,
    )
