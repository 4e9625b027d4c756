"""Upstreams and models as they are written; `tests/test_config.py` has what is refused of them."""

from typing import Any

import pytest

from keyhouse.core.price_list import BadField
from keyhouse.core.written import WrittenModel, WrittenUpstream


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"name": " "}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"base_url": "https://u:p@api.example/v1"}, "base_url"),
        ({"base_url": "https://api.example/v1?x=1"}, "base_url"),
        ({"base_url": "https://[::1/v1"}, "base_url"),
        ({"base_url": "https://exa mple.com"}, "base_url"),
        ({"base_url": "https://api.example/v1\n"}, "base_url"),
        ({"base_url": "https://api<x>.example/v1"}, "base_url"),
        ({"base_url": "https://api.example:99999/v1"}, "base_url"),
        ({"base_url": "http://api.example/v1"}, "base_url"),
        ({"base_url": "file:///etc/passwd", "allow_private": True}, "base_url"),
        ({"api_version": ""}, "api_version"),
        ({"idle_timeout_seconds": 0}, "idle_timeout_seconds"),
    ],
)
def test_an_upstream_that_cannot_be_meant_is_named(fields: dict[str, Any], field: str) -> None:
    good: dict[str, Any] = {"name": "a", "base_url": "https://api.example/v1"}
    WrittenUpstream(**good).require_sense()
    with pytest.raises(BadField) as caught:
        WrittenUpstream(**good | fields).require_sense()
    assert caught.value.field == field


def test_a_model_needs_upstreams_that_are_there() -> None:
    model = WrittenModel(name="m", upstreams=("a",))
    model.require_sense(["a"])
    with pytest.raises(BadField, match="there is no upstream 'a'"):
        model.require_sense(["b"])
