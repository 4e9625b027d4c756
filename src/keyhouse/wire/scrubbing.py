"""Cutting our own credential out of what an upstream says, in whatever pieces it comes. Pure."""


def held_back(data: bytes, secret: bytes) -> int:
    """How many bytes at the end of `data` may be the beginning of `secret`, and must wait for what follows them."""
    for length in range(min(len(secret) - 1, len(data)), 0, -1):
        if data.endswith(secret[:length]):
            return length
    return 0


class Scrubber:
    """Feed it pieces, and pass on what it gives back: the same bytes, each credential in them blotted out."""

    __slots__ = ("_held", "_secret")

    def __init__(self, secret: bytes | None) -> None:
        self._secret = secret
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """What may be passed on now that `data` has come."""
        secret = self._secret
        if secret is None:
            return data
        # As many bytes as before: a length may have been announced.
        data = (self._held + data).replace(secret, b"*" * len(secret))
        held = held_back(data, secret)
        self._held = data[len(data) - held :]
        return data[: len(data) - held]

    def rest(self) -> bytes:
        """What was held back, now that nothing follows."""
        rest, self._held = self._held, b""
        return rest
