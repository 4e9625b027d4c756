"""How long a prompt may be kept at a known price."""

import msgspec
import pytest

from keyhouse.wire.caching import read_caching


@pytest.mark.parametrize(
    ("mark", "is_long", "is_long_control"),
    [
        (None, False, False),
        (b"null", False, False),
        (b"{}", False, False),
        (b'{"type":"ephemeral","ttl":"5m"}', True, False),
        (b'{"ttl":"30m"}', False, True),
        (b'{"ttl":"1h"}', True, True),
        (b'{"ttl":"12h"}', True, True),
    ],
)
def test_each_maker_says_it_in_its_own_way(mark: bytes | None, *, is_long: bool, is_long_control: bool) -> None:
    caching = read_caching(None if mark is None else msgspec.Raw(mark))
    assert (caching.is_long, caching.is_long_control) == (is_long, is_long_control)
