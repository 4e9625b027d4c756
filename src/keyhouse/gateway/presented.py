"""What a request's headers say of who asks: credentials, wherever they stand, and the software's name."""

from collections.abc import Iterable
from typing import Final

AGENT_CHARACTERS_MAX: Final = 200


class Presented:
    """Read from one head, and shared by all requests that have the same one.

    `digest` is its secret's, once that was taken; `is_elsewhere` says that a credential came where none is read.
    """

    __slots__ = ("_bearers", "_x_api_keys", "agent", "digest", "is_elsewhere")

    def __init__(self, headers: Iterable[tuple[bytes, bytes]]) -> None:
        self._bearers: list[bytes] = []
        self._x_api_keys: list[bytes] = []
        self.agent = ""
        self.digest: bytes | None = None
        self.is_elsewhere = False
        for name, value in headers:
            if name == b"authorization":
                self._bearers.append(value)
            elif name == b"user-agent":
                self.agent = value[:AGENT_CHARACTERS_MAX].decode("latin-1")
            elif name == b"x-api-key":
                self._x_api_keys.append(b"Bearer " + value)
            elif name == b"api-key":
                self.is_elsewhere = True

    def credentials(self, *, takes_x_api_key: bool) -> tuple[list[bytes], bool]:
        """The values of `Authorization`, and whether a header that is not read here held a credential, too.

        Where the API takes one in `x-api-key`, that is as good as a bearer.
        """
        if takes_x_api_key:
            return self._bearers + self._x_api_keys, self.is_elsewhere
        return self._bearers, self.is_elsewhere or bool(self._x_api_keys)
