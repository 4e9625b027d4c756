"""Tables as CSV."""

from keyhouse.console.sheets import as_csv


def test_names_are_no_formulas_and_numbers_stay_numbers() -> None:
    answer = as_csv("a.csv", ["name", "cost"], [("=1+1", -5), ("@x", "0.5"), ("plain, with comma", 3)])
    assert answer.content == "name,cost\r\n'=1+1,-5\r\n'@x,0.5\r\n\"plain, with comma\",3\r\n"
    assert answer.headers["content-disposition"] == 'attachment; filename="a.csv"'
