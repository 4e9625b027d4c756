"""Logs hold one line an event, no whole secret, and nobody waits for them."""

import io
import json

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
