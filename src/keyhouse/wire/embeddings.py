"""The reader of `POST /v1/embeddings`: text in, vectors out, no token of which costs anything."""

from typing import Final

import msgspec

from keyhouse.core.bound import Ask
from keyhouse.wire import body as bodies
from keyhouse.wire.body import Asked, Object
from keyhouse.wire.prompts import read_prompts
from keyhouse.wire.usage import Reading, read_answer


class _Embeddings(msgspec.Struct, gc=False):
    model: str
    input: msgspec.Raw


_EMBEDDINGS: Final = msgspec.json.Decoder(_Embeddings)
_READ: Final = frozenset(_Embeddings.__struct_fields__)

_UNBOUNDED: Final = ("messages", "images", "chat_template", "mm_processor_kwargs")
"""Extensions of some servers that make a request cost more than its text."""


def read_embeddings(body: bytes) -> Asked:
    """Read a request's body. Raises Refusal that names the parameter at fault."""
    return Asked(*bodies.read(body, _EMBEDDINGS, _ask))


def read_embeddings_answer(body: bytes) -> Reading | None:
    """The usage in an answer; one that speaks of output cannot be true."""
    reading = read_answer(body)
    if reading is None or not reading.counts.output:
        return reading
    return Reading(msgspec.structs.replace(reading.counts, output=0, reasoning=0), is_clamped=True)


def _ask(asked: _Embeddings, fields: Object, body_bytes: int) -> Ask:
    bodies.refuse_disguises(fields, _READ, None)
    bodies.require_model(asked.model)
    unbounded = next((name for name in _UNBOUNDED if name in fields), None) or read_prompts("input", asked.input).odd
    return Ask(model=asked.model, input_bytes=body_bytes, output_tokens_max=0, unbounded=unbounded)
