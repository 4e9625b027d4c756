"""The readers of OpenAI's image endpoints, in JSON and as forms, and the meter of their streams.

Images are charged by the tokens that the upstream reports, or each by its price. What one is at most is the model's
`max_output_tokens`; how many there will be stands in the request. A prompt and the images in it count once for each
image made, because nobody says whether they are read once.
"""

from typing import Any, Final

import msgspec

from keyhouse.core.bound import Ask
from keyhouse.core.money import Counts
from keyhouse.wire import body as bodies
from keyhouse.wire.body import ABSENT, CHOICES_MAX, OBJECT, Asked, Object, is_given
from keyhouse.wire.form import Form, FormRequest
from keyhouse.wire.meter import StreamMeter
from keyhouse.wire.usage import SUMS, Reading, counted, read_usage

PARTIAL_IMAGE_TOKENS: Final = 100
"""What each partial image of a stream costs beside the image itself (OpenAI, Image generation, streaming)."""

PARTIAL_IMAGES_MAX: Final = 3
EVENT_BYTES_MAX: Final = 64 * 1024 * 1024
"""An image is one event, in base64."""


class _Images(msgspec.Struct, gc=False):
    model: str
    n: int | None = None
    stream: bool | None = None
    partial_images: int | None = None
    output_format: str | None = None
    images: msgspec.Raw = ABSENT
    image: msgspec.Raw = ABSENT
    mask: msgspec.Raw = ABSENT
    markup: msgspec.Raw = ABSENT


_IMAGES: Final = msgspec.json.Decoder(_Images)
_LIST: Final = msgspec.json.Decoder(list[msgspec.Raw])
_READ: Final = frozenset(_Images.__struct_fields__)
_FORM_FIELDS: Final = frozenset({"model", "n", "stream", "partial_images", "output_format"})
_PICTURES: Final = ("images", "image", "mask", "markup")
_FILES: Final = ("image", "image[]", "mask", "markup")
_ONE_PICTURE: Final = frozenset({None, "png", "webp", "jpeg"})
"""What is one picture and made by the model itself; a GIF is many, and an SVG is written by another model beside."""

_UNBOUNDED: Final = ("frame_count", "svg", "tools")


def read_generation(body: bytes) -> Asked:
    """Read the body of `POST /v1/images/generations`, or of an edit in JSON. Raises Refusal that names the fault."""
    return Asked(*bodies.read(body, _IMAGES, _ask))


def read_edit_form(form: Form) -> FormRequest:
    """Read the form of `POST /v1/images/edits` or `/variations`. Raises Refusal that names the field at fault."""
    form.refuse_disguises(_FORM_FIELDS)
    model, n, partial = form.required("model"), form.number("n"), form.number("partial_images")
    stream, output_format = form.flag("stream"), form.text("output_format")
    _refuse_outside(n, partial)
    pictures = form.files(*_FILES)
    others = [part.name for part in form.parts if part.filename is not None and part.name not in _FILES]
    others += [name for name in _UNBOUNDED if form.text(name)]
    values = {"n": str(n or 1), "stream": "true" if stream else "false", "partial_images": str(partial or 0)}
    ask = _images_ask(
        model,
        n or 1,
        partial or 0,
        input_bytes=form.text_bytes,
        images_in=len(pictures),
        stream=stream is True,
        unbounded=_odd_format(output_format) or next(iter(others), None),
    )
    return FormRequest(ask, form, values)


def read_images_answer(body: bytes) -> Reading | None:
    """The usage in a whole answer, with the number of its images; None if it has none, as with those priced each."""
    try:
        answer = _ANSWER.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
    reading = read_usage(answer.usage, spelling=SUMS)
    return None if reading is None else _with_images(reading, len(answer.data or ()))


class ImagesMeter(StreamMeter):
    """Events of images. Each finished image brings its own usage."""

    __slots__ = ("_finished",)

    event_bytes_max = EVENT_BYTES_MAX

    def __init__(self, *, wants_usage: bool, most: Counts, secret: bytes | None = None) -> None:
        super().__init__(wants_usage=wants_usage, most=most, secret=secret)
        self._finished = 0

    @property
    def output_tokens(self) -> int:
        """Nothing: what an image is in tokens shows nowhere."""
        return 0

    def _look(self, event: bytes, data: bytes) -> bytes:
        if data == b"[DONE]":
            return event
        seen = _EVENT.decode(data)
        if seen.type in _ENDS:
            self._finished += 1
            self.is_done = self._finished >= self._most.images
            self._add(read_usage(seen.usage, spelling=SUMS))
        return event

    def _add(self, reading: Reading | None) -> None:
        if reading is None:
            return
        before = Counts() if self.reading is None else self.reading.counts
        now = reading.counts
        counts = Counts(
            before.input + now.input,
            output=before.output + now.output,
            images=self._finished,
            image_input=before.image_input + now.image_input,
            image_output=before.image_output + _drawn(now),
        )
        is_clamped = reading.is_clamped or (self.reading is not None and self.reading.is_clamped)
        self.reading = Reading(counts, is_clamped)

    @property
    def counts(self) -> Counts:
        """All that was asked for, unless all of it is there: what an upstream makes and nobody waits for costs, too."""
        if self.is_done and self.reading is not None:
            return self.reading.counts
        return counted(self.reading, self._most, 0)


class _Answer(msgspec.Struct, gc=False):
    data: list[msgspec.Raw] | None = None
    usage: msgspec.Raw = ABSENT


class _Event(msgspec.Struct, gc=False):
    type: Any = None
    usage: msgspec.Raw = ABSENT


_ANSWER: Final = msgspec.json.Decoder(_Answer)
_EVENT: Final = msgspec.json.Decoder(_Event)
_ENDS: Final = frozenset({"image_generation.completed", "image_edit.completed"})


def _ask(asked: _Images, fields: Object, body_bytes: int) -> Ask:
    bodies.refuse_disguises(fields, _READ, None)
    bodies.require_model(asked.model)
    _refuse_outside(asked.n, asked.partial_images)
    pictures = [picture for name in _PICTURES for picture in _pictures(getattr(asked, name))]
    references = tuple(("images", file_id) for picture in pictures if (file_id := _file_id(picture)) is not None)
    return _images_ask(
        asked.model,
        asked.n or 1,
        asked.partial_images or 0,
        input_bytes=body_bytes,
        media_bytes=sum(len(bytes(picture)) for picture in pictures),
        images_in=len(pictures),
        stream=asked.stream is True,
        references=references,
        unbounded=_odd_format(asked.output_format)
        or next((name for name in _UNBOUNDED if is_given(fields.get(name))), None),
    )


def _images_ask(model: str, n: int, partial: int, *, input_bytes: int, images_in: int, **more: Any) -> Ask:
    media_bytes = more.pop("media_bytes", 0)
    return Ask(
        model=model,
        input_bytes=n * input_bytes,
        media_bytes=n * media_bytes,
        images_in=n * images_in,
        images=n,
        choices=n,
        extra_output_tokens=n * partial * PARTIAL_IMAGE_TOKENS,
        has_maximum=False,
        writes=False,
        wants_usage=True,
        **more,
    )


def _refuse_outside(n: int | None, partial: int | None) -> None:
    bodies.refuse_outside("n", n, CHOICES_MAX)
    if partial:
        bodies.refuse_outside("partial_images", partial, PARTIAL_IMAGES_MAX)


def _odd_format(output_format: str | None) -> str | None:
    return None if output_format in _ONE_PICTURE else "output_format"


def _pictures(given: msgspec.Raw) -> list[msgspec.Raw]:
    """The pictures in a field that holds one, or a list of them."""
    if not is_given(given):
        return []
    return _LIST.decode(given) if memoryview(given)[0] == ord("[") else [given]


def _file_id(picture: msgspec.Raw) -> str | None:
    """The file that a picture names, if it names one."""
    if memoryview(picture)[0] != ord("{"):
        return None
    found = OBJECT.decode(picture).get("file_id", ABSENT)
    return msgspec.json.decode(found, type=str) if is_given(found) else None


def _with_images(reading: Reading, images: int) -> Reading:
    counts = msgspec.structs.replace(reading.counts, images=images, image_output=_drawn(reading.counts))
    return msgspec.structs.replace(reading, counts=counts)


def _drawn(counts: Counts) -> int:
    """How many tokens of output are images: all of them where nobody says that some are text."""
    return counts.image_output or counts.output - counts.audio_output
