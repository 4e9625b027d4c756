"""A town and the command, as a process of its own, in front of it."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from sqlalchemy import insert

from admin.town import NOW, Town, a_town
from cli.forked import starter
from e2e.processes import clean_environment
from keyhouse.store import schema

Run = Callable[..., "CompletedProcess[str]"]

SCRIPTS = Path(__file__).parent / "scripts"


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
    wanted = clean_environment() | {"COLUMNS": "200"} | dict(environment or {})
    return starter().run(arguments, folder, given, {name: value for name, value in wanted.items() if value is not None})


def used(town: Town) -> None:
    """Three calls of `key_1`, one of `key_2` and two of `key_3` for images, on the day before the town's clock."""
    shared = {
        "starts_at_ms": (NOW - 31 * 3600) * 1000,
        "organization_id": "org-1",
        "project_id": "proj_1",
        "owner_id": "user-1",
        "upstream": "local",
        "endpoint": "/v1/chat/completions",
    }
    rows = (
        {"key_id": "key_1", "model": "tiny-1", "requests": 3, "errors": 1, "input_tokens": 300, "output_tokens": 150}
        | {"cached_input_tokens": 30, "cost_nano_usd": 123_456_789},
        {"key_id": "key_2", "model": "tiny-2", "requests": 1, "input_tokens": 100, "output_tokens": 50}
        | {"cost_nano_usd": 1},
        {"key_id": "key_3", "model": "tiny-3", "requests": 2, "images": 12, "cost_nano_usd": 480_000_000}
        | {"endpoint": "/v1/images/edits", "project_id": "proj_x"},
    )
    for row in rows:
        town.execute(lambda c, r=row: c.execute(insert(schema.usage_hour).values(shared | r)))  # type: ignore[misc]
