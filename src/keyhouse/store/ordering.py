"""The order of texts, the same on every database: that of their bytes, which is also Python's.

SQLite compares bytes by itself. PostgreSQL compares by the language of the database unless it is told not to,
and then `call_Z` may come after `call_a`.
"""

from typing import Any

from sqlalchemy import ColumnElement, Text
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
