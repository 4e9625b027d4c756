"""The endpoints that cost money: how each is read, what it needs, and how its answers are metered.

The story of a call is the same for all of them (`call.py`); what differs is one row here.
"""

from collections.abc import Callable
from functools import partial
from typing import Final

import msgspec

from keyhouse.core.permissions import Resource
from keyhouse.wire.body import Asked
from keyhouse.wire.chat import read_chat
from keyhouse.wire.chat_meter import ChatMeter
from keyhouse.wire.completions import read_completions
from keyhouse.wire.embeddings import read_embeddings, read_embeddings_answer
from keyhouse.wire.errors import OPENAI, Dialect
from keyhouse.wire.form import Form, FormRequest
from keyhouse.wire.headers import MESSAGES_UPWARDS
from keyhouse.wire.images import ImagesMeter, read_edit_form, read_generation, read_images_answer
from keyhouse.wire.messages import read_messages
from keyhouse.wire.messages_errors import ANTHROPIC
from keyhouse.wire.messages_meter import MessagesMeter
from keyhouse.wire.messages_usage import read_messages_answer
from keyhouse.wire.meter import StreamMeter
from keyhouse.wire.moderations import read_moderations
from keyhouse.wire.responses import read_input, read_responses
from keyhouse.wire.responses_meter import ResponsesMeter
from keyhouse.wire.responses_meter import read_answer as read_responses_answer
from keyhouse.wire.speech import SoundMeter, SpeechMeter, read_speech, read_speech_answer
from keyhouse.wire.transcriptions import TranscriptionMeter, read_transcription, read_transcription_answer
from keyhouse.wire.usage import Reading, read_answer


class Metered(msgspec.Struct, frozen=True):
    """One endpoint. `path` is its address below `/v1`, and below an upstream's base.

    `read` reads a body in JSON, `read_form` a form, each if the endpoint takes such bodies, and raise Refusal; `meter`
    makes the meter of a streamed answer; `read_answer` finds the usage in a whole one. `dialect` is how its clients are
    told of a refusal before an answer has begun; afterwards the meter's `broken_off` tells them. `upwards` are the
    headers of a client's that go up. `is_silent`: its answers need not say what was used, and if they do not, the
    input's estimate is charged. `meter_of_pieces`: what is answered without events goes on as it comes, under this
    meter, instead of being read as a whole.
    """

    path: str
    resource: Resource
    read: Callable[[bytes], Asked] | None
    meter: Callable[..., StreamMeter]
    read_answer: Callable[[bytes], Reading | None]
    dialect: Dialect = OPENAI
    upwards: tuple[bytes, ...] = ()
    is_silent: bool = False
    read_form: Callable[[Form], FormRequest] | None = None
    meter_of_pieces: Callable[..., StreamMeter] | None = None


CHAT: Final = Metered("/chat/completions", Resource.CHAT_COMPLETIONS, read_chat, ChatMeter, read_answer)
COMPLETIONS: Final = Metered("/completions", Resource.COMPLETIONS, read_completions, ChatMeter, read_answer)
EMBEDDINGS: Final = Metered("/embeddings", Resource.EMBEDDINGS, read_embeddings, ChatMeter, read_embeddings_answer)
MODERATIONS: Final = Metered(
    "/moderations", Resource.MODERATIONS, read_moderations, ChatMeter, read_embeddings_answer, is_silent=True
)
RESPONSES: Final = Metered("/responses", Resource.RESPONSES, read_responses, ResponsesMeter, read_responses_answer)
COMPACT: Final = Metered("/responses/compact", Resource.RESPONSES, read_input, ResponsesMeter, read_responses_answer)
MESSAGES: Final = Metered(
    "/messages",
    Resource.CHAT_COMPLETIONS,
    read_messages,
    MessagesMeter,
    read_messages_answer,
    ANTHROPIC,
    MESSAGES_UPWARDS,
)

_IMAGES: Final = partial(Metered, resource=Resource.IMAGES, meter=ImagesMeter, read_answer=read_images_answer)
_HEARING: Final = partial(
    Metered,
    resource=Resource.AUDIO,
    read=None,
    meter=TranscriptionMeter,
    read_answer=read_transcription_answer,
    read_form=read_transcription,
)
GENERATIONS: Final = _IMAGES("/images/generations", read=read_generation)
EDITS: Final = _IMAGES("/images/edits", read=read_generation, read_form=read_edit_form)
VARIATIONS: Final = _IMAGES("/images/variations", read=None, read_form=read_edit_form)
SPEECH: Final = Metered(
    "/audio/speech",
    Resource.AUDIO,
    read_speech,
    SpeechMeter,
    read_speech_answer,
    meter_of_pieces=SoundMeter,
)
TRANSCRIPTIONS: Final = _HEARING("/audio/transcriptions")
TRANSLATIONS: Final = _HEARING("/audio/translations")

METERED: Final = (
    *(CHAT, RESPONSES, COMPACT, COMPLETIONS, EMBEDDINGS, MODERATIONS, MESSAGES),
    *(GENERATIONS, EDITS, VARIATIONS, SPEECH, TRANSCRIPTIONS, TRANSLATIONS),
)
