"""One table of what is passed through, and what is not served says so."""

import re

import pytest

from keyhouse.core.errors import Code, Refusal
from keyhouse.core.permissions import Access
from keyhouse.gateway.passed import NOT_SERVED, PASSED, find_passed


def test_every_row_is_found_by_its_own_address_and_no_other_row() -> None:
    for passed in PASSED:
        path = "/v1" + re.sub(r"\{(\w+)\}", r"\1-1", passed.path)
        found = find_passed(path, passed.method)
        assert found == (passed, re.findall(r"(\w+-1)", path))


def test_writing_needs_write_and_reading_read() -> None:
    assert {passed.access for passed in PASSED if passed.method == "GET"} == {Access.READ}
    assert {passed.access for passed in PASSED if passed.method != "GET"} == {Access.WRITE}


@pytest.mark.parametrize(
    "path", ["/v1/files//content", "/v1/files/", "/v1/nothing", "/v1/files/a/b", "/v1/conversations/x/y"]
)
def test_what_is_not_in_the_table_is_not_found(path: str) -> None:
    assert find_passed(path, "GET") is None


def test_another_method_is_refused_with_those_there_are() -> None:
    with pytest.raises(Refusal) as caught:
        find_passed("/v1/files/file-1", "PUT")
    assert (caught.value.code, caught.value.facts["allow"]) == (Code.METHOD_NOT_ALLOWED, "GET, DELETE")


@pytest.mark.parametrize("first", NOT_SERVED)
def test_what_is_not_served_says_why(first: str) -> None:
    with pytest.raises(Refusal) as caught:
        find_passed(f"/v1/{first}", "POST")
    assert caught.value.code is Code.ENDPOINT_UNKNOWN
    assert NOT_SERVED[first] in caught.value.hint
