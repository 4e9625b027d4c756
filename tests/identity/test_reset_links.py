"""Tokens of links for a new password: genuine, or nothing."""

import base64

import pytest

from keyhouse.identity.reset_links import TOKEN_LENGTH_MAX, Claim, is_genuine, make_token, read_claim

KEY = b"k" * 32
CLAIM = Claim("user-1", "org-1", "user-2", 1_795_521_600_000)


def test_a_token_says_what_was_claimed_and_is_genuine_for_this_password_and_key_alone() -> None:
    token = make_token(KEY, CLAIM, "hash")
    assert read_claim(token) == CLAIM
    assert is_genuine(KEY, token, "hash")
    assert not is_genuine(KEY, token, "another")
    assert not is_genuine(KEY, token, None)
    assert not is_genuine(b"x" * 32, token, "hash")


def test_who_has_no_password_yet_gets_one_by_a_link_that_dies_with_it() -> None:
    token = make_token(KEY, CLAIM, None)
    assert is_genuine(KEY, token, None)
    assert not is_genuine(KEY, token, "hash")


def test_a_changed_claim_is_not_genuine() -> None:
    said, _, signature = make_token(KEY, CLAIM, "hash").partition(".")
    other, _, _ = make_token(KEY, Claim("user-3", "org-1", "user-2", CLAIM.until_ms), "hash").partition(".")
    assert is_genuine(KEY, f"{said}.{signature}", "hash")
    assert not is_genuine(KEY, f"{other}.{signature}", "hash")


@pytest.mark.parametrize(
    "token",
    ["", ".", "guess", "é.é", "a" * (TOKEN_LENGTH_MAX + 1), base64.urlsafe_b64encode(b'["user-1"]').decode() + ".x"],
)
def test_what_is_no_token_claims_nothing_and_is_not_genuine(token: str) -> None:
    assert read_claim(token) is None
    assert not is_genuine(KEY, token, "hash")
