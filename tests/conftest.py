"""What tests of several rooms stand on: the engines, and one PostgreSQL server for all of them.

The long form of a proof runs only when it is asked for: `make soak`. It draws its examples anew each time; a plain run
draws the same ones, so that what fails is what was changed.
"""

import gc
from collections.abc import Iterator
from typing import Final

import pytest
import structlog
from hypothesis import settings

from given_engine import BOTH, Engine, an_engine
from given_statements import keep_compiled
from postgres import Cluster, a_cluster

gc.disable()
settings.register_profile("drawn once", derandomize=True)
settings.register_profile("drawn anew")
settings.load_profile("drawn once")

LONG: Final = ("e2e", "faults")
GARBAGE_THRESHOLDS: Final = (20_000, 20, 20)
"""A test leaves little garbage; looking for it as often as Python does by itself took a tenth of the time."""


def pytest_configure(config: pytest.Config) -> None:
    """Name what runs only when it is asked for."""
    config.addinivalue_line("markers", "soak: the long form of a proof")
    config.addinivalue_line("markers", "pictures: takes the pictures of the documentation")
    keep_compiled()
    # Logged faults in plain words: with the values of all variables, in colours, one takes half a minute late in a run.
    plain = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[structlog.processors.add_log_level, structlog.processors.TimeStamper(), plain])


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is marked `soak` or `pictures` unless a marker is chosen.

    What takes long in few pieces comes first: who began it when the others are done would be waited for.
    """
    items.sort(key=lambda item: item.path.parent.name not in LONG)
    if config.getoption("-m"):
        return
    asked_for = [item for item in items if item.get_closest_marker("soak") or item.get_closest_marker("pictures")]
    if asked_for:
        config.hook.pytest_deselected(items=asked_for)
        items[:] = [item for item in items if item not in asked_for]


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop() -> None:
    """What was loaded stays until the end: the collector of garbage, which stood still so far, never looks at it."""
    gc.freeze()
    gc.set_threshold(*GARBAGE_THRESHOLDS)
    gc.enable()


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
