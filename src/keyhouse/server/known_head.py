"""A head that comes again: clients write the same one with each request, and only the length of the body changes.

What the parser, in its strict form, read of such a head once is true of the next one with the same bytes. So it is read
by comparing, and its body by counting; whatever differs goes to the parser.
"""

import re
from typing import Any, Final, Self

BYTES_MAX: Final = 8 * 1024
"""What a head may weigh to be kept for the next one: a connection that is silent should not hold much."""

_LENGTH: Final = re.compile(rb"\r\ncontent-length: ?([0-9]{1,15})\r\n", re.IGNORECASE)
_LENGTH_LINE_MAX: Final = 17
_LINE_END: Final = b"\r\n"
_HEAD_END: Final = b"\r\n\r\n"

Scope = dict[str, Any]


class KnownHead:
    """The bytes of a head, before and after the length of its body, and the scope that it was read as."""

    __slots__ = ("_after", "_before", "_digits", "_headers", "_place", "_scope")

    def __init__(self, before: bytes, digits: bytes, after: bytes, scope: Scope) -> None:
        self._before = before
        self._digits = digits
        self._after = after
        self._scope = scope
        self._headers: tuple[tuple[bytes, bytes], ...] = scope["headers"]
        self._place = [name for name, _ in self._headers].index(b"content-length")

    @classmethod
    def of(cls, data: bytes, scope: Scope) -> Self | None:
        """The head with which `data` begins, and that was read as `scope`; None if it does not say in digits how long
        its body is, or wants to be told to go on, or is long, or if there is more than one request in `data`.
        """
        end = data.find(_HEAD_END) + len(_HEAD_END)
        length = _LENGTH.search(data, 0, end)
        if length is None or end > BYTES_MAX or len(data) - end > int(length[1]):
            return None
        if any(name == b"expect" for name, _ in scope["headers"]):
            return None
        return cls(data[: length.start(1)], length[1], data[length.end(1) : end], scope)

    def read(self, data: bytes) -> tuple[Scope, int, int] | None:
        """The scope of the request with which `data` begins, where its body begins, and how long that is; None if it
        does not have this head, or not all of it.
        """
        begin = len(self._before)
        if not data.startswith(self._before):
            return None
        end = data.find(_LINE_END, begin, begin + _LENGTH_LINE_MAX)
        digits = data[begin:end]
        if not digits.isdigit() or not data.startswith(self._after, end):
            return None
        scope = self._scope.copy()
        if digits != self._digits:
            place = self._place
            scope["headers"] = (*self._headers[:place], (b"content-length", digits), *self._headers[place + 1 :])
        return scope, end + len(self._after), int(digits)
