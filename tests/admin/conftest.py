"""A town for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from admin.town import Town, a_town


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    """Two organizations and the real Admin API."""
    with a_town(tmp_path) as opened:
        yield opened
