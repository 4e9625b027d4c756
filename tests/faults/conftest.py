"""What the faults' tests stand on is made once."""

import os
from collections.abc import Iterator

import pytest

from faults.ground import Ground, PostgresGround, SqliteGround
from faults.nursery import Nursery
from postgres import Cluster, a_cluster, programs


@pytest.fixture(scope="session")
def durable_cluster() -> Iterator[Cluster]:
    """A server that syncs at every commit. Tests may stop and kill it, and leave it running."""
    if programs() is None and os.environ.get("KEYHOUSE_TESTS") == "portable":
        pytest.skip("PostgreSQL is not installed: nothing of it is tested here")
    with a_cluster(is_durable=True) as made:
        yield made


@pytest.fixture(scope="session")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    """Where planted gateways come from."""
    made = Nursery(tmp_path_factory.mktemp("nursery"))
    yield made
    made.end()


@pytest.fixture(scope="session")
def postgres_ground(
    durable_cluster: Cluster, nursery: Nursery, tmp_path_factory: pytest.TempPathFactory
) -> PostgresGround:
    """PostgreSQL, for gateways beside each other."""
    return PostgresGround(tmp_path_factory.mktemp("postgres-ground"), durable_cluster, nursery)


@pytest.fixture(scope="session")
def sqlite_ground(nursery: Nursery, tmp_path_factory: pytest.TempPathFactory) -> SqliteGround:
    """SQLite, for one."""
    return SqliteGround(tmp_path_factory.mktemp("sqlite-ground"), nursery)


@pytest.fixture(params=["sqlite", "postgresql"])
def ground(request: pytest.FixtureRequest) -> Ground:
    """Each engine in turn."""
    made: Ground = request.getfixturevalue({"sqlite": "sqlite_ground", "postgresql": "postgres_ground"}[request.param])
    return made
