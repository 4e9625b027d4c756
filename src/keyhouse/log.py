"""Logs: one JSON object a line to stderr, so that a line break in a field cannot forge a line.

Lines are written by a thread of their own, a few times a second: whoever serves calls never waits for where
stderr goes. A last net under every room's own care: whatever looks like a whole secret is cut to what may be
shown of it, and an upstream's credential to nothing.
"""

import atexit
import logging
import re
import sys
import threading
from collections import deque
from collections.abc import MutableMapping
from typing import Any, BinaryIO, Final

import msgspec
import structlog

from keyhouse.core.secret import redact

WRITE_SECONDS: Final = 0.1
WAITING_MAX: Final = 100_000
"""How many lines wait for a stderr that does not take them; beyond that the oldest are lost, not the memory."""

_OTHERS: Final = re.compile(
    r"(bearer\s+)[^\s\"',;]{8,}"
    r"|((?:x-)?api-key[\"']?\s*[:=,]\s*b?[\"']?)[^\s\"',;]{8,}"
    r"|\bsk-(?!(?:svcacct-|admin-)?kh_)[A-Za-z0-9_-]{16,}",
    re.ASCII | re.IGNORECASE,
)
"""Credentials of upstreams: OpenAI's and Anthropic's by their beginning, others by the header around them."""

_SECRET: Final = re.compile(r"sk-(?:svcacct-|admin-)?kh_[0-9A-Za-z]{10}_[0-9A-Za-z]{38}", re.ASCII)


class Lines:
    """Takes lines at once and writes them a little later, in order; what is left is written at exit."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._waiting: deque[bytes] = deque(maxlen=WAITING_MAX)
        threading.Thread(target=self._work, name="keyhouse-log", daemon=True).start()
        atexit.register(self.write)

    def __call__(self, *_: object) -> "Lines":
        """Be the factory of itself, as structlog wants one."""
        return self

    def msg(self, line: bytes) -> None:
        """Take a line."""
        self._waiting.append(line)

    debug = info = warning = error = critical = exception = log = msg

    def write(self) -> None:
        """Write what was taken so far. A stderr that nobody reads any more is no reason to stop."""
        taken = []
        while self._waiting:
            taken.append(self._waiting.popleft())
        if not taken:
            return
        try:
            self._file.write(b"\n".join([*taken, b""]))
            self._file.flush()
        except OSError:
            return

    def _work(self) -> None:
        pause = threading.Event()
        while not pause.wait(WRITE_SECONDS):
            self.write()


def open_log() -> Lines:
    """Send every room's log to stderr. What is returned takes lines that need no processing."""
    lines = Lines(sys.stderr.buffer)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _without_secrets,
            structlog.processors.JSONRenderer(serializer=_encoded),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=lines,
        cache_logger_on_first_use=True,
    )
    return lines


_ENCODE: Final = msgspec.json.Encoder(enc_hook=str).encode


def _encoded(fields: MutableMapping[str, Any], **_: object) -> bytes:
    return _ENCODE(fields)


def _without_secrets(_: object, __: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name, value in fields.items():
        if isinstance(value, str):
            fields[name] = _OTHERS.sub(_removed, _SECRET.sub(lambda found: redact(found[0]), value))
    return fields


def _removed(found: re.Match[str]) -> str:
    return f"{found[1] or found[2] or ''}[removed]"
