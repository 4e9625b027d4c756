"""The form of an upstream, there and back."""

import pytest
from msgspec import UNSET

from keyhouse.console.key_form import FaultsError
from keyhouse.console.upstream_form import Typed, read_credential, read_typed, typed_of, written_of
from keyhouse.core.written import WrittenUpstream


def test_an_upstream_that_is_saved_as_it_is_stays_as_it_is() -> None:
    written = WrittenUpstream("own", "http://10.0.0.1/v1", "api-key", "2024-10-21", True, True, 2.5, 60.0, 30.0)
    assert written_of(typed_of(written)) == written


def test_a_credential_stays_unless_one_is_given_or_it_is_taken_away() -> None:
    assert read_credential({"api_key": " sk-1 "}, is_new=False) == "sk-1"
    assert read_credential({}, is_new=True) is None
    assert read_credential({"api_key": ""}, is_new=False) is UNSET
    assert read_credential({"without_credential": "on"}, is_new=False) is None
    assert not hasattr(read_typed({"api_key": "sk-1"}), "api_key")


def test_what_is_no_number_or_no_choice_is_named() -> None:
    with pytest.raises(FaultsError) as caught:
        written_of(Typed(auth="guess", idle_timeout_seconds="1e9"))
    assert set(caught.value.faults) == {"auth", "idle_timeout_seconds"}
