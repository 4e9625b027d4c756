"""The planted bugs, as data: one file of them for each table of claims.

A bug takes one guard out of the source, as text. It belongs to the row of the table whose promise the guard keeps,
and names the tests that must fail without it.
"""

from functools import cache
from pathlib import Path
from typing import Final

import msgspec

from house.source import ROOT, SOURCE

HERE: Final = Path(__file__).parent

TABLES: Final = {
    "edge": ("security.md", "The edge"),
    "upstreams": ("security.md", "Upstreams"),
    "secrets": ("security.md", "Secrets"),
    "mistakes": ("security.md", "Mistakes of others"),
    "faults": ("reliability.md", "What an upstream may do"),
}
"""Where each file's rows stand: a page of the documentation, and the heading of the table."""


class Bug(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One guard that is taken out. `row` is the first cell of its row; `file` is below src/keyhouse.

    `guard` stands there once, and `instead` replaces it. `noticed_by` are tests as pytest names them, without a
    parameter or with one.
    """

    row: str
    file: str
    guard: str
    instead: str
    noticed_by: tuple[str, ...]

    def planted_in(self, text: str) -> str:
        """The file's text without the guard. Raises ValueError unless that is there once."""
        if text.count(self.guard) != 1:
            raise ValueError(f"{self.file} has this {text.count(self.guard)} times:\n{self.guard}")
        return text.replace(self.guard, self.instead)

    def plant(self, source: Path) -> None:
        """Take the guard out of a copy of the source."""
        path = source / "keyhouse" / self.file
        path.write_text(self.planted_in(path.read_text(encoding="utf-8")), encoding="utf-8")

    def text(self) -> str:
        """The file as it is."""
        return (SOURCE / self.file).read_text(encoding="utf-8")


@cache
def bugs() -> dict[str, Bug]:
    """All of them, by name: that of the table's file and their own."""
    found: dict[str, Bug] = {}
    for table in TABLES:
        read = msgspec.toml.decode((HERE / f"{table}.toml").read_bytes(), type=dict[str, Bug])
        found |= {f"{table}/{name}": bug for name, bug in read.items()}
    return found


@cache
def claims(table: str) -> dict[str, str]:
    """The rows of a table: the last cell by the first."""
    page, heading = TABLES[table]
    part = (ROOT / "docs" / page).read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line.strip("|").split(" | ") for line in part.splitlines() if line.startswith("| ")]
    return {cells[0].strip(): cells[-1].strip() for cells in lines[1:]}
