"""Query strings: whatever is sent, the answer is a value or a refusal that names the parameter."""

from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admin.town import refusal_of
from keyhouse.admin.queries import VALUES_MAX, Query
from keyhouse.core.errors import Code, Refusal

WORDS = st.lists(
    st.text(st.characters(exclude_characters=", ", exclude_categories=["Z", "C"]), min_size=1), min_size=1, max_size=5
)


@given(st.binary(max_size=80))
def test_anything_at_all_is_read_or_refused(text: bytes) -> None:
    def read() -> int:
        query = Query(text)
        query.many("limit")
        return query.page_limit()

    refused = refusal_of(read)
    assert refused is None or refused.code is Code.PARAMETER_INVALID


@given(WORDS)
def test_a_list_is_the_same_in_every_form(words: list[str]) -> None:
    expected = tuple(dict.fromkeys(words))
    for text in (
        urlencode({"x": words}, doseq=True),
        urlencode({"x[]": words}, doseq=True),
        urlencode({"x": ",".join(words)}),
        urlencode([("x" if place % 2 else "x[]", word) for place, word in enumerate(words)]),
    ):
        assert Query(text.encode()).many("x") == expected


def test_what_is_not_given_is_nothing() -> None:
    query = Query(b"x=&y")
    assert (query.text("x"), query.text("y"), query.text("z")) == (None, None, None)
    assert (query.integer("x", 0, 1), query.boolean("z"), query.many("z")) == (None, None, ())
    assert query.choice("z", ("a", "b"), "b") == "b"
    assert query.page_limit() == 20


@pytest.mark.parametrize("text", [b"x=", b"x[]=", b"x", b"x[]=,%20,", b"x=&x[]="])
def test_a_filter_that_names_nothing_is_refused_and_not_left_out(text: bytes) -> None:
    refused = refusal_of(lambda: Query(text).many("x"))
    assert refused is not None
    assert (refused.code, refused.param) == (Code.PARAMETER_INVALID, "x")


@pytest.mark.parametrize(
    ("text", "value"), [("true", True), ("True", True), ("1", True), ("false", False), ("0", False)]
)
def test_true_and_false_are_read_as_clients_write_them(text: str, value: bool) -> None:
    assert Query(f"x={text}".encode()).boolean("x") is value


def test_too_much_is_refused() -> None:
    for text in ("&".join("x=1" for _ in range(VALUES_MAX + 1)), "x=" + ",".join(map(str, range(VALUES_MAX + 1)))):
        with pytest.raises(Refusal):
            Query(text.encode()).many("x")


@pytest.mark.parametrize("text", [b"x=%ff", b"x=\xff"])
def test_what_is_not_utf_8_is_refused(text: bytes) -> None:
    with pytest.raises(Refusal) as refused:
        Query(text)
    assert refused.value.code is Code.PARAMETER_INVALID
