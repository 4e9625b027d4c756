"""What errors mean is said once: the help page and docs/errors.md have the same sentences, of every error there is."""

import pytest

from console.given_console import Console
from house.source import ROOT
from keyhouse.console.meanings import GROUPS, meanings
from keyhouse.core.errors import Code


def test_every_reason_of_the_wire_has_a_meaning_and_one_only() -> None:
    told = [code for group in GROUPS.values() for code in group]
    assert sorted(told) == sorted(Code)


def test_the_help_page_says_what_the_documentation_says() -> None:
    text = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    for group in GROUPS.values():
        for code, meaning in group.items():
            row = next(line for line in text.splitlines() if line.startswith(f"| `{code}` |"))
            assert row.endswith(f"| {meaning} |"), code


def test_statuses_and_codes_are_those_of_the_wire() -> None:
    shown = {meaning.reason: (meaning.status, meaning.code) for _, group in meanings() for meaning in group}
    assert shown["key_rotated"] == (401, "invalid_api_key")
    assert shown["limit_quota"] == (429, "insufficient_quota")
    assert shown["credential_missing"] == (401, "")
    assert all("`" not in meaning.text for _, group in meanings() for meaning in group)


@pytest.mark.asyncio
async def test_help_has_a_line_for_each(at_home: Console) -> None:
    page = await at_home.page("/help")
    assert [code for code in Code if f'<tr id="{code}">' not in page] == []
