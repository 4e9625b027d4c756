"""Statements that take many rows have their line of placeholders once for each."""

import sqlite3
from contextlib import closing

from keyhouse.store.statements import for_rows, load_statements

TWO = "INSERT INTO t (a, b)\nVALUES\n(?, 'x')\nRETURNING a"


def test_a_line_of_placeholders_is_repeated_and_the_rest_stays() -> None:
    assert for_rows(TWO, 1) == TWO
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE t (a, b)")
        assert connection.execute(for_rows(TWO, 3), (1, 2, 3)).fetchall() == [(1,), (2,), (3,)]
        assert connection.execute("SELECT a, b FROM t").fetchall() == [(1, "x"), (2, "x"), (3, "x")]


def test_each_statement_of_a_file_is_found_by_its_name_without_its_comments() -> None:
    statements = load_statements("books_sqlite.sql")
    assert {"load", "insert_calls", "close_calls", "update_periods"} <= statements.keys()
    assert not any("--" in statement or statement.endswith(";") for statement in statements.values())
