"""Logs: one JSON object a line to stderr, so that a line break in a field cannot forge a line.

A last net under every room's own care: whatever looks like a whole secret is cut to what may be shown of it.
"""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, Final

import msgspec
import structlog

from keyhouse.core.secret import redact

_SECRET: Final = re.compile(r"sk-(?:svcacct-|admin-)?kh_[0-9A-Za-z]{10}_[0-9A-Za-z]{38}", re.ASCII)


def open_log() -> None:
    """Send every room's log to stderr, in bytes: one line a call must not cost what the call costs."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _without_secrets,
            structlog.processors.JSONRenderer(serializer=msgspec.json.Encoder(enc_hook=str).encode),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.BytesLoggerFactory(sys.stderr.buffer),
        cache_logger_on_first_use=True,
    )


def _without_secrets(_: object, __: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name, value in fields.items():
        if isinstance(value, str) and "kh_" in value:
            fields[name] = _SECRET.sub(lambda found: redact(found[0]), value)
    return fields
