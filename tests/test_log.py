"""Logs hold one line an event, no whole secret, and nobody waits for them."""

import io
import json

import pytest

from given import seeded_entropy
from keyhouse import log
from keyhouse.core.secret import Kind, mint


def test_lines_come_out_whole_and_in_order() -> None:
    file = io.BytesIO()
    lines = log.Lines(file)
    for number in range(100):
        lines.info(b"%d" % number)
    lines.write()
    assert file.getvalue().split() == [b"%d" % number for number in range(100)]


def test_a_stderr_that_takes_nothing_fills_no_memory() -> None:
    lines = log.Lines(io.BytesIO())
    for _ in range(log.WAITING_MAX + 10):
        lines.info(b"x")
    assert len(lines._waiting) <= log.WAITING_MAX


def test_a_closed_stderr_stops_nothing() -> None:
    class Gone(io.BytesIO):
        def write(self, _: object) -> int:
            raise BrokenPipeError

    lines = log.Lines(Gone())
    lines.info(b"x")
    lines.write()


def test_a_secret_is_cut_and_a_line_break_forges_no_line() -> None:
    secret = mint(Kind.USER, "key_0123456789", seeded_entropy()).value
    fields = log._without_secrets(None, "info", {"event": f"got {secret}\nforged"})
    line = log._encoded(fields)
    assert secret.encode() not in line
    assert json.loads(line)["event"].startswith("got sk-kh_0123...")
    assert b"\n" not in line


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("key sk-proj-Abc_123-def456ghi789jkl", "sk-proj-Abc_123-def456ghi789jkl"),
        ("x-api-key: sk-ant-api03-Abc_123-def456", "sk-ant-api03-Abc_123-def456"),
        ("Authorization: Bearer 0123456789abcdef0123", "0123456789abcdef0123"),
        ("{'authorization': 'bearer tok.en-1234567890'}", "tok.en-1234567890"),
        ("headers [(b'api-key', b'0123456789abcdef0123456789abcdef')]", "0123456789abcdef0123456789abcdef"),
        ('{"api-key": "0123456789abcdef"}', "0123456789abcdef"),
        ("api-key=0123456789abcdef; rest", "0123456789abcdef"),
    ],
)
def test_an_upstreams_credential_is_cut_in_whatever_form_it_comes(text: str, secret: str) -> None:
    fields = log._without_secrets(None, "info", {"event": text})
    assert secret not in fields["event"]
    assert "[removed]" in fields["event"]


def test_words_that_are_no_secret_stay() -> None:
    text = "the bearer is late; an api-key is missing; risk-taking sk-short; task-0123456789abcdefgh"
    assert log._without_secrets(None, "info", {"event": text, "count": 3})["event"] == text
