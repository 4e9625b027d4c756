"""What is sent in place of a credential by who has none, and by who looks for a way in."""

from typing import Final

Headers = list[tuple[bytes, bytes]]

_SHAPE: Final = b"sk-kh_0123456789_" + b"a" * 38


def malformed(living: str) -> list[Headers]:
    """Headers that hold no one whole credential; `living` is a secret that works."""
    bearer = b"Bearer " + living.encode()
    flipped = bearer[:-1] + (b"0" if bearer[-1:] != b"0" else b"1")
    values = (
        b"",
        b"Bearer",
        b"Basic dXNlcjpwYXNz",
        b"Bearer ' OR 1=1 --",
        b"Bearer '; DROP TABLE api_keys; --",
        b'Bearer "' + living.encode() + b'"',
        b"Bearer " + _SHAPE,
        b"Bearer \xff\xfe\x80",
        b"Bearer sk-kh_%00",
        b"Bearer " + b"x" * 1_000_000,
        flipped,
        bearer + b", " + bearer,
    )
    twice: list[Headers] = [
        [(b"authorization", bearer)] * 2,
        [(b"authorization", bearer), (b"authorization", b"Bearer x")],
        [(b"authorization", bearer), (b"x-api-key", living.encode())],
        [(b"authorization", bearer), (b"api-key", b"x")],
        [(b"cookie", b"keyhouse=" + living.encode())],
        [],
    ]
    nul: Headers = [(b"authorization", b"Bearer sk-kh_\x00")]
    return [[(b"authorization", value)] for value in values] + twice + [nul]
