"""Server-sent events come out whole, byte for byte, whatever cuts they came in."""

import time

from hypothesis import given
from hypothesis import strategies as st

from keyhouse.wire.sse import EVENT_BYTES_MAX, Splitter, data_of

PIECES = st.lists(st.sampled_from([b"data: {}", b"\n", b"\r", b"\r\n", b"\n\n", b": ping", b"event: x", b"\xff", b""]))


@given(PIECES, st.lists(st.integers(0, 60)))
def test_every_cut_of_the_bytes_gives_the_same_events_and_loses_no_byte(pieces: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(pieces)
    whole = Splitter()
    expected = [*whole.feed(stream), whole.rest()]
    cut = Splitter()
    found: list[bytes] = []
    begin = 0
    for end in [*sorted(min(place, len(stream)) for place in cuts), len(stream)]:
        found += cut.feed(stream[begin:end])
        begin = end
    found.append(cut.rest())
    assert b"".join(found) == stream
    assert found == expected


def test_an_event_that_never_ends_does_not_fill_memory() -> None:
    splitter = Splitter()
    assert splitter.feed(b"x" * (EVENT_BYTES_MAX + 1)) == [b"x" * (EVENT_BYTES_MAX + 1)]
    assert splitter.rest() == b""


def test_data_over_several_lines_is_joined_and_comments_carry_none() -> None:
    assert data_of(b"data: a\ndata: b\n\n") == b"a\nb"
    assert data_of(b": ping\n\n") == b""


def test_no_cut_in_a_line_end_makes_an_event_more_or_less() -> None:
    stream = b"data: a\r\r\ndata: b\n\r\ndata: c\r\n\r\n: ping\r\rdata: d\n\nevent: x\r\n\ndata: e\r\n\r\n"
    whole = Splitter()
    expected = [*whole.feed(stream), whole.rest()]
    assert [data_of(event) for event in expected if data_of(event)] == [b"a", b"b", b"c", b"d", b"e"]
    for cut in range(len(stream)):
        splitter = Splitter()
        assert [*splitter.feed(stream[:cut]), *splitter.feed(stream[cut:]), splitter.rest()] == expected
    splitter = Splitter()
    found = [event for byte in stream for event in splitter.feed(bytes([byte]))]
    assert [*found, splitter.rest()] == expected


def test_a_long_line_costs_no_more_than_its_length() -> None:
    splitter = Splitter(100_000_000)
    started = time.process_time()
    for _ in range(2_000):
        assert splitter.feed(b"x" * 16_384) == []
    (event,) = splitter.feed(b"\n\n")
    assert len(event) == 2_000 * 16_384 + 2
    assert time.process_time() - started < 5
