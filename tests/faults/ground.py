"""What a Keyhouse of these tests stands on: either engine, with the first organization already made.

Setting up costs a second and proves nothing here, so it is done once for each engine and then copied: the folder with
its SQLite file and master key, or the database as PostgreSQL's own template beside a copy of the master key.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from e2e.configuration import UPSTREAM_KEY, configuration
from e2e.processes import KEYHOUSE, House
from faults.nursery import Nursery
from postgres import Cluster


class Ground(Protocol):
    """Makes houses that are set up and not yet started."""

    name: str

    def house(self, folder: Path, upstream_url: str, *, serve: Sequence[str] = KEYHOUSE) -> House:
        """A house of its own in `folder`, in front of this upstream."""
        ...


class SqliteGround:
    """A file for each house."""

    name = "sqlite"

    def __init__(self, folder: Path, nursery: Nursery) -> None:
        self._nursery = nursery
        self._first = House(folder)
        self._first.init()

    def house(self, folder: Path, upstream_url: str, *, serve: Sequence[str] = KEYHOUSE) -> House:
        """A house with a copy of the file."""
        made = House(folder, _configuration(folder, upstream_url), serve=serve)
        shutil.copytree(self._first.data, made.data)
        made.established = self._first.established
        made.spawn = self._nursery.spawn
        return made


class PostgresGround:
    """A database for each house, on one server."""

    name = "postgresql"

    def __init__(self, folder: Path, cluster: Cluster, nursery: Nursery) -> None:
        self._nursery = nursery
        self.cluster = cluster
        self._template = cluster.new_empty_database()
        self._copies = 0
        self._first = House(folder, database=cluster.url(self._template))
        self._first.init()

    def house(self, folder: Path, upstream_url: str, *, serve: Sequence[str] = KEYHOUSE) -> House:
        """A house with a copy of the database."""
        self._copies += 1
        name = f"{self._template}_copy_{self._copies}"
        self.cluster.execute(f"CREATE DATABASE {name} TEMPLATE {self._template}")
        made = House(folder, _configuration(folder, upstream_url), serve=serve, database=self.cluster.url(name))
        shutil.copytree(self._first.data, made.data)
        made.established = self._first.established
        made.spawn = self._nursery.spawn
        return made


def _configuration(folder: Path, upstream_url: str) -> str:
    key_file = folder / "upstream.key"
    key_file.write_text(UPSTREAM_KEY, encoding="utf-8")
    return configuration(upstream_url, str(key_file))
