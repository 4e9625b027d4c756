"""Texts in order and in searches, alike on every database; and what the databases are kept from choosing.

The order is that of their bytes, which is also Python's. SQLite compares bytes by itself. PostgreSQL compares by the
language of the database unless it is told not to, and then `call_Z` may come after `call_a`.
"""

from typing import Any

from sqlalchemy import Boolean, ColumnElement, Computed, Text, column, literal
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import DDLCompiler, SQLCompiler
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


class searched(FunctionElement[str]):  # noqa: N801  the same
    """A text as a search for ASCII's letters compares it. SQLite's LIKE takes no notice of their capitals by itself."""

    type = Text()
    inherit_cache = True

    def __init__(self, text: ColumnElement[Any]) -> None:
        super().__init__(text)


@compiles(searched)
def _in_any_case(element: searched, compiler: SQLCompiler, **keywords: Any) -> str:
    return compiler.process(element.clauses, **keywords)


@compiles(searched, "postgresql")
def _made_small(element: searched, compiler: SQLCompiler, **keywords: Any) -> str:
    # Capitals of a language take three times as long as those of ASCII.
    return f'lower({compiler.process(element.clauses, **keywords)} COLLATE "C")'


class AsSearched(Computed):
    """Makes a column of what `searched` makes of another, and stores it. SQLite has nothing to do for it, and every
    search would take a third longer beside a column that is made: there it stays empty.
    """

    def __init__(self, name: str) -> None:
        super().__init__(searched(column(name, Text)), persisted=True)


@compiles(AsSearched, "sqlite")
def _empty(element: AsSearched, compiler: DDLCompiler, **keywords: Any) -> str:
    del element, compiler, keywords
    return ""


def holds(text: ColumnElement[Any], part: str, stored: ColumnElement[Any] | None = None) -> ColumnElement[bool]:
    """Whether a text holds another, in capitals or not. What would be a wildcard in it stands for itself.

    `stored` is a column that has the text as `searched` makes it, where there is one: PostgreSQL looks there. SQLite's
    LIKE takes no notice of ASCII's capitals by itself, which is all that its `lower` knows; calling that on every row
    takes as long as the search.
    """
    small = part.lower() if part.isascii() else part
    looked_at = [by_bytes(searched(text) if stored is None else stored), literal(small)] if part.isascii() else []
    if not any(wild in small for wild in "/%_"):
        return _holds(text, literal(f"%{small}%"), *looked_at)
    pattern = small.replace("/", "//").replace("%", "/%").replace("_", "/_")
    return _holds_literally(text, literal(f"%{pattern}%"), *looked_at)


class _holds(FunctionElement[bool]):  # noqa: N801  the same
    type = Boolean()
    inherit_cache = True

    def self_group(self, against: Any = None) -> Any:
        """Itself: as a boolean it would be compared with 1 where the database has no such type."""
        del against
        return self


class _holds_literally(_holds):  # noqa: N801  the same
    """With wildcards that are none. SQLite takes a third longer to look for them."""

    inherit_cache = True


@compiles(_holds)
def _like(element: _holds, compiler: SQLCompiler, **keywords: Any) -> str:
    text, pattern, *_ = element.clauses
    return f"{compiler.process(text, **keywords)} LIKE {compiler.process(pattern, **keywords)}"


@compiles(_holds_literally)
def _like_literally(element: _holds_literally, compiler: SQLCompiler, **keywords: Any) -> str:
    return f"{_like(element, compiler, **keywords)} ESCAPE '/'"


@compiles(_holds, "postgresql")
@compiles(_holds_literally, "postgresql")
def _position(element: _holds, compiler: SQLCompiler, **keywords: Any) -> str:
    text, pattern, *looked_at = element.clauses
    if looked_at:
        # This takes two thirds of the time of LIKE.
        where, what = (compiler.process(clause, **keywords) for clause in looked_at)
        return f"strpos({where}, {what}) > 0"
    return f"{compiler.process(text, **keywords)} ILIKE {compiler.process(pattern, **keywords)} ESCAPE '/'"


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
