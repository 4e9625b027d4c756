"""How much memory the bodies of requests may fill together."""

from typing import Final

from keyhouse.core.errors import Code, Refusal

BODIES_BYTES_MAX: Final = 400 * 1000 * 1000
RETRY_AFTER_MS: Final = 1_000


class BodyRoom:
    """Room for all bodies that are held at once, in bytes.

    It is taken as bytes come, not as they are announced: who sends slowly keeps no more from others than what is
    there. A body that finds none is refused at once instead of waiting: bodies that wait for each other never end.
    """

    __slots__ = ("_bytes_left", "_bytes_max")

    def __init__(self, bytes_max: int = BODIES_BYTES_MAX) -> None:
        self._bytes_max = self._bytes_left = bytes_max

    def take(self, count: int) -> None:
        """Take so many bytes, or raise Refusal(BODIES_FULL) and take none."""
        if count > self._bytes_left:
            raise Refusal(
                Code.BODIES_FULL,
                f"The requests being read fill the {self._bytes_max / 1_000_000:g} MB that there are for them.",
                hint="Try again in a moment, with fewer large files at once.",
                retry_after_ms=RETRY_AFTER_MS,
            )
        self._bytes_left -= count

    def give_back(self, count: int) -> None:
        """The bytes that a request took, once it is over."""
        self._bytes_left += count
