"""Reads a room's named statements from its `.sql` file, so that SQL is reviewed as SQL and never built from text."""

from importlib import resources


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
