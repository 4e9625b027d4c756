"""The endpoints that cost money: how each is read, what it needs, and how its answers are metered.

The story of a call is the same for all of them (`call.py`); what differs is one row here.
"""

from collections.abc import Callable
from typing import Final

import msgspec

from keyhouse.core.permissions import Resource
from keyhouse.wire.body import Asked
from keyhouse.wire.chat import read_chat
from keyhouse.wire.chat_meter import ChatMeter
from keyhouse.wire.errors import OPENAI, Dialect
from keyhouse.wire.meter import StreamMeter
from keyhouse.wire.usage import Reading, read_answer


class Metered(msgspec.Struct, frozen=True):
    """One endpoint. `path` is its address below `/v1`, and below an upstream's base.

    `read` reads a body and raises Refusal; `meter` makes the meter of a streamed answer; `read_answer` finds the
    usage in a whole one. `dialect` is how its clients are told of a refusal before an answer has begun; afterwards
    the meter's `broken_off` tells them.
    """

    path: str
    resource: Resource
    read: Callable[[bytes], Asked]
    meter: Callable[..., StreamMeter]
    read_answer: Callable[[bytes], Reading | None]
    dialect: Dialect = OPENAI


CHAT: Final = Metered("/chat/completions", Resource.CHAT_COMPLETIONS, read_chat, ChatMeter, read_answer)

METERED: Final = (CHAT,)
