"""Tables as CSV, for whoever goes on with them in a spreadsheet."""

import csv
import io
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from http import HTTPStatus
from itertools import islice
from typing import Any, Final, TypeVar

from litestar import Response
from litestar.response import Stream

_ROWS_A_PIECE: Final = 500
T = TypeVar("T")

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


Rows = Iterable[Sequence[object]]


def as_csv(file_name: str, heads: Sequence[str], rows: Rows | AsyncIterator[Rows]) -> Response[Any]:
    """A table as a download, sent while it is written: its heads at once, and then rows as they come, some at a time.
    No name in it is a formula for a spreadsheet (OWASP, CSV injection).
    """
    return Stream(
        _as_they_come(heads, rows) if isinstance(rows, AsyncIterator) else _pieces(heads, rows),
        status_code=HTTPStatus.OK,
        media_type="text/csv",
        headers={"content-disposition": f'attachment; filename="{file_name}"'},
    )


def _pieces(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    yield _lines([heads])
    for piece in in_pieces(rows, _ROWS_A_PIECE):
        yield _lines([_harmless(cell) for cell in row] for row in piece)


async def _as_they_come(heads: Sequence[str], pieces: AsyncIterator[Rows]) -> AsyncIterator[str]:
    yield _lines([heads])
    async for rows in pieces:
        for piece in in_pieces(rows, _ROWS_A_PIECE):
            yield _lines([_harmless(cell) for cell in row] for row in piece)


def _lines(rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()


def in_pieces(rows: Iterable[T], size: int) -> Iterator[list[T]]:
    """The same in lists of so many."""
    found = iter(rows)
    while piece := list(islice(found, size)):
        yield piece


def _harmless(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell
