"""The rules that docs/leaks.md gives to other scanners find exactly what is minted."""

import re
from pathlib import Path

import pytest

from given import seeded_entropy
from keyhouse.core.secret import PATTERN, Kind, find, mint, mint_key_id

PAGE = (Path(__file__).parents[2] / "docs" / "leaks.md").read_text(encoding="utf-8")
RULES = re.findall(r"(?:'''|secret: ')(sk-.*?)'", PAGE)


def test_both_rules_are_the_shape_itself() -> None:
    assert RULES == [PATTERN, PATTERN]


@pytest.mark.parametrize("kind", Kind)
def test_every_secret_is_found_whole_wherever_it_stands(kind: Kind) -> None:
    entropy = seeded_entropy(8)
    for _ in range(50):
        secret = mint(kind, mint_key_id(entropy), entropy)
        for around in ("{}", 'KEY="{}"', "a {}, b", "\n{}\n", "https://x/?k={}&l"):
            text = around.format(secret.value)
            assert [value[0] for value in re.finditer(RULES[0], text)] == [secret.value]
            assert find(text) == [(text.index(secret.value), secret)]
        assert find(secret.value + "x") == find("x" + secret.value) == find(secret.value[:-1]) == []
