"""Keyhouse stops when it is asked to, even if its database is gone."""

import asyncio
import signal
from pathlib import Path

import pytest

from e2e.processes import House
from postgres import a_cluster


@pytest.mark.asyncio
async def test_without_its_database_it_still_stops(tmp_path: Path) -> None:
    with a_cluster() as cluster:
        name = cluster.new_empty_database()
        house = House(tmp_path, f'[database]\nurl = "{cluster.url(name)}"\n')
        house.init()
        house.start()
        try:
            cluster.stop()
            assert house.child is not None
            house.child.process.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(house.child.process.wait, 20) == 0
            assert "could not be told" in house.child.said
            house.child = None
        finally:
            house.kill()
