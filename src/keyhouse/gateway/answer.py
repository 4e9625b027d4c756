"""An upstream's answer while it comes in, whatever brings it, and the refusals where there is none that can be used."""

from abc import ABC, abstractmethod
from typing import Self

from keyhouse.core.errors import Code, Refusal
from keyhouse.gateway.routing import Upstream


class Unsent(Refusal):
    """Nothing can have reached the upstream, so the call cost nothing."""


class Unanswered(Refusal):
    """The request may have reached the upstream, but no answer began: what it cost is not known."""


class Answer(ABC):
    """An upstream's answer while it comes in: an async context manager that ends with it."""

    status: int
    is_compressed: bool = False
    """Whether it came compressed although it was asked not to. Then it cannot be read."""

    @abstractmethod
    async def __aenter__(self) -> Self:
        """Send the request and wait for the answer to begin. Raises Unsent or Unanswered."""

    @abstractmethod
    async def __aexit__(self, *_: object) -> None:
        """Stop listening; the upstream sees its client leave."""

    @abstractmethod
    def header(self, name: str) -> str | None:
        """The first header of this name; None if there is none that can be read and passed on."""

    @abstractmethod
    async def chunk(self) -> bytes | None:
        """The next bytes of the body, None at its end. Raises Refusal if it was cut off."""


def compressed(upstream: Upstream) -> Refusal:
    """The refusal of an answer that is compressed: it might hold anything, of any size, and our credential."""
    return Refusal(
        Code.UPSTREAM_BROKEN,
        f"The upstream {upstream.name} compressed its answer, although it was asked not to.",
        hint="An administrator should turn compression off there.",
    )
