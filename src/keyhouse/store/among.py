"""Whether a column has one of many values, which reach the database as one.

As values of their own each would be checked, named and written into the statement, which takes longer than the
database's answer; and the statement would be another one for each count.
"""

from collections.abc import Collection
from typing import Any

import msgspec
from sqlalchemy import Boolean, ColumnElement, Dialect, Text, literal
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator, TypeEngine


class _Values(TypeDecorator[list[Any]]):
    """An array of what a column of this type has, or JSON where there are no arrays."""

    impl = Text
    cache_ok = True

    def __init__(self, item: TypeEngine[Any]) -> None:
        super().__init__()
        self.item = item

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return ARRAY(self.item) if dialect.name == "postgresql" else Text()

    def process_bind_param(self, value: list[Any] | None, dialect: Dialect) -> Any:
        return value if dialect.name == "postgresql" else msgspec.json.encode(value).decode()


class among(FunctionElement[bool]):  # noqa: N801  it is used as a function
    """Whether a column has one of these values: texts, or integers."""

    type = Boolean()
    inherit_cache = True

    def __init__(self, column: ColumnElement[Any], values: Collection[Any]) -> None:
        super().__init__(column, literal(list(values), _Values(column.type)))

    def self_group(self, against: Any = None) -> Any:
        """Itself: as a boolean it would be compared with 1 where the database has no such type."""
        del against
        return self


@compiles(among)
def _in_json(element: among, compiler: SQLCompiler, **keywords: Any) -> str:
    column, values = (compiler.process(clause, **keywords) for clause in element.clauses)
    return f"{column} IN (SELECT value FROM json_each({values}))"  # noqa: S608  both are compiled


@compiles(among, "postgresql")
def _any_of_array(element: among, compiler: SQLCompiler, **keywords: Any) -> str:
    column, values = (compiler.process(clause, **keywords) for clause in element.clauses)
    return f"{column} = ANY ({values})"
