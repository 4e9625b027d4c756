"""The reader of `POST /v1/batches` and of its input file, line by line, and of what a batch says when it is over."""

from typing import Any, Final

import msgspec

from keyhouse.core.errors import Code, Refusal
from keyhouse.wire import body as bodies
from keyhouse.wire.body import ABSENT, ENCODE, OBJECT
from keyhouse.wire.usage import SUMS, Reading, read_usage

LINES_MAX: Final = 50_000
"""OpenAI's own maximum of requests in a batch."""

FINAL: Final = frozenset({"completed", "failed", "expired", "cancelled"})


class BatchAsked(msgspec.Struct, gc=False):
    """What is to be done: the requests in a file, all of them for this endpoint, such as `/v1/responses`."""

    input_file_id: str
    endpoint: str


class _Line(msgspec.Struct, gc=False):
    method: str
    url: str
    body: msgspec.Raw


class _Counts(msgspec.Struct, gc=False):
    completed: int = 0


class BatchSaid(msgspec.Struct, gc=False):
    """What an upstream says of a batch."""

    id: Any = None
    status: Any = None
    usage: msgspec.Raw = ABSENT
    request_counts: _Counts | None = None
    output_file_id: Any = None
    error_file_id: Any = None

    @property
    def reading(self) -> Reading | None:
        """Its usage, if it says it."""
        return read_usage(self.usage, spelling=SUMS)

    @property
    def made(self) -> list[tuple[str, str]]:
        """What was made of it, by kind and id."""
        named = (("batch", self.id), ("file", self.output_file_id), ("file", self.error_file_id))
        return [(kind, object_id) for kind, object_id in named if isinstance(object_id, str)]


_BATCH: Final = msgspec.json.Decoder(BatchAsked)
_LINE: Final = msgspec.json.Decoder(_Line)
_SAID: Final = msgspec.json.Decoder(BatchSaid)
_READ: Final = frozenset(BatchAsked.__struct_fields__)


def read_batch(content: bytes) -> tuple[BatchAsked, bytes]:
    """Read a request's body, and write it anew. Raises Refusal that names the parameter at fault."""
    try:
        asked, fields = _BATCH.decode(content), OBJECT.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refusal(
            Code.BODY_NOT_JSON, f"We could not read the batch: {error}.", hint="See OpenAI's reference of batches."
        ) from None
    bodies.refuse_disguises(fields, _READ, None)
    return asked, ENCODE(fields)


def read_line(line: bytes, number: int, endpoint: str) -> bytes:
    """The body of the request in one line of a batch's file. Raises Refusal that names the line."""
    try:
        found = _LINE.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise bad_line(number, str(error)) from None
    if found.method != "POST" or found.url != endpoint:
        raise bad_line(number, f"it is not POST {endpoint}")
    return bytes(found.body)


def bad_line(number: int, why: str) -> Refusal:
    """The refusal of a batch for one line of its file."""
    return Refusal(
        Code.PARAMETER_INVALID,
        f"Line {number} of the batch's file: {why}",
        hint="Nothing was started; correct the file and upload it again.",
        param="input_file_id",
    )


def read_batch_said(content: bytes) -> BatchSaid:
    """What an upstream says of a batch; nothing if it cannot be read."""
    try:
        return _SAID.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return BatchSaid()
