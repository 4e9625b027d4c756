"""The reader of `POST /v1/completions`, the predecessor of chat: prompts in, text that continues them out."""

from typing import Final

import msgspec

from keyhouse.core.bound import Ask
from keyhouse.wire import body as bodies
from keyhouse.wire.body import ABSENT, CHOICES_MAX, OUTPUT_TOKENS_MAX, Asked, Object, is_given
from keyhouse.wire.prompts import Prompts, read_prompts


class _Completions(msgspec.Struct, gc=False):
    model: str
    prompt: msgspec.Raw = ABSENT
    stream: bool | None = None
    stream_options: bodies.StreamOptions | None = None
    max_tokens: int | None = None
    n: int | None = None
    best_of: int | None = None
    echo: bool | None = None
    service_tier: str | None = None


_COMPLETIONS: Final = msgspec.json.Decoder(_Completions)
_READ: Final = frozenset(_Completions.__struct_fields__)

_UNBOUNDED: Final = ("n_cmpl", "use_beam_search", "prompt_embeds", "input_extra", "mm_processor_kwargs", "plugins")
"""Extensions of some servers that make a request cost more than its text, its choices and its maximum."""


class CompletionsRequest(Asked):
    """A request for completions that was read."""

    __slots__ = ()

    def _write_maximum(self, output_tokens_max: int) -> None:
        self._fields["max_tokens"] = msgspec.Raw(b"%d" % output_tokens_max)

    def _ask_for_usage(self) -> None:
        if self.ask.stream and not self.ask.wants_usage:
            self._fields["stream_options"] = bodies.with_usage(self._fields.get("stream_options"))


def read_completions(body: bytes) -> CompletionsRequest:
    """Read a request's body. Raises Refusal that names the parameter at fault."""
    return CompletionsRequest(*bodies.read(body, _COMPLETIONS, _ask))


def _ask(asked: _Completions, fields: Object, body_bytes: int) -> Ask:
    bodies.refuse_disguises(fields, _READ, "max_tokens")
    bodies.require_model(asked.model)
    bodies.refuse_outside("n", asked.n, CHOICES_MAX)
    bodies.refuse_outside("best_of", asked.best_of, CHOICES_MAX)
    options = asked.stream_options
    prompts = read_prompts("prompt", asked.prompt) if is_given(asked.prompt) else Prompts()
    return Ask(
        model=asked.model,
        input_bytes=body_bytes,
        stream=asked.stream is True,
        wants_usage=options is not None and options.include_usage is True,
        output_tokens_max=_maximum(asked),
        # Whatever is made and thrown away again for `best_of` is paid for, too.
        choices=max(asked.n or 1, asked.best_of or 1) * prompts.count,
        unbounded=next((name for name in _UNBOUNDED if name in fields), None) or prompts.odd,
        service_tier=asked.service_tier,
    )


def _maximum(asked: _Completions) -> int | None:
    """The longest continuation. None at all can be asked for to have a prompt echoed; some servers make one token."""
    if asked.max_tokens == 0 and asked.echo:
        return 1
    bodies.refuse_outside("max_tokens", asked.max_tokens, OUTPUT_TOKENS_MAX)
    return asked.max_tokens
