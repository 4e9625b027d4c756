"""Which headers say who asks, and where they are not read."""

import pytest

from keyhouse.gateway.presented import AGENT_CHARACTERS_MAX, Presented

BEARER = (b"authorization", b"Bearer a")
X_API_KEY = (b"x-api-key", b"b")
API_KEY = (b"api-key", b"c")


@pytest.mark.parametrize(
    ("headers", "takes_x_api_key", "credentials"),
    [
        ([], False, ([], False)),
        ([BEARER], False, ([b"Bearer a"], False)),
        ([BEARER, BEARER], False, ([b"Bearer a", b"Bearer a"], False)),
        ([BEARER, X_API_KEY], False, ([b"Bearer a"], True)),
        ([BEARER, X_API_KEY], True, ([b"Bearer a", b"Bearer b"], False)),
        ([X_API_KEY], True, ([b"Bearer b"], False)),
        ([X_API_KEY], False, ([], True)),
        ([API_KEY], False, ([], True)),
        ([X_API_KEY, API_KEY], True, ([b"Bearer b"], True)),
    ],
)
def test_a_credential_stands_in_its_header_or_is_said_to_be_elsewhere(
    headers: list[tuple[bytes, bytes]], takes_x_api_key: bool, credentials: tuple[list[bytes], bool]
) -> None:
    assert Presented(headers).credentials(takes_x_api_key=takes_x_api_key) == credentials


def test_the_softwares_name_is_kept_short_and_whatever_its_bytes_are() -> None:
    assert Presented([BEARER]).agent == ""
    assert Presented([(b"user-agent", b"\xff" * 1_000)]).agent == "\xff" * AGENT_CHARACTERS_MAX
