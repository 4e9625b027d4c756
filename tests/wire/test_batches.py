"""Batches and the lines of their files, as far as they can be read."""

import pytest

from keyhouse.core.errors import Code, Refusal
from keyhouse.wire.batches import read_batch, read_batch_said, read_line


def test_a_batch_is_written_anew() -> None:
    asked, written = read_batch(b'{"input_file_id":"a", "input_file_id":"file-1","endpoint":"/v1/responses","x":1}')
    assert (asked.input_file_id, asked.endpoint) == ("file-1", "/v1/responses")
    assert written == b'{"input_file_id":"file-1","endpoint":"/v1/responses","x":1}'


@pytest.mark.parametrize("content", [b"", b"[]", b'{"endpoint":"/v1/responses"}', b'{"input_file_id":1,"endpoint":""}'])
def test_what_is_no_batch_is_refused(content: bytes) -> None:
    with pytest.raises(Refusal) as caught:
        read_batch(content)
    assert caught.value.code is Code.BODY_NOT_JSON


def test_a_field_in_disguise_is_refused() -> None:
    with pytest.raises(Refusal) as caught:
        read_batch(b'{"input_file_id":"file-1","endpoint":"/v1/responses","Input_File_Id":"file-2"}')
    assert caught.value.code is Code.PARAMETER_UNKNOWN


def test_a_line_gives_its_body_and_only_for_the_batchs_endpoint() -> None:
    line = b'{"method":"POST","url":"/v1/a","body":{"model":"m"}}'
    assert read_line(line, 1, "/v1/a") == b'{"model":"m"}'
    with pytest.raises(Refusal) as caught:
        read_line(line, 7, "/v1/b")
    assert "Line 7" in caught.value.message


def test_what_cannot_be_read_of_a_batch_says_nothing() -> None:
    said = read_batch_said(b"<html>")
    assert (said.id, said.reading, said.made) == (None, None, [])
