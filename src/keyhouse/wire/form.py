"""Forms, `multipart/form-data` (RFC 7578), sans I/O: read as they come, and written anew for an upstream.

Written anew for the same reasons as JSON (`body.py`): a field that bears on cost is there once, under its own name and
with the value read here, and everything else goes up as it came, in parts of our own making between boundaries that
nobody can guess. So an upstream never finds another model or another number in a form than the one that was paid for.
"""

import re
from collections.abc import Collection
from typing import Final

import msgspec
from multipart import (  # type: ignore[import-untyped]
    MultipartError,
    MultipartSegment,
    PushMultipartParser,
    parse_options_header,
)

from keyhouse.core.bound import Ask
from keyhouse.core.errors import Code, Refusal
from keyhouse.wire.body import Names

PARTS_MAX: Final = 256
HEADERS_MAX: Final = 8
HEADER_BYTES_MAX: Final = 4_096
TEXT_BYTES_MAX: Final = 1_000_000
"""What a part may weigh that is no file."""

FILENAME_CHARACTERS_MAX: Final = 255
_AROUND_BOUNDARY: Final = len(b"\r\n--" + b"--\r\n")

_BOUNDARY: Final = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]", re.ASCII)
"""RFC 2046, 5.1.1."""

_NAME: Final = re.compile(r"[0-9A-Za-z_.-]{1,64}(?:\[[0-9A-Za-z_]{0,64}\]){0,3}", re.ASCII)
_MEDIA_TYPE: Final = re.compile(r"[0-9A-Za-z!#$&^_.+-]{1,64}/[0-9A-Za-z!#$&^_.+-]{1,64}", re.ASCII)
_FLAGS: Final = {"true": True, "false": False}


class Part(msgspec.Struct):
    """One field. A file has a name of its own; `pieces` are its bytes as they came."""

    name: str
    filename: str | None
    content_type: str | None
    size: int = 0
    pieces: list[bytes] = []


class Upload(msgspec.Struct, frozen=True):
    """A body to be sent: its type, and its bytes in pieces."""

    content_type: str
    pieces: list[bytes]

    @property
    def size(self) -> int:
        """How many bytes it is."""
        return sum(len(piece) for piece in self.pieces)


class Form:
    """A form that was read. `boundary` is what it is written with again: nobody may be able to guess it."""

    def __init__(self, parts: list[Part], boundary: str) -> None:
        self.parts = parts
        self._boundary = boundary

    @property
    def text_bytes(self) -> int:
        """What of it is not files: names and values of all other fields."""
        return sum(len(part.name) + part.size for part in self.parts if part.filename is None)

    def files(self, *names: str) -> list[Part]:
        """The files in the fields of these names."""
        return [part for part in self.parts if part.filename is not None and part.name in names]

    def text(self, name: str) -> str | None:
        """The value of a field that may be there once. Raises Refusal."""
        found = [part for part in self.parts if part.name == name]
        if not found:
            return None
        if len(found) > 1:
            raise Refusal(Code.PARAMETER_INVALID, f"`{name}` is there twice.", hint="Send it once.", param=name)
        if found[0].filename is not None:
            raise Refusal(Code.PARAMETER_INVALID, f"`{name}` is a file.", hint="Send it as text.", param=name)
        try:
            return b"".join(found[0].pieces).decode()
        except UnicodeDecodeError:
            raise Refusal(Code.PARAMETER_INVALID, f"`{name}` is not valid UTF-8.", param=name) from None

    def required(self, name: str) -> str:
        """The value of a field that must be there once and not be empty. Raises Refusal."""
        value = self.text(name)
        if not value:
            raise Refusal(
                Code.PARAMETER_MISSING, f"Missing required parameter: `{name}`.", hint="Add the field.", param=name
            )
        return value

    def number(self, name: str) -> int | None:
        """The whole number in a field. Raises Refusal."""
        value = self.text(name)
        if value is None:
            return None
        if not value.isascii() or not value.isdigit() or len(value) > 9:
            raise Refusal(
                Code.PARAMETER_INVALID, f"`{name}` is {value[:64]!r}.", hint="It is a whole number.", param=name
            )
        return int(value)

    def flag(self, name: str) -> bool | None:
        """The truth value in a field. Raises Refusal."""
        value = self.text(name)
        if value is None:
            return None
        if value.lower() not in _FLAGS:
            raise Refusal(
                Code.PARAMETER_INVALID, f"`{name}` is {value[:64]!r}.", hint="It is true or false.", param=name
            )
        return _FLAGS[value.lower()]

    def refuse_disguises(self, known: Collection[str]) -> None:
        """Refuse what another server would read as one of the `known` fields, which are all single and no files.

        Servers ignore case, or take `n[]` and `n[0]` for `n`.
        """
        for part in self.parts:
            plain = part.name.partition("[")[0].lower()
            if plain in known and part.name not in known:
                raise Refusal(
                    Code.PARAMETER_UNKNOWN,
                    f"`{part.name}` is not a parameter of this endpoint.",
                    hint=f"Write `{plain}`.",
                    param=part.name,
                )

    def written(self, values: dict[str, str]) -> Upload:
        """The form for an upstream, in which the fields of these names have these values."""
        pieces: list[bytes] = []
        for part in self.parts:
            head = f'--{self._boundary}\r\ncontent-disposition: form-data; name="{part.name}"'
            if part.filename is not None:
                head += f'; filename="{_quoted(part.filename)}"'
                head += f"\r\ncontent-type: {part.content_type or 'application/octet-stream'}"
            pieces.append(f"{head}\r\n\r\n".encode())
            value = values.get(part.name)
            pieces += part.pieces if value is None else [value.encode()]
            pieces.append(b"\r\n")
        pieces.append(f"--{self._boundary}--\r\n".encode())
        return Upload(f"multipart/form-data; boundary={self._boundary}", pieces)


class FormRequest:
    """A form that was read: what it asks for, and how to write it for an upstream."""

    __slots__ = ("_form", "_values", "ask")

    def __init__(self, ask: Ask, form: Form, values: dict[str, str] | None = None) -> None:
        self.ask = ask
        self._form = form
        self._values = values or {}

    def written(self, names: Names, output_tokens_max: int | None) -> Upload:  # noqa: ARG002  forms have none
        """The body for the upstream, with its own name of the model."""
        return self._form.written(self._values | {"model": names.model})


class FormReader:
    """Reads one form: `feed` it what comes, then `end`. Everything that is not a plain form raises Refusal."""

    def __init__(self, content_type: str, boundary: str) -> None:
        kind, options = parse_options_header(content_type)
        theirs = options.get("boundary", "")
        if kind != "multipart/form-data" or not _BOUNDARY.fullmatch(theirs):
            raise not_a_form("its content-type names no boundary of 1 to 70 characters")
        self._boundary = boundary
        self._parts: list[Part] = []
        # The parser takes the line break behind the last boundary only together with that.
        self._held = b""
        self._held_bytes = len(theirs) + _AROUND_BOUNDARY
        self._parser = PushMultipartParser(
            theirs,
            max_header_size=HEADER_BYTES_MAX,
            max_header_count=HEADERS_MAX,
            max_segment_count=PARTS_MAX,
            strict=True,
        )

    def feed(self, data: bytes) -> None:
        """Take what has come."""
        come = self._held + data
        self._held = come[-self._held_bytes :]
        self._parse(come[: -self._held_bytes])

    def end(self) -> Form:
        """The whole form."""
        self._parse(self._held)
        try:
            self._parser.close()
        except MultipartError as error:
            raise not_a_form(str(error)) from None
        return Form(self._parts, self._boundary)

    def _parse(self, data: bytes) -> None:
        if not data:
            return
        try:
            for event in self._parser.parse(data):
                self._take(event)
        except MultipartError as error:
            raise not_a_form(str(error)) from None

    def _take(self, event: object) -> None:
        if isinstance(event, MultipartSegment):
            self._parts.append(_part(event))
        elif isinstance(event, bytes | bytearray):
            part = self._parts[-1]
            part.size += len(event)
            if part.filename is None and part.size > TEXT_BYTES_MAX:
                raise Refusal(
                    Code.BODY_TOO_LARGE,
                    f"`{part.name}` is longer than {TEXT_BYTES_MAX:,} bytes.",
                    hint="Only files may be.",
                    param=part.name,
                )
            part.pieces.append(bytes(event))


def _part(segment: MultipartSegment) -> Part:
    name, filename, kind = segment.name, segment.filename, segment.content_type
    if not _NAME.fullmatch(name):
        raise not_a_form(f"a field is called {name[:64]!r}")
    if name == "_charset_" or segment.header("Content-Transfer-Encoding") is not None:
        # RFC 7578 knows both, and nobody sends them: what a server makes of the fields would be another thing.
        raise not_a_form("it chooses an encoding of its own")
    if filename is not None:
        filename = filename.replace("\\", "/").rpartition("/")[2][-FILENAME_CHARACTERS_MAX:]
    return Part(name, filename, kind if kind is not None and _MEDIA_TYPE.fullmatch(kind) else None)


def _quoted(filename: str) -> str:
    """As HTML writes it; other control characters are of no use in a name."""
    quoted = filename.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
    return "".join(letter for letter in quoted if letter.isprintable())


def not_a_form(why: str) -> Refusal:
    """The refusal of a body that is not a form as this endpoint takes it."""
    return Refusal(
        Code.BODY_NOT_FORM,
        f"We could not parse the form in the body of your request: {why[:200]}.",
        hint="This endpoint takes `multipart/form-data`; OpenAI's SDKs send it so.",
    )
