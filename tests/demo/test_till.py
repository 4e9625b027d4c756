"""Nothing that is dealt counts on a limit that has no room for it."""

import json
from random import Random
from zoneinfo import ZoneInfo

import pytest

from given import NOON
from keyhouse.core.money import NANO_PER_USD
from keyhouse.demo.answers import Answer
from keyhouse.demo.keys import DemoKey
from keyhouse.demo.till import Till, rounded
from keyhouse.demo.town import DAY_MS, Owner, Place, Town

ANSWER = Answer((), 10, (600_000_000, 1, 900), (400_000_000, 1, 300))


def test_a_call_that_may_not_fit_is_not_admitted_and_the_next_month_begins_anew() -> None:
    key = DemoKey("key_1", Owner("user-1", "proj_1", "Ada", is_machine=False), (), 0, NOON + 90 * DAY_MS, 1.0, (0,))
    till = Till(ZoneInfo("UTC"), 7)
    place = Place("org-1", "user-1")
    till.set_limits(place, Town({}, ("proj_1",), (), ()), [key], {}, NOON, Random(1))
    ids, periods = till.counting(key, "org-1", NOON)
    assert json.loads(ids) == [one.id for one in periods] == [row[0] for row in till.new_periods]
    assert min(one.id for one in periods) == 7
    # The organization's is 1 USD, and each call has to have room for 0.60.
    assert [till.admits(periods, ANSWER) for _ in range(3)] == [True, True, False]
    assert till.counted[periods[-1].id] == 800_000_000
    later = till.counting(key, "org-1", NOON + 40 * DAY_MS)[1]
    assert till.admits(later, ANSWER)


@pytest.mark.parametrize(("spent", "written"), [(0, 1), (3.2, 5), (74, 75), (751, 1_000), (41_000, 50_000)])
def test_amounts_are_such_as_people_write_down(spent: float, written: int) -> None:
    assert rounded(spent * NANO_PER_USD) == written * NANO_PER_USD
