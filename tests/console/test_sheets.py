"""Tables as CSV."""

from collections.abc import Iterator

from keyhouse.console.sheets import as_csv


def text_of(answer: object) -> list[str]:
    """The pieces of an answer that is sent while it is written."""
    pieces = answer.iterator  # type: ignore[attr-defined]
    return list(pieces)


def test_names_are_no_formulas_and_numbers_stay_numbers() -> None:
    answer = as_csv("a.csv", ["name", "cost"], [("=1+1", -5), ("@x", "0.5"), ("plain, with comma", 3)])
    assert "".join(text_of(answer)) == "name,cost\r\n'=1+1,-5\r\n'@x,0.5\r\n\"plain, with comma\",3\r\n"
    assert answer.headers["content-disposition"] == 'attachment; filename="a.csv"'


def test_many_rows_are_written_while_they_are_sent() -> None:
    written: list[int] = []

    def rows() -> Iterator[tuple[int]]:
        for number in range(1_200):
            written.append(number)
            yield (number,)

    answer = as_csv("a.csv", ["number"], rows())
    assert written == []
    assert [piece.count("\n") for piece in text_of(answer)] == [1, 500, 500, 200]
