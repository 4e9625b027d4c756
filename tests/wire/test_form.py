"""A form goes up in parts of our own making: whatever a client writes, the upstream finds the values that were read."""

import contextlib
import random
import time
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyhouse.core.bound import Ask
from keyhouse.core.errors import Code, Refusal
from keyhouse.wire.body import Names
from keyhouse.wire.form import PARTS_MAX, TEXT_BYTES_MAX, Form, FormReader, FormRequest

THEIRS: Final = "their-boundary"
OURS: Final = "our-boundary"
TYPE: Final = f"multipart/form-data; boundary={THEIRS}"


def a_part(name: str, value: str | bytes, more: str = "", head: str = "") -> bytes:
    value = value.encode() if isinstance(value, str) else value
    return f'--{THEIRS}\r\nContent-Disposition: form-data; name="{name}"{more}\r\n{head}\r\n'.encode() + value + b"\r\n"


def a_form(*parts: bytes) -> bytes:
    return b"".join(parts) + f"--{THEIRS}--\r\n".encode()


def read(body: bytes, content_type: str = TYPE, cuts: tuple[int, ...] = ()) -> Form:
    reader = FormReader(content_type, OURS)
    for begin, end in zip((0, *cuts), (*cuts, len(body)), strict=True):
        reader.feed(body[begin:end])
    return reader.end()


def again(content: bytes) -> list[tuple[str, str | None, bytes]]:
    """The parts of a form that was written."""
    reader = FormReader(f"multipart/form-data; boundary={OURS}", "x")
    reader.feed(content)
    return [(part.name, part.filename, b"".join(part.pieces)) for part in reader.end().parts]


SOUND: Final = bytes(range(256)) * 4 + b"\r\n--their-boundar\r\n--"
WHOLE: Final = a_form(
    a_part("file", SOUND, '; filename="a \\"b\\".wav"', "Content-Type: audio/wav\r\n"),
    a_part("model", "tiny-1"),
    a_part("include[]", "logprobs"),
    a_part("include[]", "other"),
    a_part("prompt", "Größe"),
)


def test_a_form_may_be_cut_at_any_one_byte() -> None:
    whole = read(WHOLE).parts
    for cut in range(len(WHOLE) + 1):
        parts = read(WHOLE, cuts=(cut,)).parts
        assert [(part.name, part.size) for part in parts] == [(part.name, part.size) for part in whole], cut


@given(st.lists(st.integers(0, len(WHOLE)), max_size=8))
def test_however_a_form_is_cut_the_same_is_read_and_written(cuts: list[int]) -> None:
    form = read(WHOLE, cuts=tuple(sorted(cuts)))
    assert (form.required("model"), form.text("prompt"), form.text("none")) == ("tiny-1", "Größe", None)
    assert form.text_bytes == sum(map(len, ("modeltiny-1", "include[]logprobs", "include[]other", "promptGr__ß_e")))
    upload = FormRequest(Ask("tiny-1", 1), form).written(Names("up"), None)
    content = b"".join(upload.pieces)
    assert upload.content_type == f"multipart/form-data; boundary={OURS}"
    assert upload.size == len(content)
    assert again(content) == [
        ("file", 'a "b".wav', SOUND),
        ("model", None, b"up"),
        ("include[]", None, b"logprobs"),
        ("include[]", None, b"other"),
        ("prompt", None, "Größe".encode()),
    ]
    assert b"content-type: audio/wav\r\n" in content


def test_a_large_file_is_never_put_together_here() -> None:
    pieces = [random.Random(n).randbytes(60_000) for n in range(20)]
    reader = FormReader(TYPE, OURS)
    reader.feed(a_part("file", b"", '; filename="a.wav"')[:-2])
    for piece in pieces:
        reader.feed(piece)
    reader.feed(b"\r\n" + a_form(a_part("model", "m")))
    upload = FormRequest(Ask("m", 1), reader.end()).written(Names("up"), None)
    assert max(map(len, upload.pieces)) < 70_000
    assert again(b"".join(upload.pieces))[0] == ("file", "a.wav", b"".join(pieces))


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "end"),
        (b"x" * 100, "Boundary"),
        (WHOLE[:-20], "end"),
        (WHOLE.replace(b"\r\n", b"\n"), ""),
        (a_form(a_part("a", "1", head="Content-Transfer-Encoding: base64\r\n")), "encoding"),
        (a_form(a_part("_charset_", "utf-16")), "encoding"),
        (a_form(a_part("a%22; name=%22model", "1")), "field"),
        (a_form(a_part("mod\\el", "1")), "field"),
        (a_form(a_part(" model", "1")), "field"),
        (a_form(a_part("", "1")), "field"),
        (a_form(a_part("möd", "1")), "field"),
        (a_form(a_part("a", "1", head=f"X: {'y' * 5_000}\r\n")), "header"),
        (a_form(a_part("a", "1", head="X: y\r\n" * 9)), "header"),
        (a_form(*[a_part("a", "1")] * (PARTS_MAX + 1)), "segment"),
    ],
)  # fmt: skip
def test_what_is_no_plain_form_is_refused(body: bytes, why: str) -> None:
    with pytest.raises(Refusal) as caught:
        read(body)
    assert caught.value.code is Code.BODY_NOT_FORM
    assert why in caught.value.message


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        f"multipart/form-data; boundary={'a' * 71}",
        'multipart/form-data; boundary="a\\"b"',
        "multipart/form-data; boundary=a b ",
        f"multipart/mixed; boundary={THEIRS}",
    ],
)
def test_a_boundary_is_one_of_rfc_2046_or_none(content_type: str) -> None:
    with pytest.raises(Refusal) as caught:
        read(WHOLE, content_type)
    assert caught.value.code is Code.BODY_NOT_FORM


@pytest.mark.parametrize(
    "tail", [b"-" * 1_000_000, b"\r\n--their-boundary" * 60_000, b"\r\n" * 500_000, b"\r\n--their-boundar" * 60_000]
)
def test_what_follows_or_imitates_a_boundary_costs_no_more_than_its_length(tail: bytes) -> None:
    """LiteLLM's CVE-2024-8984: a few characters after a boundary kept a server busy for ever."""
    started = time.process_time()
    file = a_part("file", tail, '; filename="a"')
    for body in (b"--their-boundary" + tail, a_part("a", "1") + b"--their-boundary" + tail, WHOLE + tail, a_form(file)):
        reader = FormReader(TYPE, OURS)
        with contextlib.suppress(Refusal):
            for begin in range(0, len(body), 1_000):
                reader.feed(body[begin : begin + 1_000])
            reader.end()
    assert time.process_time() - started < 0.5


def test_a_text_is_not_as_long_as_a_file() -> None:
    with pytest.raises(Refusal) as caught:
        read(a_form(a_part("prompt", "x" * (TEXT_BYTES_MAX + 1))))
    assert (caught.value.code, caught.value.param) == (Code.BODY_TOO_LARGE, "prompt")


@pytest.mark.parametrize("name", ["Model", "model[]", "model[0]", "MODEL[x]"])
def test_a_field_in_disguise_is_refused(name: str) -> None:
    with pytest.raises(Refusal) as caught:
        read(a_form(a_part(name, "x"))).refuse_disguises({"model"})
    assert (caught.value.code, caught.value.param) == (Code.PARAMETER_UNKNOWN, name)


@pytest.mark.parametrize(
    ("parts", "read_as", "code"),
    [
        ([a_part("n", "1"), a_part("n", "2")], "number", Code.PARAMETER_INVALID),
        ([a_part("n", "1", '; filename="n"')], "number", Code.PARAMETER_INVALID),
        ([a_part("n", "-1")], "number", Code.PARAMETER_INVALID),
        ([a_part("n", "1e3")], "number", Code.PARAMETER_INVALID),
        ([a_part("n", "٣")], "number", Code.PARAMETER_INVALID),
        ([a_part("n", b"\xff")], "text", Code.PARAMETER_INVALID),
        ([a_part("n", "1")], "flag", Code.PARAMETER_INVALID),
        ([], "required", Code.PARAMETER_MISSING),
        ([a_part("n", "")], "required", Code.PARAMETER_MISSING),
    ],
)
def test_a_value_that_could_be_read_in_two_ways_is_refused(parts: list[bytes], read_as: str, code: Code) -> None:
    form: Any = read(a_form(*parts))
    with pytest.raises(Refusal) as caught:
        getattr(form, read_as)("n")
    assert (caught.value.code, caught.value.param) == (code, "n")


@pytest.mark.parametrize(("value", "flag"), [("true", True), ("False", False)])
def test_flags_and_numbers_are_read(value: str, *, flag: bool) -> None:
    form = read(a_form(a_part("stream", value), a_part("n", "012")))
    assert (form.flag("stream"), form.number("n"), form.flag("none"), form.number("none")) == (flag, 12, None, None)


def test_a_file_name_is_only_a_name() -> None:
    form = read(a_form(a_part("file", "x", '; filename="..\\\\..\\\\a\\r\\nb/c.wav"')))
    (name,) = [name for _, name, _ in again(b"".join(form.written({}).pieces))]
    assert name is not None
    assert "/" not in name
    assert "\\" not in name
