"""One thing to measure, and on which core what runs."""

from collections.abc import Mapping
from typing import Final

import msgspec

from bench.processes import Pinned

SERVER_CORE: Final = 0
LOAD_CORE: Final = 1


class Target(msgspec.Struct, frozen=True):
    """Where it answers plain and streamed chat, and its process, None for the mock itself.

    `more` are headers, by kind of call, that it wants beside those that all get.
    """

    name: str
    urls: dict[str, str]
    process: Pinned | None
    more: dict[str, dict[str, str]] = {}


def urls(ports: Mapping[str, int]) -> dict[str, str]:
    """Where chat is answered, by kind of call."""
    return {kind: f"http://127.0.0.1:{port}/v1/chat/completions" for kind, port in ports.items()}
