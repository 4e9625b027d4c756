"""What tests of several rooms stand on: the engines, and one PostgreSQL server for all of them."""

import os
from collections.abc import Iterator
from typing import Final

import pytest

from given_engine import Engine, PostgresEngine, SqliteEngine
from postgres import Cluster, a_cluster, programs

BOTH: Final = ("sqlite", "postgresql")


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A server for tests that leave it running."""
    if programs() is None and os.environ.get("KEYHOUSE_TESTS") == "portable":
        pytest.skip("PostgreSQL is not installed: nothing of it is tested here")
    with a_cluster() as made:
        made.make_template()
        yield made


@pytest.fixture(params=BOTH)
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """Each engine in turn; the databases it makes are dropped after the test."""
    if request.param == "sqlite":
        yield SqliteEngine()
        return
    made = PostgresEngine(request.getfixturevalue("cluster"))
    yield made
    made.close()


@pytest.fixture
def postgres_url(cluster: Cluster) -> Iterator[str]:
    """The address of a database with the whole schema and nothing in it."""
    name = cluster.new_database()
    yield cluster.url(name)
    cluster.drop_database(name)


@pytest.fixture
def empty_postgres_url(cluster: Cluster) -> Iterator[str]:
    """The address of a database without any table."""
    name = cluster.new_database("template0")
    yield cluster.url(name)
    cluster.drop_database(name)
