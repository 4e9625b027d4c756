"""Time as a value that is handed in, so that every test can turn it."""

from typing import Protocol


class Clock(Protocol):
    """The two times a program needs."""

    def now_ms(self) -> int:
        """Wall-clock time in milliseconds since 1970, UTC: for what is stored and shown."""
        ...

    def monotonic_ms(self) -> float:
        """Milliseconds that never run backwards: for durations only."""
        ...


class Entropy(Protocol):
    """Where unguessable bytes come from; seeded in tests."""

    def __call__(self, count: int, /) -> bytes:
        """`count` random bytes."""
        ...
