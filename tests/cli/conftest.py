"""A town and the command, as a process of its own, in front of it."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from admin.town import Town, a_town

Run = Callable[..., "CompletedProcess[str]"]

COMMAND = (sys.executable, "-m", "keyhouse.cli.main")


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    """Two organizations and the real Admin API."""
    with a_town(tmp_path) as opened:
        yield opened


@pytest.fixture
def run(town: Town, tmp_path: Path) -> Run:
    """Runs `keyhouse ARGUMENTS` as `org-1`'s owner."""

    def start(
        arguments: list[str], given: str = "", environment: Mapping[str, str | None] | None = None
    ) -> "CompletedProcess[str]":
        return command(
            arguments,
            tmp_path,
            given,
            {"KEYHOUSE_URL": town.url, "KEYHOUSE_ADMIN_KEY": town.owner} | dict(environment or {}),
        )

    return start


def command(
    arguments: list[str], folder: Path, given: str = "", environment: Mapping[str, str | None] | None = None
) -> "CompletedProcess[str]":
    """Run `keyhouse ARGUMENTS` in a folder, with nothing of Keyhouse's in its environment but what is given."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("KEYHOUSE_")}
    wanted = inherited | {"COLUMNS": "200"} | dict(environment or {})
    return subprocess.run(
        [*COMMAND, *arguments],
        input=given,
        capture_output=True,
        text=True,
        cwd=folder,
        env={name: value for name, value in wanted.items() if value is not None},
        timeout=60,
        check=False,
    )
