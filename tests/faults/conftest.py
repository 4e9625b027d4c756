"""The long form of these tests runs only when it is asked for: `make soak`."""

import pytest


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
