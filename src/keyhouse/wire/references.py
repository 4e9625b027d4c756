"""What a request names of what an upstream keeps: files, vector stores, containers, conversations.

All projects share an upstream's credential, so each id that goes up must be the project's own. Ids are found by the
names of the fields that hold them, wherever those stand.
"""

from collections.abc import Iterator
from typing import Final

NAMES: Final = frozenset(
    {
        *("batch_id", "container", "container_id", "conversation", "conversation_id", "file_id", "file_ids"),
        *("input_file_id", "previous_response_id", "skill_id", "skill_ids", "vector_store_id", "vector_store_ids"),
    }
)
"""Fields that hold an id, or a list of them."""

_FREE: Final = frozenset({"annotations", "attributes", "metadata"})
"""Fields in which a client writes what it likes, and what a model cited."""


def references_in(value: object) -> Iterator[tuple[str, str]]:
    """Every id in a decoded JSON value, with the name of its field."""
    waiting = [value]
    while waiting:
        found = waiting.pop()
        if isinstance(found, list):
            waiting += found
        elif isinstance(found, dict):
            for name, inner in found.items():
                if name in NAMES:
                    yield from ((name, text) for text in _texts(inner))
                if name not in _FREE and isinstance(inner, dict | list):
                    waiting.append(inner)


def _texts(value: object) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [text for text in values if isinstance(text, str)]
