"""The form of a model loses nothing of what was written by other ways."""

import pytest

from keyhouse.console.key_form import FaultsError
from keyhouse.console.model_form import ROWS_MIN, read_typed, rows_shown, typed_of, written_of
from keyhouse.core.price_list import WrittenRate
from keyhouse.core.written import Served, WrittenModel

FLEX = WrittenRate(tier="flex", input_usd_per_million="0.5", output_usd_per_million="1")
MODEL = WrittenModel(
    name="large",
    upstreams=("a", Served(name="b", rank=2, input_usd_per_million="3", output_usd_per_million="4")),
    input_usd_per_million="1",
    output_usd_per_million="2",
    rates=(FLEX,),
    max_output_tokens=512,
)


def test_a_model_that_is_saved_as_it_is_stays_as_it_is() -> None:
    assert written_of(typed_of(MODEL), MODEL) == MODEL


def test_a_name_there_moves_to_each_upstream() -> None:
    written = written_of(typed_of(WrittenModel(name="x", upstreams=("a",), upstream_model="y")), None)
    assert written.served()[0].upstream_model == "y"


def test_rows_without_an_upstream_are_left_out_and_empty_ones_are_offered() -> None:
    typed = read_typed({"name": " large ", "upstream_1": "b", "rank_0": "7", "rank_1": "2"})
    assert (typed.name, typed.rows) == ("large", (("b", "2", "", ""),))
    assert len(rows_shown(typed)) == ROWS_MIN
    assert len(rows_shown(typed_of(MODEL))) == ROWS_MIN


def test_what_is_no_number_is_named() -> None:
    with pytest.raises(FaultsError) as caught:
        written_of(read_typed({"upstream_0": "a", "rank_0": "x", "max_output_tokens": "-1"}), None)
    assert set(caught.value.faults) == {"rank_0", "max_output_tokens"}
