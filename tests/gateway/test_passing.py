"""What becomes of an upstream's answer before a client sees it. Streams: test_relay.py and test_stored.py."""

import pytest

from keyhouse.gateway.passing import own_fault, without_secret
from keyhouse.gateway.routing import Upstream

LOCAL = Upstream("local", "https://models.example.com/v1", "sk-canary")


@pytest.mark.parametrize("status", [401, 403, 407, 100, 204, 301, 308, 600])
def test_what_is_about_ourselves_is_told_as_ours(status: int) -> None:
    refusal = own_fault(status, LOCAL)
    assert refusal is not None
    assert refusal.code == "upstream_broken"
    assert "sk-canary" not in refusal.text + refusal.internal


@pytest.mark.parametrize("status", [400, 404, 429, 500, 599])
def test_what_is_about_the_request_is_passed_on(status: int) -> None:
    assert own_fault(status, LOCAL) is None


def test_our_credential_is_cut_out_wherever_it_shows() -> None:
    assert without_secret(b"a sk-canary b sk-canary", b"sk-canary") == b"a [removed] b [removed]"
    assert without_secret(b"nothing", b"sk-canary") == without_secret(b"nothing", None) == b"nothing"
