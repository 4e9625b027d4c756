"""Server-sent events, sans I/O: bytes in any cuts in, whole events out, each with exactly the bytes it came in.

Put together again, the events and what is left at the end are the stream, byte for byte. Follows the HTML
standard, 9.2.6: a line ends with CR, LF or both, an event with an empty line.
"""

import re
from typing import Final

from keyhouse.wire.scrubbing import held_back

EVENT_BYTES_MAX: Final = 4 * 1024 * 1024
"""What does not end after so many bytes is not an event; it is given out as it is instead of filling memory."""

# Atomic groups, so that one CR LF is never read as two line ends.
_LINE_ENDS: Final = (b"\n", b"\r")
_BLANK_LINE: Final = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r)")


class Splitter:
    """Cuts a stream into events. In what is given out before its end, `secret` is never cut in two."""

    __slots__ = ("_bytes_max", "_pieces", "_secret", "_size")

    def __init__(self, bytes_max: int = EVENT_BYTES_MAX, secret: bytes | None = None) -> None:
        self._bytes_max = bytes_max
        self._secret = secret
        self._pieces: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> list[bytes]:
        """The events that `data` completes, each with the empty line that ends it."""
        if self._pieces:
            if b"\n" not in data and b"\r" not in data and self._pieces[-1][-1:] not in _LINE_ENDS:
                # The middle of a long line, of which nothing can end here: not put together each time anew.
                self._pieces.append(data)
                self._size += len(data)
                return [self._unfinished(self.rest())] if self._size > self._bytes_max else []
            data = self.rest() + data
        if b"\r" in data:
            events, rest = _split(data)
        else:
            events = data.split(b"\n\n")
            rest = events.pop()
            events = [event + b"\n\n" for event in events]
        if len(rest) > self._bytes_max:
            events.append(self._unfinished(rest))
        elif rest:
            self._pieces, self._size = [rest], len(rest)
        return events

    def _unfinished(self, data: bytes) -> bytes:
        """What can be given out of an event that is too long to wait for its end."""
        if self._secret is None:
            return data
        data = data.replace(self._secret, b"*" * len(self._secret))
        held = held_back(data, self._secret)
        if held:
            self._pieces, self._size = [data[-held:]], held
        return data[: len(data) - held]

    def rest(self) -> bytes:
        """What came after the last whole event. Call it when the stream has ended."""
        pieces, self._pieces, self._size = self._pieces, [], 0
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _split(data: bytes) -> tuple[list[bytes], bytes]:
    events: list[bytes] = []
    begin = 0
    for match in _BLANK_LINE.finditer(data):
        end = match.end()
        if end == len(data) and data[end - 1] == 13:
            break  # the LF that belongs to this CR may be on its way
        events.append(data[begin:end])
        begin = end
    return events, data[begin:]


def data_of(event: bytes) -> bytes:
    """The data an event carries, empty if it carries none, such as a comment."""
    if event.startswith(b"data: ") and event.find(b"\n") == len(event) - 2 and b"\r" not in event:
        return event[6:-2]
    return b"\n".join(line[5:].removeprefix(b" ") for line in event.splitlines() if line.startswith(b"data:"))
