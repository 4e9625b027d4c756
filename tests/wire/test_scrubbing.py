"""Our own credential is blotted out of bytes that come in whatever pieces, and nothing else is changed."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from keyhouse.core.money import Counts
from keyhouse.wire.chat_meter import ChatMeter
from keyhouse.wire.scrubbing import Scrubber
from keyhouse.wire.sse import EVENT_BYTES_MAX, Splitter

SECRETS = st.sampled_from([b"sk-canary", b"abab", b"aab", b"x"])
PIECES = [b"sk-canary", b"sk-can", b"ary", b"ab", b"a", b"b", b"x", b"\x00", b"-"]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=30)


def cut(text: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({min(one, len(text)) for one in cuts} | {0, len(text)})
    return [text[begin:end] for begin, end in pairwise(places)]


@given(SECRETS, TEXTS, st.lists(st.integers(0, 100), max_size=12))
def test_however_it_is_cut_no_secret_comes_out_and_all_else_does(
    secret: bytes, texts: list[bytes], cuts: list[int]
) -> None:
    text = b"".join(texts)
    scrubber = Scrubber(secret)
    out = b"".join([*(scrubber.feed(piece) for piece in cut(text, cuts)), scrubber.rest()])
    assert secret not in out
    assert out == text.replace(secret, b"*" * len(secret))


def test_without_a_secret_nothing_waits() -> None:
    scrubber = Scrubber(None)
    assert (scrubber.feed(b"sk-"), scrubber.rest()) == (b"sk-", b"")


@given(TEXTS, st.lists(st.integers(0, 200), max_size=12))
def test_an_event_given_out_before_its_end_is_never_cut_within_a_secret(texts: list[bytes], cuts: list[int]) -> None:
    secret = b"sk-canary"
    text = b"data: " + b"".join(texts)
    splitter = Splitter(8, secret)
    events = [event for piece in cut(text, cuts) for event in splitter.feed(piece)]
    out = b"".join([*(event.replace(secret, b"*" * 9) for event in events), splitter.rest().replace(secret, b"*" * 9)])
    assert secret not in out
    assert out == text.replace(secret, b"*" * 9)


def test_our_credential_cut_in_two_within_an_event_too_long_to_wait_for_does_not_leave() -> None:
    secret = b"sk-upstream-canary"
    for place in range(1, len(secret)):
        meter = ChatMeter(wants_usage=True, most=Counts(), secret=secret)
        out = meter.feed(b"data: " + b"x" * EVENT_BYTES_MAX + secret[:place])
        assert out, "it is not waited for"
        out += meter.feed(secret[place:] + b"y\n\ndata: [DONE]\n\n") + meter.end()
        assert secret not in out
        assert out.endswith(b"y\n\ndata: [DONE]\n\n")
