"""Calls come by day and by night as people and machines do, and are as many as was asked for."""

from zoneinfo import ZoneInfo

from given import NOON
from keyhouse.core.rollup import HOUR_MS
from keyhouse.demo.rhythm import hours, spread

DAY = 24 * HOUR_MS


def test_the_parts_are_as_many_as_the_whole() -> None:
    assert spread([1.0, 0.5, 0.25], 7) == [4, 2, 1]
    assert sum(spread([0.1] * 30, 1_001)) == 1_001
    made = hours(NOON - 20 * DAY, NOON + 1_234, 10_000, ZoneInfo("Asia/Kolkata"))
    assert sum(hour.by_people + hour.by_machines for hour in made) == 10_000
    assert (made[0].begins_ms, made[-1].ends_ms) == (NOON - 20 * DAY, NOON + 1_234)


def test_people_sleep_at_night_where_the_organization_is() -> None:
    for zone, night in (("UTC", 3), ("America/New_York", 8)):
        made = hours(NOON - 20 * DAY, NOON, 100_000, ZoneInfo(zone))
        by_hour = [sum(one.by_people for one in made if one.starts_at_ms // HOUR_MS % 24 == hour) for hour in range(24)]
        assert by_hour[night] * 20 < max(by_hour), zone
