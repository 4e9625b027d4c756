"""Prompts are counted whatever form they have, never too few."""

import json

import msgspec
import pytest

from keyhouse.core.errors import Code, Refusal
from keyhouse.wire.prompts import read_prompts


@pytest.mark.parametrize(
    ("value", "count", "odd"),
    [
        ("Hello", 1, None),
        ('with " and [ and {', 1, None),
        ([1, 2, 3], 1, None),
        ([[1, 2], [3]], 2, None),
        (["a", "b", "{"], 3, None),
        ([], 1, None),
        ([12, "a", [3]], 3, None),
        (["a", {"image": "x"}], 2, "input"),
        ({"prompt_string": "a"}, 1, "input"),
    ],
)
def test_prompts_are_counted_and_what_is_no_text_is_named(value: object, count: int, odd: str | None) -> None:
    prompts = read_prompts("input", msgspec.Raw(json.dumps(value).encode()))
    assert (prompts.count, prompts.odd) == (count, odd)


@pytest.mark.parametrize("value", [b"1", b"null", b"true"])
def test_what_is_neither_text_nor_list_is_refused(value: bytes) -> None:
    with pytest.raises(Refusal) as caught:
        read_prompts("prompt", msgspec.Raw(value))
    assert (caught.value.code, caught.value.param) == (Code.PARAMETER_INVALID, "prompt")
