"""What tests of several rooms stand on: the engines, and one PostgreSQL server for all of them.

The long form of a proof runs only when it is asked for: `make soak`.
"""

from collections.abc import Iterator

import pytest

from given_engine import BOTH, Engine, an_engine
from postgres import Cluster, a_cluster


def pytest_configure(config: pytest.Config) -> None:
    """Name the marker of the long form."""
    config.addinivalue_line("markers", "soak: the long form of a proof")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is marked `soak` unless a marker is chosen."""
    if config.getoption("-m"):
        return
    long = [item for item in items if item.get_closest_marker("soak")]
    if long:
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A server for tests that leave it running."""
    with a_cluster() as made:
        made.make_template()
        yield made


@pytest.fixture(params=BOTH)
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """Each engine in turn; its databases are given back after the test."""
    with an_engine(request) as made:
        yield made


@pytest.fixture
def postgres_url(cluster: Cluster) -> Iterator[str]:
    """The address of a database with the whole schema and nothing in it."""
    name = cluster.lend_database()
    yield cluster.url(name)
    cluster.give_back(name)


@pytest.fixture
def empty_postgres_url(cluster: Cluster) -> Iterator[str]:
    """The address of a database without any table."""
    name = cluster.new_empty_database()
    yield cluster.url(name)
    cluster.drop_database(name)
