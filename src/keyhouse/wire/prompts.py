"""Prompts as OpenAI's older endpoints take them: a text, a list of texts, a list of tokens, or a list of such lists."""

from typing import Final

import msgspec

from keyhouse.core.errors import Code, Refusal

_ELEMENTS: Final = msgspec.json.Decoder(list[msgspec.Raw])
_TEXT, _LIST, _OBJECT = b'"', b"[", b"{"


class Prompts(msgspec.Struct, frozen=True):
    """How many prompts there are, at least one, and the first part of them that is neither text nor tokens.

    Text and tokens are never more tokens than bytes of their JSON: a token's number and its comma are two at least.
    """

    count: int = 1
    odd: str | None = None


def read_prompts(name: str, value: msgspec.Raw) -> Prompts:
    """The prompts in the field of this name. Raises Refusal for what cannot be one."""
    content = bytes(value)
    first = content[:1]
    if first == _TEXT:
        return Prompts()
    if first == _OBJECT:
        return Prompts(odd=name)
    if first != _LIST:
        raise Refusal(
            Code.PARAMETER_INVALID,
            f"`{name}` is neither text nor a list.",
            hint="Send a string, an array of strings, of tokens, or of arrays of tokens.",
            param=name,
        )
    if not any(content.find(mark, 1) > 0 for mark in (_TEXT, _LIST, _OBJECT)):
        return Prompts()  # tokens of one prompt: by far the longest lists there are
    elements = _ELEMENTS.decode(value)
    odd = any(memoryview(element)[:1] == _OBJECT for element in elements)
    return Prompts(len(elements), name if odd else None)
