"""Reads a room's named statements from its `.sql` file, so that SQL is reviewed as SQL and never built from text."""

from functools import cache
from importlib import resources
from typing import Final

ROW: Final = "\n(?"
"""How the line of a statement begins that stands for one row."""


def load_statements(name: str) -> dict[str, str]:
    """The statements of `store/sql/<name>` by the name in the `-- name --` line before each."""
    text = resources.files("keyhouse.store").joinpath("sql", name).read_text(encoding="utf-8")
    found: dict[str, str] = {}
    title = ""
    for line in text.splitlines(keepends=True):
        if line.startswith("-- ") and line.rstrip().endswith(" --"):
            title = line.strip()[3:-3]
            found[title] = ""
        elif title and not line.startswith("-- "):
            found[title] += line
    return {title: body.strip().removesuffix(";") for title, body in found.items()}


@cache
def for_rows(statement: str, count: int) -> str:
    """The statement for so many rows: its line of placeholders, which is there once, `count` times."""
    before, _, rest = statement.partition(ROW)
    row, end_of_line, after = rest.partition("\n")
    rows = ",".join([ROW + row] * count)
    return f"{before}{rows}{end_of_line}{after}"
