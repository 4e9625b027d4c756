"""Gateways on one database, an upstream that remembers, and the keys of a test."""

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from e2e.admin import Admin
from e2e.processes import KEYHOUSE, House, fake_upstream
from faults.ground import Ground
from faults.witnesses import Witnesses


class Fleet:
    """`serve` says how each gateway is started; several of them need PostgreSQL. Leaving ends every process."""

    def __init__(self, folder: Path, ground: Ground, serve: Sequence[Sequence[str]] = (KEYHOUSE,)) -> None:
        self.record = folder / "record.txt"
        self._upstream, url = fake_upstream(self.record)
        self.first: House = ground.house(folder, url, serve=serve[0])
        self.houses = [self.first]
        self.houses += [self.first.beside(f"gateway-{place}", serve=how) for place, how in enumerate(serve[1:], 2)]
        self.witnesses = Witnesses(self.record, self.first)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    @property
    def urls(self) -> list[str]:
        """Where the gateways are."""
        return [house.url for house in self.houses]

    def start(self) -> None:
        """Start every gateway that is not running, side by side."""
        started = [house for house in self.houses if house.child is None]
        for house in started:
            house.launch()
        for house in started:
            house.wait_until_ready()

    def end(self) -> None:
        """Kill every gateway, and the upstream."""
        for house in self.houses:
            house.kill()
        self._upstream.kill()

    def admin(self) -> Admin:
        """The administrator, at the first gateway."""
        return Admin(self.first)

    def key(self, name: str, **fields: object) -> dict[str, Any]:
        """A new API key."""
        with self.admin() as admin:
            return admin.create_key(name, **fields)

    def roomy_key(self) -> dict[str, Any]:
        """A key with limits on every level that leave room for any test."""
        with self.admin() as admin:
            key = admin.create_key("roomy", limits=[{"unit": "usd", "window": "month", "amount": "1000"}])
            admin.limit(("project", admin.project_id), "requests", "minute", "1000000")
            admin.limit(("organization", admin.organization_id), "tokens", "day", "1000000000")
            return key
