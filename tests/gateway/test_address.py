"""Which addresses may be called, and that nothing but one request stands in a request's head."""

import pytest

from keyhouse.gateway.address import Forbidden, Place, is_public


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700:4700::1111", "64:ff9b::808:808"])
def test_public_addresses_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.0.1",
        "169.254.169.254",
        "0.0.0.0",  # noqa: S104  it is refused
        "100.64.0.1",
        "224.0.0.1",
        "::1",
        "::",
        "fe80::1%eth0",
        "fc00::1",
        "fec0::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
    ],
)
def test_private_and_disguised_addresses_are_not(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    ("base_url", "host", "port", "first_lines"),
    [
        ("https://api.example/v1", "api.example", 443, b"POST /v1/x HTTP/1.1\r\nhost: api.example\r\n"),
        ("https://api.example:8443", "api.example", 8443, b"POST /x HTTP/1.1\r\nhost: api.example:8443\r\n"),
        ("http://[2606:4700::1]:80/v1/", "2606:4700::1", 80, b"POST /v1/x HTTP/1.1\r\nhost: [2606:4700::1]\r\n"),
        ("https://b\u00fccher.example/v1", "xn--bcher-kva.example", 443, b"POST /v1/x HTTP/1.1\r\n"),
    ],
)
def test_a_base_says_where_to_connect_and_how_a_request_begins(
    base_url: str, host: str, port: int, first_lines: bytes
) -> None:
    place = Place(base_url, allow_private=base_url.startswith("http:"))
    assert (place.host, place.port) == (host, port)
    assert place.head("POST", "/x", {"a": "b"}).startswith(first_lines)


@pytest.mark.parametrize(
    "base_url",
    [
        "ftp://api.example/v1",
        "https:///v1",
        "https://user:secret@api.example/v1",
        "https://api.example:99999/v1",
        "https://api.example/v1?x=1",
        "https://api.example/v1#x",
        "https://api.example/v 1",
        "http://api.example/v1",
        "https://127.0.0.1/v1",
    ],
)
def test_what_is_not_a_plain_public_https_address_is_forbidden(base_url: str) -> None:
    with pytest.raises(Forbidden):
        Place(base_url, allow_private=False)


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/x HTTP/1.1\r\nx-evil: 1", {}),
        ("/x y", {}),
        ("/x#y", {}),
        ("/\u00fc", {}),
        ("/x", {"a": "b\r\nx-evil: 1"}),
        ("/x", {"a": "b\nx-evil: 1"}),
        ("/x", {"a": "b\0"}),
        ("/x", {"a": "\u00fc"}),
    ],
)
def test_nothing_can_begin_a_second_header_or_request(path: str, headers: dict[str, str]) -> None:
    with pytest.raises(Forbidden):
        Place("https://api.example/v1", allow_private=False).head("POST", path, headers)
