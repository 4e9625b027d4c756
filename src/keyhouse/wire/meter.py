"""The meter on a stream, sans I/O: what goes on to the client, and what was used.

Events go on whole, so that an error can follow at any moment and still be read; what is not in the form of
events goes on as it came. Each endpoint has its own meter, which knows what its events mean.
"""

import contextlib
from abc import ABC, abstractmethod
from typing import Final

import msgspec

from keyhouse.core.errors import Refusal
from keyhouse.core.money import Counts
from keyhouse.wire import errors
from keyhouse.wire.sse import EVENT_BYTES_MAX, Splitter, data_of
from keyhouse.wire.usage import Reading, counted, output_tokens_in, read_usage

_REMOVED: Final = b"[removed]"


class _OnlyUsage(msgspec.Struct, gc=False):
    usage: msgspec.Raw = msgspec.Raw()


_ONLY_USAGE: Final = msgspec.json.Decoder(_OnlyUsage)


class StreamMeter(ABC):
    """Feed it what the upstream sends, pass on what it gives back.

    `reading` is the upstream's own usage, once it came; `output_tokens` counts in the meantime, and `is_done` is
    true once the upstream has said that this was all. `wants_usage`: the client has asked for usage itself. `most` is
    what a call like this uses at most beside the text of its answer (`Need.most`).
    `secret` is the upstream's credential, which is cut out wherever it shows. `made` names, by kind and id, what the
    upstream keeps of this answer, for who passes it on to take note of and clear.
    """

    __slots__ = (
        "_events",
        "_most",
        "_secret",
        "_splitter",
        "_text_bytes",
        "_wants_usage",
        "is_done",
        "made",
        "reading",
    )

    event_bytes_max = EVENT_BYTES_MAX
    """How long an event of this endpoint may be."""

    def __init__(self, *, wants_usage: bool, most: Counts, secret: bytes | None = None) -> None:
        self._wants_usage = wants_usage
        self._secret = secret
        self._most = most
        self._splitter = Splitter(self.event_bytes_max, secret)
        self._events = 0
        self._text_bytes = 0
        self.is_done = False
        self.reading: Reading | None = None
        self.made: list[tuple[str, str]] = []

    def feed(self, data: bytes) -> bytes:
        """What may be passed on now that `data` has come."""
        events = self._splitter.feed(data)
        if len(events) == 1:
            return self._seen(events[0])
        return b"".join([self._seen(event) for event in events])

    def end(self) -> bytes:
        """What is left to be passed on when the stream has ended."""
        rest = self._splitter.rest()
        return self._seen(rest) if rest else b""

    def broken_off(self, refusal: Refusal, request_id: str) -> bytes | None:  # noqa: ARG002  some name the request
        """The last words of a stream that could not be finished, in its own form. They never look like its end.

        None where its form has no place for words: then only a broken connection tells.
        """
        return errors.event(refusal)

    @property
    def output_tokens(self) -> int:
        """Output tokens as counted from what was seen."""
        return output_tokens_in(self._text_bytes, self._events)

    @property
    def counts(self) -> Counts:
        """The best knowledge so far of what was used, for an answer that did not come to a good end."""
        return counted(self.reading, self._most, self.output_tokens)

    def _seen(self, event: bytes) -> bytes:
        if self._secret is not None and self._secret in event:
            event = event.replace(self._secret, _REMOVED)
        data = data_of(event)
        if not data:
            return event
        try:
            return self._look(event, data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return self._seen_oddity(event, data)

    @abstractmethod
    def _look(self, event: bytes, data: bytes) -> bytes:
        """What of an event goes on, once it was counted. May raise what decoding `data` raises."""

    def _seen_oddity(self, event: bytes, data: bytes) -> bytes:
        """Data that is nothing of the endpoint's own: it may still have cost something, so it counts by its size."""
        self._events += 1
        self._text_bytes += len(data)
        with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self._take(read_usage(bytes(_ONLY_USAGE.decode(data).usage)))
        return event

    def _take(self, reading: Reading | None) -> None:
        """Take the upstream's usage; where it comes more than once, the larger."""
        if reading is not None and (self.reading is None or reading.counts.tokens >= self.reading.counts.tokens):
            self.reading = reading

    def _count(self, *texts: str | None) -> None:
        """Count an event that holds these texts, as far as it holds any."""
        size = 0
        for text in texts:
            if text:
                size += len(text) if text.isascii() else len(text.encode())
        if size:
            self._events += 1
            self._text_bytes += size
