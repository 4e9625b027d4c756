"""What errors mean is said once: the help page and docs/errors.md have the same sentences."""

from house.source import ROOT
from keyhouse.console.meanings import MEANINGS, meanings


def test_the_help_page_says_what_the_documentation_says() -> None:
    text = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    for code, meaning in MEANINGS.items():
        row = next(line for line in text.splitlines() if line.startswith(f"| `{code}` |"))
        assert row.endswith(f"| {meaning} |"), code


def test_statuses_and_codes_are_those_of_the_wire() -> None:
    shown = {meaning.reason: (meaning.status, meaning.code) for meaning in meanings()}
    assert shown["key_rotated"] == (401, "invalid_api_key")
    assert shown["limit_quota"] == (429, "insufficient_quota")
    assert all("`" not in meaning.text for meaning in meanings())
