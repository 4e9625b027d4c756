"""From which networks a key was called: of late, before, and never from too many calls. On both engines."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from given import NOON, some_people
from given_calls import a_call
from given_engine import ClosableDatabase, Engine
from keyhouse.store.networks import CALLS_READ_MAX, Networks, find_networks, network_of

LATE = NOON + 100


@pytest.fixture
def database(engine: Engine, tmp_path: Path) -> Iterator[ClosableDatabase]:
    made = engine.open_for_any_loop(tmp_path)
    asyncio.run(made.write(some_people))
    yield made
    made.close_now()


def called(database: ClosableDatabase, *calls: tuple[int, str], **fields: Any) -> None:
    def write(connection: Connection) -> None:
        for at_ms, address in calls:
            a_call(connection, at_ms, address=address, **fields)

    asyncio.run(database.write(write))


def ask(database: ClosableDatabase, calls_read_max: int = CALLS_READ_MAX) -> Networks:
    return asyncio.run(database.read(lambda c: find_networks(c, "key_1", LATE, calls_read_max)))


def test_a_network_of_late_that_was_not_there_before_is_new(database: ClosableDatabase) -> None:
    called(database, (NOON, "192.0.2.1"), (NOON + 1, "2001:db8:1:2::1"))
    called(database, (LATE, "192.0.2.77"), (LATE + 1, "198.51.100.4"), (LATE + 2, "198.51.100.5"))
    called(database, (LATE + 3, "2001:db8:1:ffff::9"), (LATE + 4, "2001:db8:2::1"), (LATE + 5, "unknown"))
    called(database, (LATE + 6, "203.0.113.1"), key_id="key_2")
    assert ask(database).new == ("198.51.100.0/24", "2001:db8:2::/48")


def test_a_key_without_earlier_calls_has_no_new_network(database: ClosableDatabase) -> None:
    called(database, (LATE, "192.0.2.1"))
    found = ask(database)
    assert found.lately == {"192.0.2.0/24"}
    assert found.new == ()


def test_of_many_calls_the_newest_are_read_on_each_side(database: ClosableDatabase) -> None:
    called(database, *((NOON + place, f"10.0.{place}.1") for place in range(3)))
    called(database, *((LATE + place, f"10.1.{place}.1") for place in range(3)))
    found = ask(database, calls_read_max=2)
    assert found.before == {"10.0.1.0/24", "10.0.2.0/24"}
    assert found.lately == {"10.1.1.0/24", "10.1.2.0/24"}


def test_an_address_is_in_its_network() -> None:
    assert network_of("192.0.2.77") == network_of("::ffff:192.0.2.1") == "192.0.2.0/24"
    assert network_of("2001:db8:1:2::3") == "2001:db8:1::/48"
    assert network_of("") == network_of("unknown") == ""
