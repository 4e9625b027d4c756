"""The reader of `POST /v1/moderations`: text and images in, a judgement out. Few servers say what one used."""

from typing import Final

import msgspec

from keyhouse.core.bound import Ask
from keyhouse.wire import body as bodies
from keyhouse.wire.body import ENCODE, Asked, Object

MODEL: Final = "omni-moderation-latest"
"""The model of a request that names none, as OpenAI documents it."""


class _Moderations(msgspec.Struct, gc=False):
    input: str | list[str | Object]
    model: str | None = None


_MODERATIONS: Final = msgspec.json.Decoder(_Moderations)
_READ: Final = frozenset(_Moderations.__struct_fields__)
_TEXT, _IMAGE = b'"text"', b'"image_url"'
_PART_FIELDS: Final = {_TEXT: frozenset({"type", "text"}), _IMAGE: frozenset({"type", "image_url"})}


def read_moderations(body: bytes) -> Asked:
    """Read a request's body. Raises Refusal that names the parameter at fault."""
    ask, fields = bodies.read(body, _MODERATIONS, _ask)
    # Written even where it was left out, so that no upstream takes another one by default.
    fields["model"] = msgspec.Raw(ENCODE(ask.model))
    return Asked(ask, fields)


def _ask(asked: _Moderations, fields: Object, body_bytes: int) -> Ask:
    bodies.refuse_disguises(fields, _READ, None)
    model = MODEL if asked.model is None else asked.model
    bodies.require_model(model)
    images = media_bytes = 0
    unbounded = None
    for part in asked.input if isinstance(asked.input, list) else ():
        if isinstance(part, str):
            continue
        kind = bytes(part.get("type", b"null"))
        if kind == _IMAGE:
            images += 1
            media_bytes += len(bytes(part.get("image_url", b"")))
        odd = kind.decode(errors="replace").strip('"') if kind not in _PART_FIELDS else None
        odd = odd or next((name for name in part if name not in _PART_FIELDS[kind]), None)
        unbounded = unbounded or (None if odd is None else odd[:64])
    return Ask(
        model=model,
        input_bytes=body_bytes,
        output_tokens_max=0,
        unbounded=unbounded,
        media_bytes=media_bytes,
        images_in=images,
    )
