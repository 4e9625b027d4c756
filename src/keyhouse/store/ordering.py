"""Texts in order and in searches, alike on every database; and what the databases are kept from choosing.

The order is that of their bytes, which is also Python's. SQLite compares bytes by itself. PostgreSQL compares by the
language of the database unless it is told not to, and then `call_Z` may come after `call_a`.
"""

from typing import Any

from sqlalchemy import Boolean, ColumnElement, Text, literal
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


class by_bytes(FunctionElement[str]):  # noqa: N801  it is used as a function
    """A text to sort by, or to compare with another."""

    type = Text()
    inherit_cache = True

    def __init__(self, text: ColumnElement[Any]) -> None:
        super().__init__(text)


@compiles(by_bytes)
def _as_it_is(element: by_bytes, compiler: SQLCompiler, **keywords: Any) -> str:
    return compiler.process(element.clauses, **keywords)


@compiles(by_bytes, "postgresql")
def _collated(element: by_bytes, compiler: SQLCompiler, **keywords: Any) -> str:
    return f'({compiler.process(element.clauses, **keywords)} COLLATE "C")'


class holds(FunctionElement[bool]):  # noqa: N801  the same
    """Whether a text holds another, in capitals or not. What would be a wildcard in it stands for itself.

    SQLite's LIKE takes no notice of ASCII's capitals by itself, which is all that its `lower` knows; calling that on
    every row takes as long as the search.
    """

    type = Boolean()
    inherit_cache = True

    def __init__(self, text: ColumnElement[Any], part: str) -> None:
        # PostgreSQL takes three times as long for capitals of a language as for those of ASCII; and with ILIKE it makes
        # the pattern's letters small anew for each row.
        searched, part = (by_bytes(text), part.lower()) if part.isascii() else (text, part)
        for wild in ("/", "%", "_"):
            part = part.replace(wild, f"/{wild}")
        super().__init__(searched, literal(f"%{part}%"))

    def self_group(self, against: Any = None) -> Any:
        """Itself: as a boolean it would be compared with 1 where the database has no such type."""
        del against
        return self


@compiles(holds)
def _like(element: holds, compiler: SQLCompiler, **keywords: Any) -> str:
    text, pattern = (compiler.process(clause, **keywords) for clause in element.clauses)
    return f"{text} LIKE {pattern} ESCAPE '/'"


@compiles(holds, "postgresql")
def _ilike(element: holds, compiler: SQLCompiler, **keywords: Any) -> str:
    text, pattern = (compiler.process(clause, **keywords) for clause in element.clauses)
    if any(isinstance(clause, by_bytes) for clause in element.clauses):
        return f"lower({text}) LIKE {pattern} ESCAPE '/'"
    return f"{text} ILIKE {pattern} ESCAPE '/'"


class unindexed(FunctionElement[Any]):  # noqa: N801  the same
    """A column as part of a condition that SQLite shall not look up in an index, because most rows meet it.

    To look each of them up by itself takes several times as long as to read the table from one end to the other, and
    SQLite does not know how many they are. PostgreSQL does, and decides by itself.
    """

    inherit_cache = True

    def __init__(self, column: ColumnElement[Any]) -> None:
        self.type = column.type
        super().__init__(column)


@compiles(unindexed)
def _plain(element: unindexed, compiler: SQLCompiler, **keywords: Any) -> str:
    return compiler.process(element.clauses, **keywords)


@compiles(unindexed, "sqlite")
def _plus(element: unindexed, compiler: SQLCompiler, **keywords: Any) -> str:
    return f"+{compiler.process(element.clauses, **keywords)}"
