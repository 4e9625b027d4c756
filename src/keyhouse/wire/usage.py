"""What an answer used, from the upstream's own words, believed only as far as they make sense.

`usage` comes from a server that may be wrong. Whole numbers within reason are taken as they are; anything
else is brought into reason and said to be so, and the call is then settled as counted, not as reported.
Endpoints differ in how they spell usage, not in what of it is believed.
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from keyhouse.core.money import TIER_CHARACTERS_MAX, Counts

TOKENS_MAX: Final = 100_000_000
"""More than any model reads or writes in one call: a larger figure is a mistake, not a usage."""

BYTES_PER_TOKEN: Final = 3
"""For counting without usage. English has more than four bytes a token, Chinese about three, so this errs
upwards; where the upstream sends an event a token, the number of events is exact."""


class Reading(msgspec.Struct, frozen=True, gc=False):
    """What an upstream said was used, and on which service tier. `is_clamped`: some of it could not be true."""

    counts: Counts
    is_clamped: bool = False
    tier: str | None = None


class _InputDetails(msgspec.Struct, gc=False):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    audio_tokens: int | None = None
    image_tokens: int | None = None


class _OutputDetails(msgspec.Struct, gc=False):
    reasoning_tokens: int | None = None
    audio_tokens: int | None = None
    image_tokens: int | None = None


class _Usage(msgspec.Struct, gc=False):
    prompt_tokens: int
    completion_tokens: int = 0
    total_tokens: int | None = None
    prompt_tokens_details: _InputDetails | None = None
    completion_tokens_details: _OutputDetails | None = None


class _ResponsesUsage(
    msgspec.Struct,
    gc=False,
    rename={
        "prompt_tokens": "input_tokens",
        "completion_tokens": "output_tokens",
        "prompt_tokens_details": "input_tokens_details",
        "completion_tokens_details": "output_tokens_details",
    },
):
    """The same under the names of the Responses API."""

    prompt_tokens: int
    completion_tokens: int = 0
    total_tokens: int | None = None
    prompt_tokens_details: _InputDetails | None = None
    completion_tokens_details: _OutputDetails | None = None


class _SingularUsage(
    msgspec.Struct,
    gc=False,
    rename={
        "prompt_tokens": "input_tokens",
        "completion_tokens": "output_tokens",
        "prompt_tokens_details": "input_token_details",
        "completion_tokens_details": "output_token_details",
    },
):
    """The same as endpoints that hear and speak write it, with `token` in the singular."""

    prompt_tokens: int
    completion_tokens: int = 0
    total_tokens: int | None = None
    prompt_tokens_details: _InputDetails | None = None
    completion_tokens_details: _OutputDetails | None = None


class Spelling(msgspec.Struct, frozen=True):
    """How an endpoint writes usage: the names of input, output and their details; what they mean is the same.

    `has_input`: a model has always read something, and who says that it has not does not count.
    """

    decode: Callable[[bytes | msgspec.Raw], _Usage | _ResponsesUsage | _SingularUsage]
    input: str
    output: str
    input_details: str
    output_details: str
    has_input: bool = False


class _Answer(msgspec.Struct, gc=False):
    usage: msgspec.Raw = msgspec.Raw()
    service_tier: Any = None


CHAT: Final = Spelling(
    msgspec.json.Decoder(_Usage).decode,
    "prompt_tokens",
    "completion_tokens",
    "prompt_tokens_details",
    "completion_tokens_details",
    has_input=True,
)
RESPONSES: Final = Spelling(
    msgspec.json.Decoder(_ResponsesUsage).decode,
    "input_tokens",
    "output_tokens",
    "input_tokens_details",
    "output_tokens_details",
    has_input=True,
)
SUMS: Final = msgspec.structs.replace(RESPONSES, has_input=False)
"""As the Responses API writes it, of many calls or of none, and of images and sound."""

SINGULAR: Final = Spelling(
    msgspec.json.Decoder(_SingularUsage).decode,
    "input_tokens",
    "output_tokens",
    "input_token_details",
    "output_token_details",
)
_NOTHING: Final = (b"", b"null")
_ANSWER: Final = msgspec.json.Decoder(_Answer)


def read_answer(body: bytes, spelling: Spelling = CHAT) -> Reading | None:
    """The usage in a whole answer's body; None if it has none or is no JSON object."""
    try:
        answer = _ANSWER.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
    return read_usage(answer.usage, answer.service_tier, spelling)


def read_usage(usage: msgspec.Raw | bytes, tier: object = None, spelling: Spelling = CHAT) -> Reading | None:
    """A `usage` object in JSON, of an answer that came on `tier`; None if it is null or says nothing at all."""
    if bytes(usage) in _NOTHING:
        return None
    try:
        reported = spelling.decode(usage)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return _read_nonsense(usage, spelling)
    given, made = reported.prompt_tokens_details, reported.completion_tokens_details
    cached = written = heard = seen = reasoning = spoken = drawn = 0
    if given is not None:
        cached, written = given.cached_tokens or 0, given.cache_write_tokens or 0
        heard, seen = given.audio_tokens or 0, given.image_tokens or 0
    if made is not None:
        reasoning, spoken, drawn = made.reasoning_tokens or 0, made.audio_tokens or 0, made.image_tokens or 0
    input_tokens, output_tokens = reported.prompt_tokens, reported.completion_tokens
    total = reported.total_tokens or 0
    if (
        spelling.has_input <= input_tokens <= TOKENS_MAX
        and 0 <= output_tokens <= TOKENS_MAX
        and total <= 2 * TOKENS_MAX
        and cached >= 0
        and written >= 0
        and cached + written <= input_tokens
    ):
        # Some upstreams leave reasoning out of completion_tokens, but not out of total_tokens.
        if total > input_tokens + output_tokens:
            output_tokens = total - input_tokens
        if (
            0 <= reasoning <= output_tokens
            and 0 <= spoken <= output_tokens
            and 0 <= drawn <= output_tokens - spoken
            and 0 <= heard <= input_tokens
            and 0 <= seen <= input_tokens - heard
        ):
            # What was cached of audio and images is told under both names; it is cached first.
            heard = min(heard, input_tokens - cached - written)
            seen = min(seen, input_tokens - cached - written - heard)
            counts = Counts(
                input_tokens,
                cached,
                written,
                output_tokens,
                reasoning,
                heard,
                spoken,
                image_input=seen,
                image_output=drawn,
            )
            return Reading(counts, tier=tier[:TIER_CHARACTERS_MAX] if isinstance(tier, str) else None)
    return _clamped(input_tokens, cached, written, output_tokens, reasoning)


def counted(reading: Reading | None, most: Counts, output_tokens: int) -> Counts:
    """What to charge where the upstream's word is missing, not final or not credible.

    The bound of all that is not counted, `most`, and the output that was, and what of a reading exceeds the one or
    fills in the other.
    """
    output_tokens += most.output
    if reading is None:
        return msgspec.structs.replace(most, output=output_tokens)
    said = reading.counts
    return msgspec.structs.replace(
        said if said.input else most,
        output=max(said.output, output_tokens),
        reasoning=said.reasoning,
        audio_output=said.audio_output,
        image_output=max(said.image_output, most.image_output),
        images=max(said.images, most.images),
        audio_seconds=max(said.audio_seconds, most.audio_seconds),
        characters=max(said.characters, most.characters),
    )


def output_tokens_in(text_bytes: int, events: int = 0) -> int:
    """How many output tokens to count for so much text in so many events, where nobody says."""
    return max(events, -(-text_bytes // BYTES_PER_TOKEN))


def _read_nonsense(usage: msgspec.Raw | bytes, spelling: Spelling) -> Reading | None:
    """Usage that is not of OpenAI's form: what can be read of it."""
    try:
        value = msgspec.json.decode(usage)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
    if not isinstance(value, dict):
        return None if value is None else Reading(Counts(), is_clamped=True)
    given, made = value.get(spelling.input_details), value.get(spelling.output_details)
    given = given if isinstance(given, dict) else {}
    made = made if isinstance(made, dict) else {}
    return _clamped(
        value.get(spelling.input),
        given.get("cached_tokens"),
        given.get("cache_write_tokens"),
        value.get(spelling.output),
        made.get("reasoning_tokens"),
    )


def _clamped(
    input_tokens: object, cached: object, written: object, output_tokens: object, reasoning: object
) -> Reading:
    inputs = in_reason(input_tokens, TOKENS_MAX)
    outputs = in_reason(output_tokens, TOKENS_MAX)
    cached_in = in_reason(cached, inputs)
    return Reading(
        Counts(inputs, cached_in, in_reason(written, inputs - cached_in), outputs, in_reason(reasoning, outputs)),
        is_clamped=True,
    )


def in_reason(value: object, most: int) -> int:
    """A whole number from nothing to `most`; a fraction counts upwards, text and the like as nothing."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0
    if value >= most:
        return most
    return max(0, -int(-value // 1))
