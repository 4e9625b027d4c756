"""A head that two servers in a row might read differently is refused; the ones that clients really send are not."""

import pytest

from keyhouse.core.errors import Code, Refusal
from keyhouse.wire.head import HEAD_BYTES_MAX, NEVER_NOMINATED, require_plain_head

HOST = (b"host", b"keys.example")
Head = list[tuple[bytes, bytes]]


@pytest.mark.parametrize(
    "headers",
    [
        [HOST, (b"content-length", b"5"), (b"connection", b"keep-alive")],
        [HOST, (b"transfer-encoding", b"chunked"), (b"connection", b"close")],
        [HOST, (b"transfer-encoding", b"Chunked"), (b"connection", b"TE, close"), (b"te", b"trailers")],
        [(b"host", b"127.0.0.1:8080")],
        [(b"host", b"[::1]:8080"), (b"connection", b"upgrade"), (b"upgrade", b"websocket")],
        [(b"host", b"a_b.internal"), (b"connection", b"")],
    ],
)
def test_what_clients_and_proxies_send_passes(headers: Head) -> None:
    require_plain_head(headers, 20, "1.1")


@pytest.mark.parametrize(
    ("headers", "word"),
    [
        ([HOST, (b"content-length", b"5"), (b"content-length", b"5")], "how long"),
        ([HOST, (b"content-length", b"5"), (b"transfer-encoding", b"chunked")], "how long"),
        ([HOST, (b"transfer-encoding", b"chunked"), (b"transfer-encoding", b"chunked")], "how long"),
        ([HOST, (b"transfer-encoding", b"gzip, chunked")], "chunked"),
        ([HOST, (b"transfer-encoding", b"identity")], "chunked"),
        ([HOST, (b"transfer-encoding", b"\x0bchunked")], "chunked"),
        ([HOST, (b"transfer-encoding", b"")], "chunked"),
        ([HOST, HOST], "host"),
        ([], "Host"),
        ([(b"host", b"")], "Host"),
        ([(b"host", b"a/b")], "Host"),
        ([(b"host", b"a\n")], "Host"),
        ([(b"host", b"a:80:80")], "Host"),
        ([(b"host", "ä".encode())], "Host"),
    ],
)
def test_what_can_be_read_in_more_than_one_way_is_refused(headers: Head, word: str) -> None:
    with pytest.raises(Refusal) as caught:
        require_plain_head(headers, 20, "1.1")
    assert caught.value.code is Code.HEAD_AMBIGUOUS
    assert word in caught.value.message


@pytest.mark.parametrize("name", sorted(NEVER_NOMINATED))
def test_connection_may_not_name_what_says_where_a_request_ends_or_who_sends_it(name: bytes) -> None:
    """CVE-2026-6338: a proxy that obeys `Connection: Content-Length` passes a body on as the next request."""
    for value in (name, b"close, " + name, name.title() + b" ,keep-alive"):
        with pytest.raises(Refusal) as caught:
            require_plain_head([HOST, (b"connection", value)], 20, "1.1")
        assert caught.value.code is Code.HEAD_AMBIGUOUS


@pytest.mark.parametrize("version", ["1", "1.0"])
def test_only_http_1_0_may_name_no_host(version: str) -> None:
    require_plain_head([], 20, version)
    require_plain_head([(b"host", b"")], 20, version)
    with pytest.raises(Refusal):
        require_plain_head([(b"host", b"a/b")], 20, version)


def test_a_head_is_32_kb_at_most_with_its_address() -> None:
    value = b"a" * (HEAD_BYTES_MAX - 20 - len(b"hostkeys.example") - 4 - 1 - 4)
    require_plain_head([HOST, (b"x", value)], 20, "1.1")
    for headers, target_bytes in (([HOST, (b"x", value + b"a")], 20), ([HOST, (b"x", value)], 21)):
        with pytest.raises(Refusal) as caught:
            require_plain_head(headers, target_bytes, "1.1")
        assert caught.value.code is Code.HEAD_TOO_LARGE
