"""Usage over time against a plain model: every call put into its bucket one by one."""

import asyncio
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, delete, event, insert

from given import NOON
from given_control import House
from given_engine import BOTH, ClosableDatabase, an_engine
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.rollup import slot_ms
from keyhouse.reporting.keys import last_days
from keyhouse.reporting.usage import (
    COLUMNS,
    LEADERS_MAX,
    OTHERS,
    Bucket,
    UsageQuery,
    UsageQuestions,
    UsageRow,
    buckets,
)
from keyhouse.store import rollups
from keyhouse.store.engine import Database
from keyhouse.store.folding import DAYS
from keyhouse.store.rollups import Selection, Sums
from keyhouse.store.schema import usage_hour, usage_minute
from reporting.given_rollups import a_slot, fold_at_once

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Asia/Kathmandu", "Africa/Cairo", "America/Havana")
SPRING = int(datetime(2026, 3, 29, tzinfo=UTC).timestamp() * 1000)
AUTUMN = int(datetime(2026, 10, 25, tzinfo=UTC).timestamp() * 1000)
HOUR = 3_600_000


class Used(msgspec.Struct, frozen=True):
    """One call, as far as the rollups know it."""

    at_ms: int
    project_id: str
    user_id: str
    api_key_id: str
    model: str
    upstream: str
    endpoint: str
    sums: Sums


def few(*values: str) -> st.SearchStrategy[str]:
    return st.sampled_from(values)


def instants() -> st.SearchStrategy[int]:
    """Times around both changes of clocks, and the years 2036 to 2037 where nothing special happens."""
    around = st.sampled_from((SPRING, AUTUMN)).flatmap(lambda t: st.integers(t - 40 * HOUR, t + 40 * HOUR))
    return around | st.integers(2_085_000_000_000, 2_085_200_000_000)


CALLS = st.lists(
    st.builds(
        Used,
        at_ms=instants(),
        project_id=few("proj_1", "proj_2"),
        user_id=few("user-1", "user-2"),
        api_key_id=few("key_1", "key_2", "key_3"),
        model=few("tiny-1", "tiny-2"),
        upstream=few("local"),
        endpoint=few("/v1/chat/completions", "/v1/embeddings"),
        sums=st.builds(
            Sums,
            **{name: st.integers(0, 2**40) for name in Sums.__struct_fields__},
        ),
    ),
    max_size=25,
)


@pytest.fixture(scope="module", params=BOTH)
def database(request: pytest.FixtureRequest) -> Iterator[ClosableDatabase]:
    with tempfile.TemporaryDirectory() as folder, an_engine(request) as engine:
        opened = engine.open_for_any_loop(Path(folder))
        yield opened
        opened.close_now()


def write(database: Database, used: list[Used], zone: str, organization_id: str = "org-1") -> None:
    """Put calls into the rollups as the ledger does, for an organization in `zone`."""

    def step(connection: Connection) -> None:
        for table in (usage_hour, usage_minute):
            if organization_id == "org-1":
                connection.execute(delete(table))
            rows: dict[tuple[Any, ...], Sums] = defaultdict(Sums)
            for call in used:
                starts = slot_ms(call.at_ms, ZoneInfo(zone)) if table is usage_hour else call.at_ms // 60_000 * 60_000
                place = (starts, call.project_id, call.user_id, call.api_key_id, call.model, call.upstream)
                rows[*place, call.endpoint] += call.sums
            names = ("starts_at_ms", "project_id", "owner_id", "key_id", "model", "upstream", "endpoint")
            for place, sums in rows.items():
                row = dict(zip(names, place, strict=True)) | msgspec.structs.asdict(sums)
                connection.execute(insert(table).values(organization_id=organization_id, **row))

    asyncio.run(database.write(step))


def ask(database: Database, query: UsageQuery) -> list[UsageRow]:
    return asyncio.run(UsageQuestions(database).rows(query))


def bucket_of(at_ms: int, bucket: Bucket, zone: str) -> date | tuple[Any, ...]:
    """What a clock on a wall in `zone` calls the bucket."""
    local = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(ZoneInfo(zone))
    if bucket == "day":
        return local.date()
    offset = local.utcoffset()
    return (local.date(), local.hour, offset) if bucket == "hour" else (local.date(), local.hour, local.minute, offset)


def model(used: list[Used], query: UsageQuery) -> dict[tuple[Any, ...], Sums]:
    """The same question answered from the calls themselves."""
    wanted = {
        "project_id": query.project_ids,
        "user_id": query.user_ids,
        "api_key_id": query.api_key_ids,
        "model": query.models,
        "endpoint": query.endpoints,
    }
    sums: dict[tuple[Any, ...], Sums] = defaultdict(Sums)
    for call in used:
        if all(not values or getattr(call, name) in values for name, values in wanted.items()):
            group = tuple(getattr(call, name) for name in query.group_by)
            sums[bucket_of(call.at_ms, query.bucket, query.zone), group] += call.sums
    return dict(sums)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    used=CALLS,
    zone=st.sampled_from(ZONES),
    bucket=st.sampled_from(("day", "hour")),
    group_by=st.lists(st.sampled_from(sorted(COLUMNS)), unique=True, max_size=3).map(tuple),
    project_ids=st.sampled_from(((), ("proj_1",), ("proj_1", "proj_9"))),
    api_key_ids=st.sampled_from(((), ("key_1", "key_3"))),
    models=st.sampled_from(((), ("tiny-2",))),
    endpoints=st.sampled_from(((), ("/v1/chat/completions",))),
)
def test_every_call_is_counted_once_in_the_bucket_its_wall_clock_names(
    database: Database, used: list[Used], zone: str, bucket: Bucket, **filters: Any
) -> None:
    write(database, used, zone)
    for start_ms in (SPRING, AUTUMN, 2_085_100_000_000):
        query = UsageQuery("org-1", start_ms - 60 * HOUR, start_ms + 60 * HOUR, bucket, zone, **filters)
        bounds = buckets(query.start_ms, query.end_ms, bucket, zone)
        within = [call for call in used if bounds[0][0] <= call.at_ms < bounds[-1][1]]
        found = ask(database, query)
        named = {
            (bucket_of(row.bucket_start_ms, bucket, zone), row.group): Sums(*msgspec.structs.astuple(row)[2:])
            for row in found
        }
        assert named == model(within, query)
        assert len(named) == len(found)
        assert found == sorted(found, key=lambda row: (row.bucket_start_ms, row.group))


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(used=CALLS, zone=st.sampled_from(ZONES))
def test_utc_days_and_minutes_are_exact_whatever_the_organizations_zone(
    database: Database, used: list[Used], zone: str
) -> None:
    write(database, used, zone)
    day = UsageQuery("org-1", SPRING - 60 * HOUR, SPRING + 60 * HOUR, group_by=("api_key_id",))
    minute = msgspec.structs.replace(day, start_ms=SPRING - 12 * HOUR, end_ms=SPRING + 12 * HOUR, bucket="minute")
    for query in (day, minute):
        bounds = buckets(query.start_ms, query.end_ms, query.bucket, "UTC")
        within = [call for call in used if bounds[0][0] <= call.at_ms < bounds[-1][1]]
        found = {
            (bucket_of(row.bucket_start_ms, query.bucket, "UTC"), row.group): Sums(*msgspec.structs.astuple(row)[2:])
            for row in ask(database, query)
        }
        assert found == model(within, query)


@settings(max_examples=300, deadline=None)
@given(start_ms=instants(), hours=st.integers(0, 90), zone=st.sampled_from([*ZONES, "Australia/Lord_Howe"]))
@example(start_ms=SPRING, hours=24, zone="Europe/Berlin")
def test_buckets_are_contiguous_and_cover_the_times_asked_for(start_ms: int, hours: int, zone: str) -> None:
    widths: tuple[Bucket, ...] = ("day", "hour")
    for bucket in widths:
        bounds = buckets(start_ms, start_ms + hours * HOUR + 1, bucket, zone)
        assert bounds[0][0] <= start_ms < bounds[0][1]
        assert bounds[-1][0] <= start_ms + hours * HOUR < bounds[-1][1]
        assert all(one[1] == two[0] for one, two in pairwise(bounds))
        assert len({bucket_of(start, bucket, zone) for start, _ in bounds}) == len(bounds)


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        # Days that are over: of those to come, governments may still decide otherwise.
        ("Europe/Berlin", date(2024, 3, 31), 23),
        ("Europe/Berlin", date(2024, 10, 27), 25),
        ("Europe/Berlin", date(2024, 4, 1), 24),
        ("Africa/Cairo", date(2024, 4, 26), 23),  # midnight itself is skipped
        ("America/Havana", date(2024, 11, 3), 25),  # midnight comes twice
        ("Asia/Kolkata", date(2024, 3, 31), 24),
        ("UTC", date(2024, 3, 31), 24),
    ],
)
def test_a_day_has_as_many_hours_as_its_clocks_say(zone: str, day: date, hours: int) -> None:
    noon = int(datetime(day.year, day.month, day.day, 12, tzinfo=ZoneInfo(zone)).timestamp() * 1000)
    ((start_ms, end_ms),) = buckets(noon, noon + 1, "day", zone)
    assert end_ms - start_ms == hours * HOUR
    assert len(buckets(start_ms, end_ms, "hour", zone)) == hours
    assert datetime.fromtimestamp(start_ms / 1000, ZoneInfo(zone)).date() == day
    assert datetime.fromtimestamp((end_ms - 1) / 1000, ZoneInfo(zone)).date() == day


def test_another_organizations_usage_is_never_in_the_answer(database: Database) -> None:
    call = Used(SPRING, "proj_1", "user-1", "key_1", "tiny-1", "local", "/v1/chat/completions", Sums(requests=1))
    write(database, [call], "UTC")
    write(database, [call], "UTC", organization_id="org-2")
    for bucket in ("day", "hour", "minute"):
        (row,) = ask(database, UsageQuery("org-1", SPRING, SPRING + HOUR, bucket))
        assert row.requests == 1
    assert ask(database, UsageQuery("org-3", SPRING, SPRING + HOUR)) == []


def test_sums_beyond_what_floats_hold_are_exact(database: Database) -> None:
    odd = 2**53 + 1
    sums = Sums(requests=1, cost_nano_usd=odd)
    used = [
        Used(SPRING + k * HOUR, "proj_1", "user-1", "key_1", "tiny-1", "local", "/v1/chat/completions", sums)
        for k in range(3)
    ]
    write(database, used, "UTC")
    (row,) = ask(database, UsageQuery("org-1", SPRING, SPRING + HOUR))
    assert row.cost_nano_usd == 3 * odd


def test_an_answer_that_would_be_too_long_is_refused(database: Database) -> None:
    used = [
        Used(SPRING, "proj_1", "user-1", f"key_{k}", "tiny-1", "local", "/v1/chat/completions", Sums(requests=1))
        for k in range(11)
    ]
    write(database, used, "UTC")
    selection, span = Selection("org-1", group_by=("key_id",)), (SPRING, SPRING + HOUR)
    asks = (
        lambda c, most: rollups.list_spans(c, selection, [span], most),
        lambda c, most: rollups.list_slots(c, selection, *span, most),
        lambda c, most: rollups.list_minutes(c, selection, *span, most),
    )
    for question in asks:
        assert len(asyncio.run(database.read(lambda c, q=question: q(c, 11)))) == 11  # type: ignore[misc]
        with pytest.raises(Refusal) as refused:
            asyncio.run(database.read(lambda c, q=question: q(c, 10)))  # type: ignore[misc]
        assert refused.value.code is Code.PARAMETER_INVALID


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"group_by": ("secret",)}, "group_by"),
        ({"zone": "Mars/Olympus"}, "zone"),
        ({"start_ms": -1}, "start_time"),
        ({"end_ms": 2**62}, "start_time"),
        ({"start_ms": 0, "bucket": "minute"}, "bucket_width"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused_by_its_parameter(
    database: Database, changes: dict[str, Any], param: str
) -> None:
    query = msgspec.structs.replace(UsageQuery("org-1", SPRING, SPRING + HOUR), **changes)
    with pytest.raises(Refusal) as refused:
        ask(database, query)
    assert (refused.value.code, refused.value.param) == (Code.PARAMETER_INVALID, param)


def test_an_end_before_the_start_is_no_bucket_at_all() -> None:
    assert buckets(SPRING, SPRING - 1, "day", "UTC") == []
    assert buckets(SPRING, SPRING, "day", "UTC") == []


def test_a_day_is_read_as_one_range_of_the_rollup_and_never_by_a_scan(database: Database) -> None:
    def plans(connection: Connection) -> list[str]:
        is_sqlite = connection.dialect.name == "sqlite"
        asked: list[tuple[str, Any]] = []

        def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
            if statement.startswith("SELECT"):
                asked.append((statement, parameters))

        event.listen(connection, "before_cursor_execute", note)
        selection = Selection("org-1", group_by=("model",), key_ids=("key_1",))
        rollups.list_spans(connection, selection, [(SPRING, SPRING + 24 * HOUR)])
        rollups.list_minutes(connection, selection, SPRING, SPRING + HOUR)
        event.remove(connection, "before_cursor_execute", note)
        assert len(asked) == 2
        if not is_sqlite:
            # So few rows are read fastest by a scan; the question is whether they can be found without.
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        return [
            str(row[3] if is_sqlite else row[0]).strip()
            for statement, parameters in asked
            for row in connection.exec_driver_sql(
                f"EXPLAIN {'QUERY PLAN ' if is_sqlite else ''}{statement}", parameters
            )
        ]

    seen = asyncio.run(database.read(plans))
    assert [line for line in seen if line.startswith(("SEARCH", "Index Cond: ((starts_at_ms >="))]
    assert not [line for line in seen if line.startswith("SCAN") or "Seq Scan" in line]


def test_thirty_days_back_is_thirty_days_across_a_change_of_clocks() -> None:
    for zone in ZONES:
        for change in (SPRING, AUTUMN):
            days = last_days(change + 36 * HOUR, zone)
            assert len(days) == 30
            assert days[-1][0] <= change + 36 * HOUR < days[-1][1]
            dates = [datetime.fromtimestamp(start / 1000, ZoneInfo(zone)).date() for start, _ in days]
            assert dates == [dates[0] + timedelta(days=k) for k in range(30)]


@pytest.mark.parametrize("bucket", ["day", "hour"])
@pytest.mark.asyncio
async def test_who_used_most_is_shown_and_all_others_are_one_group_that_loses_nothing(
    house: House, bucket: Bucket
) -> None:
    day_ms = NOON - NOON % (24 * HOUR)
    users = {f"user-{number:03}": 1 + number * 37 % 200 for number in range(120)}
    for user_id, requests in users.items():
        for day in (1, 2):
            sums: dict[str, Any] = {"owner_id": user_id, "requests": requests, "cost_nano_usd": 7 * requests}
            await house.database.write(partial(a_slot, starts_at_ms=day_ms - day * 24 * HOUR, **sums))
    # One of the days is folded, the other is not.
    folded = (day_ms - 24 * HOUR, day_ms)
    await house.database.write(partial(fold_at_once, fold=DAYS, bounds=folded))
    questions = UsageQuestions(house.database)
    query = UsageQuery("org-1", day_ms - 2 * 24 * HOUR, day_ms, bucket, group_by=("user_id",))
    leaders = await questions.leaders(query, "requests")
    assert leaders is not None
    in_order = sorted(users, key=lambda one: (-users[one], one))
    assert list(leaders.groups) == in_order[:LEADERS_MAX]
    assert leaders.others == len(users) - LEADERS_MAX
    rows = await questions.rows_of(query, leaders)
    assert {row.group[0] for row in rows} == {*leaders.groups, OTHERS}
    left = sum(users[one] for one in in_order[LEADERS_MAX:])
    assert [(row.requests, row.cost_nano_usd) for row in rows if row.group[0] == OTHERS] == [(left, 7 * left)] * 2
    assert sum(row.requests for row in rows) == 2 * sum(users.values())
    whole = await questions.whole(query, "requests")
    assert [(row.group[0], row.requests) for row in whole] == [(one, 2 * users[one]) for one in in_order]
    assert sum(row.cost_nano_usd for row in whole) == 14 * sum(users.values())
    groups, by_bucket = await questions.summed(query, leaders)
    assert sum(row.requests for row in by_bucket) == sum(row.requests for row in groups) == 2 * sum(users.values())
    assert [(row.group[0], row.cost_nano_usd) for row in groups] == [
        *((one, 14 * users[one]) for one in in_order[:LEADERS_MAX]),
        (OTHERS, 2 * 7 * left),
    ]
    by_few = await questions.leaders(msgspec.structs.replace(query, group_by=("model",)), "requests")
    assert by_few is None
    assert await questions.rows_of(query, None) == await questions.rows(query)
